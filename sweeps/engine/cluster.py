"""The machines: a Ray of our own, or one that runs already; and how many trials they hold at once."""

import logging
import math
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import ray
import torch

from segtrain.errors import UserError

Nodes: TypeAlias = Sequence[Mapping[str, float]]
"""Per node {"CPU": number, "GPU": number}; an absent one is 0."""

CGROUP_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "quota period"


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
    """What this process may use: containers often have fewer cores than their machine."""
    cpus: float = len(os.sched_getaffinity(0))
    if CGROUP_CPU_LIMIT.exists():
        quota, period = CGROUP_CPU_LIMIT.read_text().split()
        if quota != "max":
            cpus = min(cpus, max(1, int(quota) // int(period)))
    return {"CPU": cpus, "GPU": torch.cuda.device_count()}


def find_nodes(address: str | None) -> Nodes:
    """The machines that a sweep would run on, without starting anything. Raises ResourceError."""
    if address is None:
        return [local_node()]
    with ray_session(address) as nodes:
        return nodes()


def check_address(address: str) -> None:
    """Raises ResourceError when nothing listens at HOST:PORT: Ray would try for more than a minute, then exit."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"--address is {address!r} and no Ray cluster answers there ({error}); give the HOST:PORT that "
            "`ray start --head` printed"
        ) from None


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
        if value is not None and value <= 0:
            raise ResourceError(f"{name} is {value:g}; allowed: a number > 0")
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


@contextmanager
def ray_session(address: str | None) -> Iterator[Callable[[], Nodes]]:
    """Connects to the cluster at `address`, or starts a Ray on this machine that ends with this process. Gives a
    function that returns the resources of the nodes that are alive. Raises ResourceError."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # the trial folders have it all
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C may end it at once: nothing is lost
    # Tune prints a traceback for every worker that dies; the table says it in a line, and the queue tries again.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        node = local_node()
        ray.init("local", num_cpus=int(node["CPU"]), num_gpus=int(node["GPU"]), include_dashboard=False, **quiet)
    else:
        check_address(address)
        ray.init(address, **quiet)
    try:
        yield lambda: [node["Resources"] for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()
