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

REPOSITORY = Path(__file__).parents[2]
TINY = (
    "--demo", "--set", "width_mult=0.0625", "--set", "image_height=64", "--set", "image_width=64",
    "--set", "epochs=3", "--set", "val_every=1", "--wandb", "disabled",
)  # fmt: skip


class Sweep:
    """One running command; `out` and `data_root` are given to it, and its output goes to `log`."""

    def __init__(self, log: Path, environment: dict[str, str], arguments: list[str]) -> None:
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "sweeps/fcn_grid.py", *arguments],
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
