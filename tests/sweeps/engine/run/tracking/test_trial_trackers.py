"""The failure of a tracker stays with it; and what a worker is told of the trackers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from segtrain import records
from sweeps import fcn_grid
from sweeps.engine.ask.command_line import build_parser, chosen_options
from sweeps.engine.run.tracking.trial_trackers import SafeTracker, tracking_of
from tests.sweeps.engine.run.tracking.runs import LINES, begin, tracked, write_results


class Memory:
    """A tracker that refuses the epochs in `refuses`, as a server that is gone for a while does."""

    def __init__(self, *refuses: int) -> None:
        self.refuses, self.epochs, self.scores, self.stops = set(refuses), [], {}, 0
        self.epochs: list[int]
        self.scores: Mapping[str, float]

    def start(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self.epochs = [line[records.EPOCH] for line in lines]

    def log(self, line: Mapping[str, Any]) -> None:
        if line[records.EPOCH] in self.refuses:
            raise ConnectionError("gone\nfor now")
        self.epochs.append(line[records.EPOCH])

    def finish(self, scores: Mapping[str, float], panels: Mapping[str, Any]) -> None:
        self.scores = scores

    def stop(self) -> None:
        self.stops += 1


def test_what_a_tracker_missed_is_made_up_for_at_the_end(tmp_path: Path) -> None:
    run = tracked(tmp_path)
    memory = Memory(2)
    safe = SafeTracker(memory, run)
    for line in LINES:
        records.append_metrics(run.folder, line)
        safe.log(line)
    assert (memory.epochs, safe.problem) == ([1], "ConnectionError: gone for now"), "not tried at every epoch"
    write_results(run)
    safe.finish()
    assert (memory.epochs, safe.problem) == ([1, 2, 3], None)
    assert memory.scores["test/mean_iou"] == 0.25
    assert memory.stops == 2, "after its failure, and at the end"


def test_nothing_is_written_where_there_is_no_tracker(tmp_path: Path) -> None:
    run = tracked(tmp_path)
    trackers = begin(run)
    trackers.log(LINES[0])
    trackers.finish()
    assert list(run.folder.iterdir()) == []


def options(*words: str) -> Any:
    return chosen_options(build_parser(fcn_grid.STUDY).parse_args(words))


def test_workers_elsewhere_are_told_where_runs_go_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "roads")
    monkeypatch.setenv("WANDB_API_KEY", "0123")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s3cret@host")
    told = tracking_of(options("--track", "mlflow,wandb"))
    assert told == {"trackers": ["wandb", "mlflow"], "wandb": "offline", "variables": {"WANDB_PROJECT": "roads"}}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://host")
    assert tracking_of(options())["variables"] == {"WANDB_PROJECT": "roads", "MLFLOW_TRACKING_URI": "https://host"}


def test_wandb_is_tracked_unless_it_is_disabled_or_not_named() -> None:
    assert [tracking_of(options(*words))["trackers"] for words in ([], ["--wandb", "disabled"])] == [["wandb"], []]
    assert tracking_of(options("--track", "tensorboard"))["trackers"] == ["tensorboard"]
