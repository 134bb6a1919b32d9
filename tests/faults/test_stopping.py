"""SIGTERM, and SIGUSR1 as Slurm may send it, end a sweep as Ctrl-C does."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from segtrain import records
from sweeps.engine import cli
from sweeps.engine.ask.options import Options
from sweeps.engine.plan.resources import ResourceError
from sweeps.engine.run import cluster
from sweeps.engine.run.schedule import RAY_PREFIX
from tests.sweeps.conftest import start
from tests.sweeps.harness import TINY, Sweep

__all__ = ["start"]

ENDED_S = 10.0
"""A worker of Ray notices by itself that its Ray has ended, a moment later."""


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
    """Ray has a handler of its own, which would; and a signal to the process group, which would reach all of Ray, must
    reach the command alone, or a call into a Ray that is gone ends it a minute later."""
    out = tmp_path / "out"
    one = ("--set", "init=scratch", "--set", "arch=fcn32s", "--set", "freeze=none", "--set", "epochs=500")
    sweep = start(*TINY, *one, "--out", str(out))
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    family = sweep.family()
    group = os.getpgid(sweep.process.pid)
    assert [process.cmdline() for process in family if os.getpgid(process.pid) == group] == []
    os.killpg(group, signal.SIGTERM)
    assert sweep.wait() == 143, sweep.text()
    assert sweep.text().endswith("interrupted; the same command again goes on from here\n")
    assert "***" not in sweep.text()
    assert "Traceback" not in sweep.text()
    assert list(out.glob(f"{RAY_PREFIX}*")) == []
    _, left = psutil.wait_procs(family, timeout=ENDED_S)
    assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
    (status,) = (records.read_status(folder) for folder in (out / "trials").iterdir())
    assert status is not None
    assert status.state == "running"


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Options:
    monkeypatch.setattr(cluster, "ENVIRONMENT", {})
    monkeypatch.setattr(cluster, "OWN_ENVIRONMENT", {})
    monkeypatch.setenv(cluster.PRESTART, "")
    monkeypatch.setenv(*cluster.ALLOCATOR)
    return Options(
        out=tmp_path, data_root=tmp_path, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None,
        wandb="disabled", strict=False, command="python sweeps/fcn_grid.py",
    )  # fmt: skip


def test_a_ray_that_does_not_come_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, options: Options) -> None:
    """As after a signal to every process, which ends what Ray has started so far: it would wait a minute for
    that, then end this process with 1."""
    let_go, ended = threading.Event(), threading.Event()

    def start(*_: object) -> None:
        let_go.wait(timeout=5)
        ended.set()

    monkeypatch.setattr(cluster, "_start", start)
    monkeypatch.setattr(cluster, "STARTED_S", 0.01)
    with pytest.raises(KeyboardInterrupt), cluster.starting_ray(options):
        raise KeyboardInterrupt
    assert not ended.is_set()
    let_go.set()


def test_the_thread_that_started_ray_lives_as_long_as_ray(monkeypatch: pytest.MonkeyPatch, options: Options) -> None:
    """With it the kernel would end Ray's processes, which die with the thread that is their parent."""
    threads = []
    monkeypatch.setattr(cluster, "_start", lambda *_: threads.append(threading.current_thread()))
    with cluster.starting_ray(options) as ready:
        ready()
        threads[0].join(timeout=0.1)
        assert threads[0].is_alive()
    threads[0].join(timeout=60)
    assert not threads[0].is_alive()


def test_a_ray_that_does_not_come_up_is_a_line(monkeypatch: pytest.MonkeyPatch, options: Options) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(cluster, "_init_ray", fail)
    sentence = "Ray could not be started on this machine: The current node timed out during startup.; give the command"
    with cluster.starting_ray(options) as ready, pytest.raises(ResourceError, match=sentence):
        ready()


@pytest.mark.parametrize(("trials", "prestarted"), [(0, "false"), (3, "false"), (4, "true"), (9, "true")])
def test_workers_are_ready_where_as_many_trials_wait(
    trials: int, prestarted: str, monkeypatch: pytest.MonkeyPatch, options: Options
) -> None:
    monkeypatch.setattr(cluster, "local_node", lambda: {"CPU": 4.0, "GPU": 0.0, "memory": 1e9})
    monkeypatch.setattr(cluster, "_start", lambda *_: list)
    with cluster.starting_ray(options, trials):
        assert os.environ[cluster.PRESTART] == prestarted
