"""Machines and what was asked for -> what one trial takes, and how many trials run at once."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from segtrain.errors import UserError

Nodes: TypeAlias = Sequence[Mapping[str, float]]
"""Per node {"CPU": number, "GPU": number}; an absent one is 0."""

LEAST_SHARE = 0.0001
CGROUP_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "quota period"
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/nvidia0"), Path("/dev/kfd"), Path("/dev/dxg"))
"""Of NVIDIA, of AMD, and of Windows' subsystem for Linux."""


class ResourceError(UserError):
    """More was asked for than there is."""


@dataclass(frozen=True)
class TrialResources:
    """What one trial takes. `num_gpus` caps the GPUs that a sweep uses; 0 keeps it on CPUs."""

    cpus: float
    gpus: float
    num_gpus: int

    def slots(self, nodes: Nodes) -> int:
        """How many trials fit on nodes with {"CPU": ..., "GPU": ...} at once."""
        fitting = sum(self._slots_on(node) for node in nodes)
        return min(fitting, self._slots_on_gpus(self.num_gpus)) if self.gpus else fitting

    def _slots_on(self, node: Mapping[str, float]) -> int:
        by_cpu = math.floor(node.get("CPU", 0) / self.cpus)
        return min(by_cpu, self._slots_on_gpus(node.get("GPU", 0))) if self.gpus else by_cpu

    def _slots_on_gpus(self, gpus: float) -> int:
        # A trial never straddles GPUs, so what is left of each is lost: three trials of 0.4 need two GPUs.
        return int(gpus) * math.floor(1 / self.gpus + 1e-9)


def local_node() -> dict[str, float]:
    """What this process may use: containers often have fewer cores than their machine. torch is asked for GPUs only
    where a driver of any is present, since importing it takes seconds."""
    cpus: float = len(os.sched_getaffinity(0))
    if CGROUP_CPU_LIMIT.exists():
        quota, period = CGROUP_CPU_LIMIT.read_text().split()
        if quota != "max":
            cpus = min(cpus, max(1, int(quota) // int(period)))
    gpus = 0
    if any(map(Path.exists, GPU_DRIVERS)):
        import torch

        gpus = torch.cuda.device_count()
    return {"CPU": cpus, "GPU": gpus}


def pick_resources(
    nodes: Nodes, num_gpus: int | None, gpus_per_trial: float | None, cpus_per_trial: float
) -> TrialResources:
    """Fills in what was not given: all GPUs there are, one for each trial. Raises ResourceError."""
    present = int(sum(node.get("GPU", 0) for node in nodes))
    if num_gpus is not None and num_gpus < 0:
        raise ResourceError(f"--num-gpus is {num_gpus}; allowed: an integer from 0 to {present}")
    if num_gpus is not None and num_gpus > present:
        instead = f"--num-gpus {present}" if present else "the command without --num-gpus to train on the CPUs"
        raise ResourceError(f"--num-gpus is {num_gpus} but {present} GPUs were found; type {instead}")
    for name, value in (("--gpus-per-trial", gpus_per_trial), ("--cpus-per-trial", cpus_per_trial)):
        if value is not None and not LEAST_SHARE <= value < math.inf:
            raise ResourceError(f"{name} is {value:g}; allowed: a number > 0, and Ray counts down to {LEAST_SHARE}")
    if gpus_per_trial is not None and gpus_per_trial > 1:
        raise ResourceError(f"--gpus-per-trial is {gpus_per_trial:g}; allowed: at most 1, a trial trains on one GPU")
    num_gpus = present if num_gpus is None else num_gpus
    if num_gpus == 0 and gpus_per_trial:
        raise ResourceError(f"--gpus-per-trial is {gpus_per_trial:g} but there is no GPU to share; leave it out")
    gpus = (1.0 if gpus_per_trial is None else gpus_per_trial) if num_gpus else 0.0
    resources = TrialResources(cpus_per_trial, gpus, num_gpus)
    if resources.slots(nodes) == 0:
        found = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ResourceError(
            f"a trial takes {cpus_per_trial:g} CPUs and {gpus:g} GPUs, and no machine has that (found: {found}); "
            "lower --cpus-per-trial or --gpus-per-trial"
        )
    return resources
