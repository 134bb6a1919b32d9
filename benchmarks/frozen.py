"""What it brings to compute a frozen encoder's features once: a decoder on kept features beside the whole model.

    python benchmarks/frozen.py [--archs fcn8s unet]

For each architecture two trials with one frozen encoder take turns in one process, epoch by epoch, on the embedded
scenes: one reads the features, one computes them from the images. Prints the images/s of both by the processor's time,
their ratio, and what computing the features once has cost. Then a whole trial, features and test included, both ways:
its seconds, and whether the test scores and the weights are the same to the byte. Cached images are not counted.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segtrain import records
from segtrain.architectures import SCALABLE
from segtrain.config import TrialConfig
from segtrain.training import run as run_module
from segtrain.training.epoch import train_one_epoch
from segtrain.training.run import Run, start_or_resume
from segtrain.training.trial import train

ARCHS = ("fcn32s", "fcn8s", "unet", "fcn_resnet50", "segformer_b0")
DATA_ROOT = Path("data")


def config_of(arch: str, epochs: int, precision: str) -> TrialConfig:
    return TrialConfig(
        arch=arch, dataset="scenes", init="scratch", freeze="encoder", image_height=96, image_width=128, batch_size=4,
        width_mult=0.25 if arch in SCALABLE else 1.0, epochs=epochs, precision=precision,
    )  # fmt: skip


@contextmanager
def no_features() -> Iterator[None]:
    """Inside, trials start without them."""
    kept = run_module.open_features
    run_module.open_features = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        run_module.open_features = kept


def start(config: TrialConfig, folder: Path) -> Run:
    folder.mkdir()
    return start_or_resume(config, folder, DATA_ROOT, threads=1)


def compare_epochs(config: TrialConfig, rounds: int, out: Path) -> None:
    with no_features():
        whole = start(config, out / "whole")
    began = time.process_time()
    kept = start(config, out / "kept")  # computes them; all else it does has been done by the other
    made_s = time.process_time() - began
    seconds: dict[str, list[float]] = {"kept": [], "whole": []}
    for epoch in range(1, rounds + 2):
        for name, run in (("kept", kept), ("whole", whole)):
            began = time.process_time()
            train_one_epoch(run, epoch)
            seconds[name].append((time.process_time() - began) / len(run.training))
    rates = {name: 1 / statistics.median(values[1:]) for name, values in seconds.items()}
    print(
        f"{config.arch:14} {rates['kept']:7.1f} images/s on features, {rates['whole']:7.1f} on images, "
        f"ratio {rates['kept'] / rates['whole']:.2f}; starting with the features {made_s:.1f} s of a core",
        flush=True,
    )


def compare_trials(config: TrialConfig, out: Path) -> None:
    seconds = {}
    for name in ("kept", "whole"):
        began = time.perf_counter()
        if name == "kept":
            list(train(config, out / name, DATA_ROOT, threads=1))
        else:
            with no_features():
                list(train(config, out / name, DATA_ROOT, threads=1))
        seconds[name] = time.perf_counter() - began
    files = (records.TEST_FILE, records.BEST_FILE)
    same = all((out / "kept" / name).read_bytes() == (out / "whole" / name).read_bytes() for name in files)
    score = records.read_test_scores(out / "kept").mean_iou or 0.0
    print(
        f"a trial of {config.arch}, {config.epochs} epochs, {config.precision}: {seconds['kept']:.1f} s with features, "
        f"{seconds['whole']:.1f} s without; test mean IoU {100 * score:.2f} %; "
        f"scores and weights {'the same to the byte' if same else 'DIFFER'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", nargs="+", default=ARCHS, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each (%(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="of the whole trials (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SEGTRAIN_CACHE"] = str(Path(temporary) / "cache")
        for arch in given.archs:
            (Path(temporary) / arch).mkdir()
            epochs = max(3, given.rounds + 1)  # as they are: of fewer, features are not kept
            compare_epochs(config_of(arch, epochs, "auto"), given.rounds, Path(temporary) / arch)
        for precision in ("float32", "auto"):
            (Path(temporary) / precision).mkdir()
            compare_trials(config_of("fcn8s", given.epochs, precision), Path(temporary) / precision)


if __name__ == "__main__":
    main()
