"""Small studies on disk, written with the writers that the trainer uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig

CLASSES = ["road", "sky"]
PALETTE = [128, 64, 128, 70, 130, 180]


@dataclass
class StudyBuilder:
    """`trial` writes a trial's folder and remembers it, `write` writes study.json and returns the study's folder."""

    out: Path
    entries: list[dict[str, Any]] = field(default_factory=list)

    def config(self, **fields: Any) -> TrialConfig:
        base = {"arch": "fcn8s", "dataset": "scenes", "init": "scratch"}
        return TrialConfig(**{**base, **fields})

    def enter(self, config: TrialConfig, *, stage: str = "trial", parent: str | None = None) -> Path:
        """Names the trial in the study and writes nothing; its folder."""
        entry: dict[str, Any] = {"trial_id": config.trial_id, "run": config.run_name, "stage": stage, "parent": parent}
        entry["config"] = config.to_dict()
        self.entries.append(entry)
        return records.trial_dir(self.out, config.trial_id)

    def trial(
        self,
        val: Sequence[float] = (0.5,),
        test: float | None = 0.5,
        *,
        state: records.State = "finished",
        reason: str | None = None,
        step: int | None = None,
        stage: str = "trial",
        iou: Sequence[float | None] = (0.4, 0.6),
        runtime_s: float = 60.0,
        extra: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Path:
        """A trial that validated `val[i]` at epoch i + 1 with losses 1 / (i + 1) and 2 / (i + 1); when finished it kept
        the weights of the highest and tested `test`."""
        config = self.config(**fields)
        folder = self.enter(config, stage=stage, parent=config.parent)
        folder.mkdir(parents=True)
        records.write_json(folder / records.CONFIG_FILE, config.to_dict())
        for epoch, value in enumerate(val, start=1):
            line: dict[str, Any] = {"epoch": epoch, "lr": config.lr, "train/loss": 1 / epoch, "val/loss": 2 / epoch}
            records.append_metrics(folder, line | {"val/mean_iou": value} | dict(extra or {}))
        epochs = len(val) if state == "finished" else 10
        status = records.Status(
            state=state, epoch=len(val), epochs=epochs, runtime_s=runtime_s, reason=reason, step=step
        )
        records.write_status(folder, status)
        if state == "finished":
            best = max(range(len(val)), key=lambda index: val[index]) + 1
            records.write_test_scores(folder, scores(epoch=best, mean_iou=test, iou=list(iou)))
        return folder

    def write(self, **changes: Any) -> Path:
        study = {
            "name": "grid",
            "title": "A small grid",
            "metric": "val/mean_iou",
            "mode": "max",
            "axes": {},
            "claims": [],
            "command": "python sweeps/grid.py",
            "trials": self.entries,
        }
        folder = records.study_dir(self.out, "grid")
        folder.mkdir(parents=True, exist_ok=True)
        records.write_json(folder / records.STUDY_FILE, study | changes)
        return folder

    def panel(
        self, folder: Path, index: int, truth: Sequence[Sequence[int]], prediction: Sequence[Sequence[int]]
    ) -> None:
        """A grey image of the truth's size, and the two masks in the dataset's palette."""
        panels = folder / records.PANELS_DIR
        panels.mkdir(exist_ok=True)
        height, width = np.shape(truth)
        Image.new("RGB", (width, height), (90, 90, 90)).save(panels / records.panel_file(index, "image"))
        for kind, mask in (("truth", truth), ("prediction", prediction)):
            picture = Image.fromarray(np.array(mask, dtype=np.uint8))
            picture.putpalette(PALETTE + [0] * (768 - len(PALETTE)))
            picture.save(panels / records.panel_file(index, kind))


def scores(**changes: Any) -> records.TestScores:
    values: dict[str, Any] = {
        "epoch": 1,
        "loss": 0.25,
        "pixel_accuracy": 0.9,
        "mean_accuracy": 0.8,
        "mean_iou": 0.5,
        "frequency_weighted_iou": 0.7,
        "iou": [0.4, 0.6],
        "classes": CLASSES,
        "counted_classes": 2,
        "images": 4,
    }
    return records.TestScores(**(values | changes))


@pytest.fixture
def builder(tmp_path: Path) -> StudyBuilder:
    return StudyBuilder(tmp_path / "out")
