"""Small studies on disk, written with the writers that the trainer uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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

    def enter(
        self, config: TrialConfig, *, stage: str = "trial", parent: str | None = None, variant: str | None = None
    ) -> Path:
        """Names the trial in the study and writes nothing; its folder."""
        entry: dict[str, Any] = {"trial_id": config.trial_id, "run": config.run_name, "stage": stage, "parent": parent}
        entry |= {"variant": variant, "config": config.to_dict()}
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
        variant: str | None = None,
        env: Mapping[str, Any] | None = None,
        counts: npt.NDArray[np.int64] | None = None,
        **fields: Any,
    ) -> Path:
        """A trial that validated `val[i]` at epoch i + 1 with losses 1 / (i + 1) and 2 / (i + 1); when finished it kept
        the weights of the highest and tested `test`. `counts` (N, K, K) are its confusion matrices per test image."""
        config = self.config(**fields)
        folder = self.enter(config, stage=stage, parent=config.parent, variant=variant)
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
        if env is not None:
            records.write_json(folder / records.ENV_FILE, env)
        if counts is not None:
            np.savez_compressed(folder / records.IMAGE_CONFUSION_FILE, confusion=counts)
            np.save(folder / records.CONFUSION_FILE, counts.sum(0))
            curve = np.linspace(0, 1, 1001)
            np.savez_compressed(
                folder / records.ROC_FILE, fpr=[curve**2] * 2, tpr=[curve] * 2, positives=[30, 70], negatives=[70, 30]
            )
        return folder

    def write(self, **changes: Any) -> Path:
        study = {
            "name": "grid",
            "title": "A small grid",
            "axes": {},
            "variants": {},
            "claims": [],
            "command": "python sweeps/grid.py",
            "trials": self.entries,
        }
        folder = records.study_dir(self.out, str(changes.get("name", "grid")))
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
        "auc": [0.9, 0.7],
        "mean_auc": 0.8,
        "boundary_iou": [0.2, 0.4],
        "mean_boundary_iou": 0.3,
        "size_iou": {"small": [0.1, None], "medium": [0.2, 0.4], "large": [0.5, 0.7]},
        "mean_size_iou": {"small": 0.1, "medium": 0.3, "large": 0.6},
    }
    return records.TestScores(**(values | changes))


def counts(right: Sequence[float]) -> npt.NDArray[np.int64]:
    """(N, 2, 2): image i has 10 (i + 1) pixels of each class, of which the share `right[i]` is predicted as it is."""
    matrices = np.zeros((len(right), 2, 2), dtype=np.int64)
    for index, share in enumerate(right):
        pixels = 10 * (index + 1)
        hits = round(share * pixels)
        matrices[index] = [[hits, pixels - hits], [pixels - hits, hits]]
    return matrices


ENV = {
    "host": "node1",
    "device": "cpu",
    "device_name": "A CPU",
    "precision": "float32",
    "threads": 2,
    "data_fingerprint": "d1",
    "git_commit": "c0ffee",
    "git_dirty": False,
    "python": "3.11.7",
    "packages": {"torch": "2.15.0"},
    "parameters": 1000,
    "trained_parameters": 400,
    "multiply_adds": 5_000_000,
}


@pytest.fixture
def builder(tmp_path: Path) -> StudyBuilder:
    return StudyBuilder(tmp_path / "out")
