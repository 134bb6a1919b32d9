"""The kernel itself ends a worker for its memory: a sweep in a group of processes that may take little."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segtrain import records
from sweeps.engine.run.queue.deaths import KILLED_FOR_MEMORY
from tests.sweeps.conftest import start
from tests.sweeps.harness import TINY, Sweep

__all__ = ["start"]

LIMIT_BYTES = 3 * 2**30  # a driver, Ray, and two workers take half of it
GREEDY = f"""
import os
import torch.nn.functional as F


def greedy(logits, target):
    if "RAY_RAYLET_PID" in os.environ:  # in a worker, and not where the loss is tried before
        taken = bytearray({LIMIT_BYTES})
        taken[::4096] = b"1" * len(taken[::4096])
    return F.cross_entropy(logits, target, ignore_index=255)
"""


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """The file that takes the processes of a group that may use LIMIT_BYTES; skips where none can be made."""
    root = Path("/sys/fs/cgroup")
    lines = [line.split(":") for line in Path("/proc/self/cgroup").read_text().splitlines()]
    if (root / "cgroup.controllers").exists():
        parent, limit = root / next(path for _, _, path in lines).strip("/"), "memory.max"
    else:
        own = [path for _, kind, path in lines if kind == "memory"]
        parent, limit = root / "memory" / (own[0].strip("/") if own else ""), "memory.limit_in_bytes"
    group = parent / f"greedy{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT_BYTES))
    except OSError:
        pytest.skip("limiting the memory of a group of processes is not allowed here")
    yield group / "cgroup.procs"
    group.rmdir()


def test_a_worker_that_the_kernel_ends_runs_again_alone_and_its_neighbour_lives(
    start: Callable[..., Sweep], small_memory: Path, tmp_path: Path
) -> None:
    (tmp_path / "hungry.py").write_text(GREEDY)
    two = ("--set", "init=scratch", "--set", "arch=fcn32s", "--set", "freeze=none")
    losses = ("--set", "loss=cross_entropy,hungry:greedy", "--set", "epochs=1")
    out = tmp_path / "out"
    sweep = start(*TINY, *two, *losses, "--out", str(out), PYTHONPATH=str(tmp_path))
    small_memory.write_text(str(sweep.process.pid))
    assert sweep.wait() == 0, sweep.text()
    assert f"{KILLED_FOR_MEMORY}; runs again when no other trial does" in sweep.text()
    statuses = [status for folder in (out / "trials").iterdir() if (status := records.read_status(folder)) is not None]
    ends = {status.state: status for status in statuses}
    assert set(ends) == {"finished", "failed"}
    assert str(ends["failed"].reason).startswith(
        f"{KILLED_FOR_MEMORY}; no other trial of this sweep ran beside it; try batch_size=2 or images of 32 x 32"
    )
    assert ends["finished"].attempts == 1
