"""Machines and what was asked for -> what one trial takes, and how many trials run at once."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from segtrain.errors import UserError

Nodes: TypeAlias = Sequence[Mapping[str, float]]
"""Per node {"CPU": number, "GPU": number, "memory": bytes, "accelerator_type:A100": 1}, as Ray has them; an absent one
is 0."""

LEAST_SHARE = 0.0001
GIB = 2**30
GPU_TYPE, GPU_TYPE_SHARE = "accelerator_type:", 0.001
"""Of the resource that Ray gives a node for the kind of its GPUs, and the share that asks for the node alone."""
CGROUP_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "quota period"
CGROUP_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # "max" or bytes
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/nvidia0"), Path("/dev/kfd"), Path("/dev/dxg"))
"""Of NVIDIA, of AMD, and of Windows' subsystem for Linux."""


class ResourceError(UserError):
    """More was asked for than there is."""


@dataclass(frozen=True)
class TrialResources:
    """What one trial takes; `memory` is in bytes, and `gpu_type` in Ray's words. `num_gpus` caps the GPUs that a sweep
    uses: None leaves it all there are, those of nodes that come later too, and 0 keeps it on CPUs."""

    cpus: float
    gpus: float
    num_gpus: int | None
    memory: float = 0.0
    gpu_type: str | None = None

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray takes it."""
        memory = {"memory": self.memory} if self.memory else {}
        gpu_type = {f"{GPU_TYPE}{self.gpu_type}": GPU_TYPE_SHARE} if self.gpu_type else {}
        return {"CPU": self.cpus, "GPU": self.gpus, **memory, **gpu_type}

    def slots(self, nodes: Nodes) -> int:
        """How many trials fit on the nodes at once."""
        fitting = sum(self._slots_on(node) for node in nodes)
        return fitting if self.num_gpus is None or not self.gpus else min(fitting, self._slots_on_gpus(self.num_gpus))

    def _slots_on(self, node: Mapping[str, float]) -> int:
        if self.gpu_type and f"{GPU_TYPE}{self.gpu_type}" not in node:
            return 0
        fitting = math.floor(node.get("CPU", 0) / self.cpus)
        if self.memory:
            fitting = min(fitting, math.floor(node.get("memory", 0) / self.memory))
        return min(fitting, self._slots_on_gpus(node.get("GPU", 0))) if self.gpus else fitting

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
    return {"CPU": cpus, "GPU": gpus, "memory": _local_memory()}


def _local_memory() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_MEMORY_LIMIT.read_text().strip() if CGROUP_MEMORY_LIMIT.exists() else "max"
    return memory if limit == "max" else min(memory, int(limit))


def pick_resources(
    nodes: Nodes,
    num_gpus: int | None,
    gpus_per_trial: float | None,
    cpus_per_trial: float,
    memory_per_trial: float | None = None,
    gpu_type: str | None = None,
) -> TrialResources:
    """Fills in what was not given: all GPUs there are, one for each trial. `memory_per_trial` is in GiB. Raises
    ResourceError."""
    if gpu_type is not None:
        nodes = _with_gpus_of(nodes, gpu_type)
    present = int(sum(node.get("GPU", 0) for node in nodes))
    if num_gpus is not None and num_gpus < 0:
        raise ResourceError(f"--num-gpus is {num_gpus}; allowed: an integer from 0 to {present}")
    if num_gpus is not None and num_gpus > present:
        instead = f"--num-gpus {present}" if present else "the command without --num-gpus to train on the CPUs"
        raise ResourceError(f"--num-gpus is {num_gpus} but {present} GPUs were found; type {instead}")
    for name, value in (("--gpus-per-trial", gpus_per_trial), ("--cpus-per-trial", cpus_per_trial)):
        if value is not None and not LEAST_SHARE <= value < math.inf:
            raise ResourceError(f"{name} is {value:g}; allowed: a number > 0, and Ray counts down to {LEAST_SHARE}")
    if memory_per_trial is not None and not LEAST_SHARE <= memory_per_trial < math.inf:
        raise ResourceError(f"--memory-per-trial is {memory_per_trial:g}; allowed: a number > 0, in GiB")
    if gpus_per_trial is not None and gpus_per_trial > 1:
        raise ResourceError(f"--gpus-per-trial is {gpus_per_trial:g}; allowed: at most 1, a trial trains on one GPU")
    on_gpus = present > 0 if num_gpus is None else num_gpus > 0
    if not on_gpus and gpus_per_trial:
        raise ResourceError(f"--gpus-per-trial is {gpus_per_trial:g} but there is no GPU to share; leave it out")
    if not on_gpus and gpu_type is not None:
        raise ResourceError(f"--gpu-type is {gpu_type!r} but there is no GPU to train on; leave it out")
    gpus = (1.0 if gpus_per_trial is None else gpus_per_trial) if on_gpus else 0.0
    memory = math.ceil((memory_per_trial or 0.0) * GIB)
    resources = TrialResources(cpus_per_trial, gpus, num_gpus, memory, gpu_type)
    if resources.slots(nodes) == 0:
        found = "; ".join(_in_words(node, memory) for node in nodes)
        flags = "--cpus-per-trial or --gpus-per-trial" + (" or --memory-per-trial" if memory else "")
        raise ResourceError(
            f"a trial takes {_in_words(resources.bundle, memory)}, and no machine has that (found: {found}); "
            f"lower {flags}"
        )
    return resources


def _with_gpus_of(nodes: Nodes, gpu_type: str) -> Nodes:
    """Raises ResourceError where there are none."""
    found = [node for node in nodes if f"{GPU_TYPE}{gpu_type}" in node]
    if not found:
        kinds = {name.removeprefix(GPU_TYPE) for node in nodes for name in node if name.startswith(GPU_TYPE)}
        raise ResourceError(
            f"--gpu-type is {gpu_type!r}; allowed: what Ray calls the GPUs of the cluster at --address: "
            f"{', '.join(sorted(kinds)) or 'it names none here'}"
        )
    return found


def _in_words(resources: Mapping[str, float], with_memory: float) -> str:
    cpus, gpus = f"{resources.get('CPU', 0):g} CPUs", f"{resources.get('GPU', 0):g} GPUs"
    if not with_memory:
        return f"{cpus} and {gpus}"
    return f"{cpus}, {gpus} and {resources.get('memory', 0) / GIB:.3g} GiB"
