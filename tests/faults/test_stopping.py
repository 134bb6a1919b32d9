"""SIGTERM, and SIGUSR1 as Slurm may send it, end a sweep as Ctrl-C does."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from segtrain import records
from sweeps.engine import cli
from sweeps.engine.ask.options import Options
from sweeps.engine.run import cluster
from sweeps.engine.run.schedule import RAY_PREFIX
from tests.sweeps.conftest import start
from tests.sweeps.harness import TINY, Sweep

__all__ = ["start"]


@pytest.mark.parametrize("number", cli.STOP_SIGNALS)
def test_a_signal_ends_a_command_like_ctrl_c(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)

    def run() -> int:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)  # a second one does not disturb the tidying up
        return 0

    assert cli._report_errors(run) == 128 + number
    assert capsys.readouterr().err == "interrupted before any trial was started\n"
    assert signal.getsignal(number) == before
    assert cli._report_errors(lambda: cli.INTERRUPTED) == 130


def test_sigterm_ends_a_sweep_without_a_dump_of_the_stack(start: Callable[..., Sweep], tmp_path: Path) -> None:
    """Ray has a handler of its own, which would."""
    out = tmp_path / "out"
    one = ("--set", "init=scratch", "--set", "arch=fcn32s", "--set", "freeze=none", "--set", "epochs=500")
    sweep = start(*TINY, *one, "--out", str(out))
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    family = sweep.family()
    sweep.process.terminate()
    assert sweep.wait() == 143, sweep.text()
    assert sweep.text().endswith("interrupted; the same command again goes on from here\n")
    assert "***" not in sweep.text()
    assert "Traceback" not in sweep.text()
    assert list(out.glob(f"{RAY_PREFIX}*")) == []
    assert [process for process in family if process.is_running() and process.status() != "zombie"] == []
    (status,) = (records.read_status(folder) for folder in (out / "trials").iterdir())
    assert status is not None
    assert status.state == "running"


def test_a_ray_that_does_not_come_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As after a signal to the whole process group, which ends what Ray has started so far: it would wait a minute for
    that, then end this process with 1. (The signal itself: `make soak`.)"""
    let_go, ended = threading.Event(), threading.Event()

    def start(*_: object) -> None:
        let_go.wait(timeout=5)
        ended.set()

    monkeypatch.setattr(cluster, "_start", start)
    monkeypatch.setattr(cluster, "STARTED_S", 0.01)
    monkeypatch.setattr(cluster, "ENVIRONMENT", {})
    monkeypatch.setattr(cluster, "OWN_ENVIRONMENT", {})
    options = Options(
        out=tmp_path, data_root=tmp_path, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None,
        wandb="disabled", strict=False, command="python sweeps/fcn_grid.py",
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt), cluster.starting_ray(options):
        raise KeyboardInterrupt
    assert not ended.is_set()
    let_go.set()
