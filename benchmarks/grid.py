"""A whole sweep, from Enter to the last score: this program beside the plainest Ray Tune and DataLoader.

    python benchmarks/grid.py [--dataset camvid --data-root data]

FCN-16s and FCN-8s at a quarter of the width, frozen and fine-tuned, 96x128, batch 4, six epochs, on the encoder of one
trial on other scenes, which is trained before and not counted. Both are commands of their own, run one after the other
with nothing cached: start-up, checks, decoding and training count on both sides. The plain one trains in float32; this
program in bfloat16 where the processor has it. Prints the seconds of both, their ratio, the test mean IoU of every
trial on both sides, and the seconds with one part of this program switched off at a time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.cache import list_pairs
from segtrain.training.trial import train

ROOT = Path(__file__).parents[1]
ARCHS, FREEZES = ("fcn16s", "fcn8s"), ("encoder", "none")
Run = Callable[[list[TrialConfig], Path, Path], tuple[float, list[float]]]
"""trials, data root, folder of the results -> (seconds, test mean IoU of each trial)."""


def configs(dataset: str, epochs: int, precision: str = "auto") -> list[TrialConfig]:
    base = TrialConfig(
        arch="fcn8s", dataset=dataset, init="scratch", image_height=96, image_width=128, width_mult=0.25,
        batch_size=4, epochs=epochs, precision=precision,
    )  # fmt: skip
    before = first(epochs)
    base = base.edit(init="parent", parent=before.trial_id)
    return [base.edit(arch=arch, freeze=freeze) for arch in ARCHS for freeze in FREEZES]


def first(epochs: int) -> TrialConfig:
    """The trial that the others start from, on other scenes and in one precision."""
    return TrialConfig(
        arch="fcn8s", dataset="scenes_source", init="scratch", image_height=96, image_width=128, width_mult=0.25,
        batch_size=4, epochs=epochs, precision="float32",
    )  # fmt: skip


def run_engine(trials: list[TrialConfig], data_root: Path, out: Path) -> tuple[float, list[float]]:
    """(seconds, test mean IoU of each trial)."""
    settings = {"arch": ",".join(ARCHS), "freeze": ",".join(FREEZES), "lr": "0.001"}
    same = (
        "init",
        "parent",
        "image_height",
        "image_width",
        "width_mult",
        "batch_size",
        "epochs",
        "precision",
        "dataset",
    )
    settings |= {name: str(getattr(trials[0], name)) for name in same}
    command = [sys.executable, "sweeps/fcn_grid.py", "--data-root", str(data_root), "--out", str(out), "--strict"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    environment = {**os.environ, "SEGTRAIN_CACHE": str(out / "cache")}
    started, entered = time.perf_counter(), time.time()
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    elapsed_s = time.perf_counter() - started
    images = len(list_pairs(find_dataset(trials[0].dataset), data_root)["train"])
    for trial in trials:
        went = where_time_went(records.trial_dir(out, trial.trial_id), images, entered)
        print(f"  {trial.run_name:24} {went}", flush=True)
    scores = [records.read_test_scores(records.trial_dir(out, trial.trial_id)).mean_iou for trial in trials]
    return elapsed_s, [score for score in scores if score is not None]


def where_time_went(folder: Path, images: int, entered: float) -> str:
    """Of a trial with so many training images; `entered` is when the command was given, in seconds since 1970."""
    lines, status = records.read_metrics(folder), records.read_status(folder)
    assert status is not None, "the sweep ended well"
    begun, ended = ((folder / name).stat().st_mtime - entered for name in (records.CONFIG_FILE, records.TEST_FILE))
    epochs_s = sum(line[records.EPOCH_S] for line in lines)
    training_s = sum(images / line[records.IMAGES_PER_S] for line in lines)
    return (
        f"began after {begun:5.1f} s; training {training_s:5.1f} s, validation {epochs_s - training_s:4.1f} s, "
        f"test {status.runtime_s - epochs_s:4.1f} s, the rest {ended - begun - status.runtime_s:4.1f} s; "
        f"ended after {ended:5.1f} s"
    )


def run_plain(trials: list[TrialConfig], data_root: Path, out: Path) -> tuple[float, list[float]]:
    given = {"configs": [trial.to_dict() for trial in trials], "data_root": str(data_root), "out": str(out)}
    command = [sys.executable, "benchmarks/plain_ray.py", json.dumps(given)]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    elapsed_s = time.perf_counter() - started
    return elapsed_s, [row["test_mean_iou"] for row in json.loads(done.stdout.splitlines()[-1])]


def measure(name: str, run: Run, trials: list[TrialConfig], data_root: Path, before: Path) -> float:
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copytree(before, Path(temporary) / records.TRIALS_DIR)
        seconds, scores = run(trials, data_root, Path(temporary))
    listed = ", ".join(f"{100 * score:.2f}" for score in scores)
    print(f"{name:20} {seconds:7.1f} s   test mean IoU {listed} %", flush=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="scenes", help="(%(default)s)")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--parts", action="store_true", help="also this program in float32")
    given = parser.parse_args()
    data_root = given.data_root.absolute()
    trials = configs(given.dataset, given.epochs)
    runs = {"plain": (run_plain, trials), "engine": (run_engine, trials)}
    if given.parts:
        runs["engine in float32"] = (run_engine, configs(given.dataset, given.epochs, "float32"))
    parent, seconds = first(given.epochs), dict[str, float]()
    with tempfile.TemporaryDirectory() as kept:
        for _ in train(parent, records.trial_dir(Path(kept), parent.trial_id), data_root):
            pass
        for name, (run, asked) in runs.items():
            seconds[name] = measure(name, run, asked, data_root, Path(kept) / records.TRIALS_DIR)
    print("trials:", ", ".join(trial.run_name for trial in trials))
    for name in seconds.keys() - {"plain"}:
        print(f"plain / {name} = {seconds['plain'] / seconds[name]:.2f}")


if __name__ == "__main__":
    main()
