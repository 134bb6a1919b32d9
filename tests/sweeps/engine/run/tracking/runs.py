"""A trial as its trackers meet it: three epochs, test scores, one panel."""

from pathlib import Path
from typing import Any

from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.run.tracking.tracked_run import TrackedRun
from sweeps.engine.run.tracking.trial_trackers import TrialTrackers
from tests.sweeps.harness import SCORES

CONFIG = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=3)
NAME = "fcn8s-unfreeze-lr0.001"
LINES: list[dict[str, Any]] = [
    {"epoch": epoch, "train/loss": 1.0 / epoch, "lr": 0.1, "val/mean_iou": epoch / 10, "val/iou": [0.5, None]}
    for epoch in (1, 2, 3)
]


def tracked(out: Path, config: TrialConfig = CONFIG) -> TrackedRun:
    run = TrackedRun("fcn_grid", NAME, config, records.trial_dir(out, config.trial_id), out)
    run.folder.mkdir(parents=True, exist_ok=True)
    return run


def begin(run: TrackedRun, *trackers: str, wandb: str = "offline") -> TrialTrackers:
    return TrialTrackers({"trackers": trackers, "wandb": wandb, "variables": {}}, run)


def track(run: TrackedRun, *trackers: str, lines: list[dict[str, Any]] = LINES) -> TrialTrackers:
    """What a worker does: the trainer has each line on disk before the trackers get it."""
    begun = begin(run, *trackers)
    for line in lines:
        records.append_metrics(run.folder, line)
        begun.log(line)
    return begun


def write_results(run: TrackedRun) -> None:
    """What the trainer leaves of the test."""
    records.write_test_scores(run.folder, SCORES)
    (run.folder / records.PANELS_DIR).mkdir()
    for kind, colour in zip(records.PANEL_KINDS, ("red", "green", "blue"), strict=True):
        Image.new("RGB", (4, 3), colour).save(run.folder / records.PANELS_DIR / records.panel_file(0, kind))
