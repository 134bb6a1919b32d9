"""How much of the bare training speed the trainer keeps.

    python benchmarks/throughput.py

Two loops take turns in one process, epoch by epoch, on the same machine state: the trainer's own epoch (batches from
the memory-mapped cache, normalisation, flips, loss bookkeeping, and the record and status on disk) and a bare loop
over tensors that lie ready in memory, with the same model, precision, batch size and optimiser. Prints images/s of
both and the ratio of the medians. Validation is not part of either; the checkpoint that ends an epoch costs the same
however many images the epoch has, and is printed by itself.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.models import set_train_mode
from segtrain.training import checkpoint
from segtrain.training.epoch import train_one_epoch
from segtrain.training.evaluation import autocast, cross_entropy_sum
from segtrain.training.run import Run, start_or_resume


def trainer_epoch(run: Run, epoch: int) -> None:
    record = {records.EPOCH: epoch, **train_one_epoch(run, epoch)}
    records.append_metrics(run.folder, record)
    run.progress.epoch = epoch
    run.write_status("running")


def bare_epoch(run: Run, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    set_train_mode(run.model, run.config.freeze)
    for images, target in batches:
        with autocast(run.hardware):
            logits = run.model(images)
        loss_sum, pixels = cross_entropy_sum(logits, target)
        run.optimizer.zero_grad()
        (loss_sum / pixels).backward()
        run.optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each loop (%(default)s)")
    parser.add_argument("--width-mult", type=float, default=0.25, help="(%(default)s)")
    rounds, width_mult = vars(parser.parse_args()).values()
    with tempfile.TemporaryDirectory() as temporary:
        config = TrialConfig(
            arch="fcn8s",
            dataset="scenes",
            init="scratch",
            image_height=96,
            image_width=128,
            width_mult=width_mult,
            batch_size=8,
            epochs=rounds + 1,
        )
        folder = records.trial_dir(Path(temporary), config.trial_id)
        folder.mkdir(parents=True)
        run = start_or_resume(config, folder, Path("data"), threads=None)
        arrays = run.inputs["train"]
        batches = [(batch.images, batch.target) for batch in arrays.training_batches(config, 1)]
        trainer_epoch(run, 1)  # warms both up: they share the model
        seconds: dict[str, list[float]] = {"trainer": [], "bare": [], "checkpoint": []}
        for epoch in range(2, rounds + 2):
            started = time.perf_counter()
            trainer_epoch(run, epoch)
            between = time.perf_counter()
            bare_epoch(run, batches)
            seconds["trainer"].append(between - started)
            after = time.perf_counter()
            checkpoint.save_last(run.folder, run.progress, run.model, run.optimizer)
            seconds["bare"].append(after - between)
            seconds["checkpoint"].append(time.perf_counter() - after)
        megabytes = (run.folder / records.LAST_FILE).stat().st_size / 1e6
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name in ("trainer", "bare"):
        spread = (max(seconds[name]) - min(seconds[name])) / medians[name]
        print(f"{name:8} {len(arrays) / medians[name]:7.1f} images/s  (median of {rounds}, spread {spread:.0%})")
    print(f"trainer / bare = {medians['bare'] / medians['trainer']:.3f}")
    print(f"a checkpoint of {megabytes:.0f} MB takes {medians['checkpoint']:.2f} s")
    print(f"{config.arch}, width x{width_mult:g}, 96x128, batch {config.batch_size}, {run.hardware}")


if __name__ == "__main__":
    main()
