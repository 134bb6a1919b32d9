"""A sound output folder and data root, with every kind of file that this program reads; and what stands for Ray."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from PIL import Image
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.synthetic import write_animals, write_scenes
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.search import LogUniform, Search
from sweeps.engine.ask.study import Claim, Study, Trial
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.plan.study_file import gather
from sweeps.engine.run.progress.live_table import SweepTable
from sweeps.engine.run.queue.trial_queue import TrialQueue
from sweeps.engine.run.queue.trial_source import Source
from sweeps.engine.run.trainable import OUTCOME

CLASSES = ["road", "sky"]
PALETTE = [128, 64, 128, 70, 130, 180] + [0] * 762
BASE = TrialConfig(
    arch="fcn8s", dataset="scenes", init="scratch", image_height=64, image_width=64, width_mult=0.0625, epochs=2,
    val_every=1,
)  # fmt: skip
STUDY = Study(
    name="grid",
    title="Grid",
    base=BASE,
    axes={"lr": (1e-3, 1e-2), "seed": (0, 1)},
    pretrain={"dataset": "scenes_source", "init": "scratch", "seed": 0},
    claims=(Claim("a small rate is better", {"lr": 1e-3}, {"lr": 1e-2}, "nobody"),),
)
SEARCH = Search(
    study=Study(name="search", title="Search", base=BASE, axes={"arch": ("fcn8s",), "freeze": ("none",)}),
    space={"lr": LogUniform(1e-5, 1e-1), "weight_decay": LogUniform(1e-5, 1e-1)},
    tries=(1e-3,),
    trials=5,
    searched=("lr", "weight_decay"),
)
ENV: dict[str, Any] = {
    "host": "node", "device_name": "CPU", "precision": "float32", "threads": 1, "data_fingerprint": "d",
    "git_commit": "c", "git_dirty": False, "python": "3", "packages": {"torch": "2"}, "parameters": 10,
    "trained_parameters": 10, "multiply_adds": 10,
}  # fmt: skip


def leave_trial(folder: Path, config: TrialConfig, state: records.State = "finished", index: int = 0) -> None:
    """What a trial leaves behind; half of its epochs when it has not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs = config.epochs if state == "finished" else 1
    records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    records.write_json(folder / records.ENV_FILE, ENV)
    for line in epoch_lines(config, epochs, index):
        records.append_metrics(folder, line)
    status = records.Status(state=state, epoch=epochs, epochs=config.epochs, runtime_s=1.0, attempts=1)
    records.write_status(folder, status)
    torch.save({"epoch": epochs}, folder / records.LAST_FILE)
    safetensors.numpy.save_file({"weight": np.arange(6)}, folder / records.BEST_FILE)
    if state == "finished":
        _leave_scores(folder, index)


def epoch_lines(config: TrialConfig, epochs: int, index: int) -> list[dict[str, Any]]:
    """What a trial that trains gives, epoch by epoch."""
    score = {records.VAL_LOSS: 1.0, records.VAL_MEAN_IOU: 0.5 + 0.01 * index, records.VAL_IOU: [0.4, None]}
    cost = {records.EPOCH_S: 0.5, records.IMAGES_PER_S: 9.0, records.PEAK_MEMORY_BYTES: 10**6, records.LR: config.lr}
    return [{records.EPOCH: epoch, records.TRAIN_LOSS: 1.0 / epoch, **score, **cost} for epoch in range(1, epochs + 1)]


def _leave_scores(folder: Path, index: int) -> None:
    level = 0.5 + 0.01 * index
    by_size = {size: [level, None] for size in records.OBJECT_SIZES}
    records.write_test_scores(
        folder,
        records.TestScores(
            epoch=2, loss=0.5, pixel_accuracy=0.9, mean_accuracy=0.8, mean_iou=level, frequency_weighted_iou=0.7,
            iou=[level, None], classes=CLASSES, counted_classes=1, images=4, auc=[0.5, None], mean_auc=0.5,
            boundary_iou=[0.1, None], mean_boundary_iou=0.1, size_iou=by_size,
            mean_size_iou=dict.fromkeys(records.OBJECT_SIZES, 0.2),
        ),
    )  # fmt: skip
    counts = np.full((4, 2, 2), 5 + index, dtype=np.int64)
    np.savez_compressed(folder / records.IMAGE_CONFUSION_FILE, confusion=counts)
    np.save(folder / records.CONFUSION_FILE, counts.sum(0))
    curve = np.linspace(0, 1, 1001)
    np.savez_compressed(folder / records.ROC_FILE, fpr=[curve**2] * 2, tpr=[curve] * 2)
    panels = folder / records.PANELS_DIR
    panels.mkdir(exist_ok=True)
    Image.new("RGB", (8, 6), (90, 90, 90)).save(panels / records.panel_file(0, "image"))
    for kind in ("truth", "prediction"):
        mask = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 2)
        mask.putpalette(PALETTE)
        mask.save(panels / records.panel_file(0, kind))


def run_without_ray(
    study: str,
    plan: Sequence[PlannedTrial],
    epoch_flops: Callable[[TrialConfig], float],
    options: Options,
    console: Console,
    ready: object,
    source: Source | None = None,
    mirror: None = None,
    longest: object = None,
    notifier: object = None,
) -> bool:
    """Stands for `schedule.run_trials`: the engine's own queue and table, told what Tune would tell them of trials
    that train nothing."""

    def read_status(trial_id: str) -> records.Status | None:
        return records.read_status(records.trial_dir(options.out, trial_id))

    costs = {p.trial.trial_id: p.epochs_left * epoch_flops(p.trial.config) if p.epochs_left else 0.0 for p in plan}
    trials: dict[str, Trial] = {}

    def worker_config(trial: Trial) -> dict[str, Any]:
        table.add(trial)
        trials[trial.trial_id] = trial
        return {"trial_id": trial.trial_id, "cpus": 1.0, "gpus": 0.0}

    queue = TrialQueue(plan, costs, options.out, lambda: 2, worker_config, source)
    with SweepTable(console, plan, epoch_flops, lambda: 2, read_status, source, queue.why_again) as table:
        for turn in range(100):
            config = queue.suggest(str(turn))
            if not isinstance(config, dict):
                break
            trial = trials[config["trial_id"]]
            tune_trial: Any = SimpleNamespace(config=config, last_result={OUTCOME: "ended"})
            folder = records.trial_dir(options.out, trial.trial_id)
            table.on_trial_start(0, [], tune_trial)
            trains = not (folder / records.TEST_FILE).exists()
            if trains:
                leave_trial(folder, trial.config, index=turn)
            for line in epoch_lines(trial.config, trial.config.epochs if trains else 0, turn):
                table.on_trial_result(0, [], tune_trial, line)
                if source is not None:
                    source.report(trial.trial_id, line[records.EPOCH], line[records.VAL_MEAN_IOU])
            queue.on_trial_complete(str(turn), {OUTCOME: "ended"})
            table.on_trial_complete(0, [], tune_trial)
            table.on_step_end(0, [])
    return queue.complete


def write_data(root: Path) -> None:
    write_scenes(root / "scenes", "target", {"dataA": 7}, 64, 64, seed=1)
    write_scenes(root / "scenes_source", "source", {"dataA": 7}, 64, 64, seed=1)
    write_animals(root / "animals", trainval=4, test=1, seed=1)
    for split in ("train", "val", "test"):
        for part in (split, f"{split}annot"):
            (root / "camvid" / part).mkdir(parents=True)
            Image.new("L" if part.endswith("annot") else "RGB", (16, 12)).save(root / "camvid" / part / "a.png")
        (root / "camvid" / f"{split}.txt").write_text(
            f"/SegNet/CamVid/{split}/a.png /SegNet/CamVid/{split}annot/a.png\n"
        )


def write_runs(out: Path) -> None:
    """The study's parent and two of its trials finished, one half done, one not begun."""
    trials = STUDY.expand()
    for index, trial in enumerate(trials[:4]):
        folder = records.trial_dir(out, trial.trial_id)
        leave_trial(folder, trial.config, "finished" if index < 3 else "running", index)
    folder = records.study_dir(out, STUDY.name)
    folder.mkdir(parents=True)
    first = gather(None, STUDY.describe(trials[:3], "python sweeps/grid.py --set lr=0.001"), [])
    described = STUDY.describe(trials, "python sweeps/grid.py")
    records.write_json(folder / records.STUDY_FILE, gather(first, described, [{"seeds": 2, "share": 0.8}]))
