"""Resume is: type the same command again. How a study goes on that was ended, grew, or is run twice at once."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from segtrain import records
from tests.sweeps.harness import TINY, Sweep, finished, modified


def test_ctrl_c_says_how_to_go_on(start: Callable[..., Sweep], tmp_path: Path) -> None:
    command = (
        *TINY,
        "--set",
        "init=scratch",
        "--set",
        "arch=fcn32s",
        "--set",
        "freeze=none",
        "--seeds",
        "2",
        "--set",
        "epochs=8",
        "--out",
        str(tmp_path / "o"),
    )
    sweep = start(*command)
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    # Nothing runs that a sweep has no use for, and the workers that were ready are those that train.
    commands = [" ".join(process.cmdline()[:3]) for process in sweep.family()]  # of Python: the script
    assert not [command for command in commands if re.search("monitor.py|dashboard.py|setup_worker.py", command)]
    assert len([command for command in commands if re.search("TrialTrainable|ray::IDLE|default_worker", command)]) == 2
    os.killpg(sweep.process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    assert sweep.wait() == 130
    assert sweep.text().endswith("interrupted; the same command again goes on from here\n")
    again = start(*command)
    assert again.wait() == 0
    assert set((sweep.epoch_lines() + again.epoch_lines()).values()) == {1}


def test_a_grid_that_grew_trains_only_what_is_new(
    start: Callable[..., Sweep], call: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    grid = (*TINY, "--set", "arch=fcn32s", "--out", str(out))
    grown = (*grid, "--set", "freeze=none", "--set", "lr=1e-3,1e-4")
    assert start(*grid, "--set", "freeze=none").wait() == 0
    before, times = finished(out), modified(finished(out))

    # The plan knows what is there, and that the parent is; and it changes nothing.
    everything = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    code, plan = call(*grid, "--plan")
    assert code == 0
    assert plan.count("skip, finished") == 2  # the pretraining and the unfrozen trial
    assert plan.count(" run ") == 2  # a heading, and the frozen trial
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == everything

    second = start(*grown)
    assert second.wait() == 0
    assert {run for run, _ in second.epoch_lines()} == {"fcn32s-unfreeze-lr0.0001"}
    assert modified(before) == times
    assert len(finished(out)) == len(before) + 1
    # And once more, with nothing left: no Ray, no epoch, the same closing lines.
    code, text = call(*grown)
    assert code == 0
    assert "  epoch " not in text
    assert text.splitlines()[-3:] == second.text().splitlines()[-3:]


def test_two_commands_on_one_folder_share_the_work(start: Callable[..., Sweep], tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweeps = [start(*TINY, "--set", "arch=fcn32s", "--out", str(out)) for _ in range(2)]
    assert [sweep.wait() for sweep in sweeps] == [0, 0], sweeps[0].text() + sweeps[1].text()
    reported = sweeps[0].epoch_lines() + sweeps[1].epoch_lines()
    assert set(reported.values()) == {1}, "an epoch was trained twice"
    assert len(finished(out)) == 3
    for folder in finished(out):
        epochs = [line[records.EPOCH] for line in records.read_metrics(folder)]
        assert epochs == list(range(1, len(epochs) + 1))
