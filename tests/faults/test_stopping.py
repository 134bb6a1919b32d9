"""SIGTERM, and SIGUSR1 as Slurm may send it, end a sweep as Ctrl-C does."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from segtrain import records
from sweeps.engine import cli
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


def test_sigterm_to_the_whole_group_while_ray_starts(start: Callable[..., Sweep], tmp_path: Path) -> None:
    """It ends Ray's first process too, for whose answer Ray would wait a minute and then exit with 1."""
    sweep = start(*TINY, "--out", str(tmp_path / "out"))
    sweep.wait_until(lambda: "gcs_server" in names(sweep))
    assert "raylet" not in names(sweep)
    os.killpg(sweep.process.pid, signal.SIGTERM)
    assert sweep.wait() == 143, sweep.text()
    assert sweep.text().endswith("interrupted before any trial was started\n")


def names(sweep: Sweep) -> set[str]:
    found = set()
    for process in sweep.family():
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            found.add(process.name())
    return found
