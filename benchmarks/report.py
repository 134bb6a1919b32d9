"""How long a report takes, and whether loading grows linearly: made-up trials of three seeds, 100 epochs each.

    python benchmarks/report.py [--trials 1000] [--epochs 100]

Prints the seconds of loading and of the whole report, and the time of loading one trial beside that among a tenth of
the trials. The folders have everything that a trial leaves and that a report reads, panels included.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import analysis
from analysis.report.page import write_report
from segtrain import records
from segtrain.config import TrialConfig

SEEDS = 3
ARCHS = ("fcn32s", "fcn16s", "fcn8s")
FREEZES = ("none", "encoder")
CLASSES = [f"class {index}" for index in range(13)]
IMAGES, HEIGHT, WIDTH = 50, 96, 128


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of a report on made-up trials.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = write_study(Path(folder) / "small", options.trials // 10, options.epochs)
        large = write_study(Path(folder) / "large", options.trials, options.epochs)
        # In turns, and the best of three: the machine may be busy with something else.
        seconds = [(timed_load(small), timed_load(large)) for _ in range(3)]
        few, many = (min(times) for times in zip(*seconds, strict=True))
        begin, begin_cpu = time.perf_counter(), time.process_time()
        written = write_report(analysis.load(large))
        report_s, report_cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
        assert not written.problems, written.problems[:3]
    each_few, each_many = 1000 * few / (options.trials // 10), 1000 * many / options.trials
    print(
        f"{options.trials} trials x {options.epochs} epochs: loaded in {many:.1f} s, with the report {report_s:.1f} s, "
        f"{report_cpu_s:.1f} s of them on a processor"
    )
    ratio = each_many / each_few
    print(f"loading a trial: {each_many:.2f} ms; among {options.trials // 10}: {each_few:.2f} ms; ratio {ratio:.2f}")


def timed_load(study: Path) -> float:
    begin = time.perf_counter()
    analysis.load(study)
    return time.perf_counter() - begin


def write_study(out: Path, trials: int, epochs: int) -> Path:
    """Architectures x freeze x as many learning rates as it takes, x seeds."""
    rng = np.random.default_rng(0)
    cells = len(ARCHS) * len(FREEZES) * SEEDS
    rates = [round(1e-3 * 1.01**step, 9) for step in range(-(-trials // cells))]
    grid = [(arch, freeze, lr, seed) for lr in rates for arch in ARCHS for freeze in FREEZES for seed in range(SEEDS)]
    truth = rng.integers(10, 400, (IMAGES, len(CLASSES)))
    entries = []
    for arch, freeze, lr, seed in grid[:trials]:
        config = TrialConfig(
            arch=arch, dataset="scenes", init="scratch", freeze=freeze, lr=lr, seed=seed, epochs=epochs
        )
        entry = {"trial_id": config.trial_id, "run": config.run_name, "stage": "trial", "parent": None, "variant": None}
        entries.append(entry | {"config": config.to_dict()})
        write_trial(records.trial_dir(out, config.trial_id), config, truth, rng)
    claims = [
        {"text": f"{better} > {worse}", "left": {"arch": better}, "right": {"arch": worse}, "source": "made up"}
        for better, worse in (("fcn8s", "fcn16s"), ("fcn16s", "fcn32s"))
    ]
    study = records.study_dir(out, "made_up")
    study.mkdir(parents=True)
    axes = {"arch": ARCHS, "freeze": FREEZES, "lr": rates, "seed": range(SEEDS)}
    description = {
        "name": "made_up",
        "title": "Made-up trials",
        "command": "python benchmarks/report.py",
        "variants": {},
    }
    description |= {"axes": {name: list(values) for name, values in axes.items()}, "claims": claims, "trials": entries}
    records.write_json(study / records.STUDY_FILE, description)
    return study


def write_trial(folder: Path, config: TrialConfig, truth: np.ndarray, rng: np.random.Generator) -> None:
    """Plain writes instead of the trainer's, which flush every file to the disk."""
    folder.mkdir(parents=True)
    level = 0.3 + 0.1 * ARCHS.index(config.arch) + (0.1 if config.freeze == "none" else 0) + rng.normal(0, 0.01)
    curve = level * (1 - np.exp(-np.arange(1, config.epochs + 1) / 15)) + rng.normal(0, 0.005, config.epochs)
    iou = [float(value) for value in rng.uniform(0.1, 0.9, len(CLASSES))]
    sizes = records.OBJECT_SIZES
    scores = {
        "epoch": int(curve.argmax()) + 1, "loss": 0.5, "pixel_accuracy": 0.8, "mean_accuracy": 0.6, "mean_iou": level,
        "frequency_weighted_iou": 0.7, "iou": iou, "classes": CLASSES, "counted_classes": len(CLASSES),
        "images": IMAGES, "auc": iou, "mean_auc": 0.9, "boundary_iou": iou, "mean_boundary_iou": level / 2,
        "size_iou": dict.fromkeys(sizes, iou), "mean_size_iou": dict.fromkeys(sizes, level),
    }  # fmt: skip
    lines = [
        {"epoch": epoch, "train/loss": 2 / epoch, "lr": config.lr, "images_per_s": 100.0, "val/loss": 2.1 / epoch,
         "val/mean_iou": float(value), "val/iou": iou, "peak_memory_bytes": 10**9, "epoch_s": 1.0}
        for epoch, value in enumerate(curve, start=1)
    ]  # fmt: skip
    status = records.Status(state="finished", epoch=config.epochs, epochs=config.epochs, runtime_s=100.0)
    env = {"host": "here", "device_name": "CPU", "precision": "float32", "threads": 1, "data_fingerprint": "d",
           "git_commit": "c", "git_dirty": False, "python": "3", "packages": {"torch": "2"}, "parameters": 10**6,
           "trained_parameters": 10**6, "multiply_adds": 10**9}  # fmt: skip
    contents = {records.CONFIG_FILE: config.to_dict(), records.STATUS_FILE: vars(status), records.ENV_FILE: env}
    for name, content in (contents | {records.TEST_FILE: scores}).items():
        (folder / name).write_text(json.dumps(content))
    (folder / records.METRICS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    counts = np.zeros((IMAGES, len(CLASSES), len(CLASSES)), dtype=np.int64)
    hits = (truth * np.clip(level + rng.normal(0, 0.1, truth.shape), 0, 1)).astype(np.int64)
    diagonal = np.arange(len(CLASSES))
    counts[:, diagonal, diagonal], counts[:, diagonal, (diagonal + 1) % len(CLASSES)] = hits, truth - hits
    np.savez_compressed(folder / records.IMAGE_CONFUSION_FILE, confusion=counts)
    np.save(folder / records.CONFUSION_FILE, counts.sum(0))
    rates = np.tile(np.linspace(0, 1, 1001), (len(CLASSES), 1))
    np.savez_compressed(folder / records.ROC_FILE, fpr=rates, tpr=rates**0.5)
    write_panels(folder / records.PANELS_DIR, rng)


def write_panels(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for index in range(records.PANEL_COUNT):
        truth = ((rows // 20 + columns // 30 + index) % len(CLASSES)).astype(np.uint8)
        prediction = np.roll(truth, int(rng.integers(5)), axis=1)
        Image.fromarray(np.stack([truth * 15] * 3, axis=2)).save(folder / records.panel_file(index, "image"))
        for kind, mask in (("truth", truth), ("prediction", prediction)):
            picture = Image.fromarray(mask)
            picture.putpalette([(37 * value) % 256 for value in range(768)])
            picture.save(folder / records.panel_file(index, kind))


if __name__ == "__main__":
    main()
