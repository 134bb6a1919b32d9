"""Sweeps as a user runs them: `python sweeps/fcn_grid.py` in a process of its own, on scenes made for tests."""

import contextlib
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from segtrain import records

REPOSITORY = Path(__file__).parents[2]
TINY = (
    "--demo", "--set", "width_mult=0.0625", "--set", "image_height=64", "--set", "image_width=64",
    "--set", "epochs=3", "--set", "val_every=1", "--wandb", "disabled",
)  # fmt: skip

NO_TRACKING = {"trackers": [], "wandb": "disabled", "variables": {}}
SCORES = records.TestScores(
    epoch=3, loss=0.5, pixel_accuracy=0.9, mean_accuracy=0.8, mean_iou=0.25, frequency_weighted_iou=0.7,
    iou=[0.25, None], classes=["road", "sky"], counted_classes=1, images=2, auc=[0.5, None], mean_auc=0.5,
    boundary_iou=[0.1, None], mean_boundary_iou=0.1,
    size_iou={size: [0.2, None] for size in records.OBJECT_SIZES},
    mean_size_iou=dict.fromkeys(records.OBJECT_SIZES, 0.2),
)  # fmt: skip


class Sweep:
    """One running command; `out` and `data_root` are given to it, and its output goes to `log`."""

    def __init__(self, log: Path, environment: dict[str, str], script: str, arguments: list[str]) -> None:
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, script, *arguments],
                cwd=REPOSITORY,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                # A test run started in the background of a shell ignores Ctrl-C, and so would its children.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )

    def wait(self) -> int:
        return self.process.wait(timeout=300)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Watches closely; fails when the sweep ends before the condition holds."""
        while not condition():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.002)  # leaves the cores to the sweep
            assert self.process.poll() is None, f"the sweep ended first:\n{self.text()}"

    def text(self) -> str:
        return self.log.read_text()

    def epoch_lines(self) -> Counter[tuple[str, int]]:
        """(run name, epoch) -> how often the sweep reported it."""
        return Counter((run, int(epoch)) for run, epoch in re.findall(r"\] (\S+)  epoch (\d+)/", self.text()))

    def workers(self) -> list[psutil.Process]:
        """The processes that train, of this sweep alone."""
        return [process for process in self.family() if is_worker(process)]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_driver(self) -> None:
        self.process.kill()
        self.process.wait(timeout=60)

    def kill_everything(self) -> None:
        """SIGKILL to the workers, then the driver, then all of Ray."""
        workers, family = self.workers(), self.family()
        for process in workers:
            kill(process)
        self.kill_driver()
        for process in family:
            kill(process)
        psutil.wait_procs(family, timeout=60)


def is_worker(process: psutil.Process) -> bool:
    """Whether it is a Ray worker that trains; it may end while we look."""
    try:
        return "TrialTrainable" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def finished(out: Path) -> set[Path]:
    """Folders of the trials that have finished."""
    folders = (path.parent for path in out.glob(f"trials/*/{records.STATUS_FILE}"))
    return {f for f in folders if (status := records.read_status(f)) is not None and status.state == "finished"}


def half_done(out: Path, name: str = "*") -> bool:
    """Whether some trial whose id matches `name` has finished an epoch and is not through."""
    for path in out.glob(f"trials/{name}/{records.STATUS_FILE}"):
        status = records.read_status(path.parent)
        if status is not None and status.state == "running" and 0 < status.epoch < status.epochs:
            return True
    return False


def modified(folders: set[Path]) -> dict[Path, int]:
    """When the files of trials were last written."""
    return {p: p.stat().st_mtime_ns for folder in folders for p in folder.rglob("*") if p.name != records.LOCK_FILE}
