"""How much of the bare training speed the trainer keeps.

    python benchmarks/throughput.py [--arch fcn8s] [--packed 1 2 4]

Loops take turns in one process, epoch by epoch, on the same machine state: the trainer's own epoch (batches, flips and
normalisation, loss bookkeeping, and the record and status on disk) and a bare loop over tensors that lie ready on the
device, with the same model, precision, batch size and optimiser; on a GPU also that bare loop captured as a CUDA graph,
which pays for no launch. Prints images/s of each and the ratios of the medians. Validation is in none of them; a
checkpoint is printed by itself, and so is the share of the machine's peak that the trainer reaches: the operations of
its steps against those of a large matrix product in the same precision, on as many threads, in the same run.

`--packed` then trains so many trials at once, each in a process of its own, and prints images/s of all together.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from segtrain import records
from segtrain.architectures import SCALABLE
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.models import set_train_mode
from segtrain.training import checkpoint
from segtrain.training.epoch import train_one_epoch
from segtrain.training.evaluation import cross_entropy_sum
from segtrain.training.inference.network import autocast
from segtrain.training.operation_counts import flops_per_image
from segtrain.training.run import Run, start_or_resume

Pair = tuple[torch.Tensor, torch.Tensor]
MATRIX = 2048


def trainer_epoch(run: Run, epoch: int) -> None:
    record = {records.EPOCH: epoch, **train_one_epoch(run, epoch)}
    records.append_metrics(run.folder, record)
    run.progress.epoch = epoch
    run.write_status("running")


def bare_step(run: Run, images: torch.Tensor, target: torch.Tensor) -> None:
    with autocast(run.hardware):
        logits = run.model(images)
    loss_sum, pixels = cross_entropy_sum(logits, target)
    run.optimizer.zero_grad()
    (loss_sum / pixels).backward()
    run.optimizer.step()


def bare_epoch(run: Run, batches: list[Pair]) -> None:
    set_train_mode(run.model, run.config.freeze)
    for images, target in batches:
        bare_step(run, images, target)
    if run.hardware.device.type == "cuda":
        torch.cuda.synchronize()


def capture(run: Run, batches: list[Pair]) -> Callable[[], None]:
    """An epoch of replayed steps, each over a copy of its batch into the captured tensors."""
    images, target = (tensor.clone() for tensor in batches[0])
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            bare_step(run, images, target)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    run.optimizer.zero_grad()
    with torch.cuda.graph(graph):
        bare_step(run, images, target)

    def epoch() -> None:
        for batch_images, batch_target in batches:
            images.copy_(batch_images)
            target.copy_(batch_target)
            graph.replay()
        torch.cuda.synchronize()

    return epoch


def peak_flops(run: Run) -> float:
    """Operations a second of the fastest of some products of square matrices."""
    dtype = torch.bfloat16 if run.hardware.precision == "bfloat16" else torch.float32
    matrix = torch.rand(MATRIX, MATRIX, dtype=dtype, device=run.hardware.device)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        matrix @ matrix
        if run.hardware.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX**3 / min(seconds)


def compare(config: TrialConfig, rounds: int, out: Path) -> None:
    folder = records.trial_dir(out, config.trial_id)
    folder.mkdir(parents=True)
    run = start_or_resume(config, folder, Path("data"), threads=None)
    cuda = run.hardware.device.type == "cuda"
    inputs = run.training
    batches = [(b.images, b.target) for b in inputs.training_batches(config, 1) if b.images is not None]
    whole = [batch for batch in batches if len(batch[1]) == config.batch_size]  # a graph has one shape
    trainer_epoch(run, 1)  # warms all up: they share the model
    loops: dict[str, Callable[[int], None]] = {
        "trainer": lambda epoch: trainer_epoch(run, epoch),
        "bare": lambda _: bare_epoch(run, whole),
    }
    if cuda:
        for group in run.optimizer.param_groups:
            group["capturable"] = True
        replayed = capture(run, whole)
        loops["graph"] = lambda _: replayed()
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for epoch in range(2, rounds + 2):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop(epoch)
            images = len(inputs) if name == "trainer" else len(whole) * config.batch_size
            seconds[name].append((time.perf_counter() - started) / images)
    rates = {name: 1 / statistics.median(values) for name, values in seconds.items()}
    for name, rate in rates.items():
        spread = (max(seconds[name]) - min(seconds[name])) * rate
        print(f"{name:8} {rate:8.1f} images/s  (median of {rounds}, spread {spread:.0%})")
    for name in loops.keys() - {"trainer"}:
        print(f"trainer / {name} = {rates['trainer'] / rates[name]:.3f}")
    dataset = find_dataset(config.dataset)
    reached = rates["trainer"] * flops_per_image(config, len(dataset.classes), dataset.streams)[0]
    peak = peak_flops(run)
    print(f"the trainer reaches {reached / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s, {reached / peak:.0%}")
    started = time.perf_counter()
    checkpoint.save_last(run.folder, checkpoint.copy_state(run.progress, run.model, run.optimizer))
    megabytes = (run.folder / records.LAST_FILE).stat().st_size / 1e6
    print(f"a checkpoint of {megabytes:.0f} MB takes {time.perf_counter() - started:.2f} s")
    print(f"{config.arch}, {config.image_height}x{config.image_width}, batch {config.batch_size}, {run.hardware}")


def run_packed(config: TrialConfig, count: int, out: Path) -> float:
    """Images/s of `count` trials that train at once, from the epochs that all of them were training in."""
    processes = []
    for seed in range(count):
        path = out / f"{count}-{seed}.json"
        path.write_text(json.dumps(config.edit(seed=seed).to_dict()))
        command = [sys.executable, "-m", "segtrain", str(path), "--out", str(out / f"packed{count}")]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    assert all(process.wait() == 0 for process in processes), "a trial failed"
    folders = [records.trial_dir(out / f"packed{count}", config.edit(seed=seed).trial_id) for seed in range(count)]
    # The first epoch starts the device, the last ones may be alone.
    kept = [records.read_metrics(folder)[1 : -config.epochs // 3] for folder in folders]
    return sum(statistics.median(line[records.IMAGES_PER_S] for line in lines) for lines in kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each loop (%(default)s)")
    parser.add_argument("--arch", default="fcn8s", help="(%(default)s)")
    parser.add_argument("--width-mult", type=float, default=0.25, help="(%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128), metavar=("H", "W"), help="(96 128)")
    parser.add_argument("--batch-size", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--packed", type=int, nargs="*", default=[], metavar="N", help="trials at once")
    given = parser.parse_args()
    config = TrialConfig(
        arch=given.arch,
        dataset="scenes",
        init="scratch",
        image_height=given.size[0],
        image_width=given.size[1],
        width_mult=given.width_mult if given.arch in SCALABLE else 1.0,
        batch_size=given.batch_size,
        epochs=given.rounds + 1,
    )
    with tempfile.TemporaryDirectory() as temporary:
        compare(config, given.rounds, Path(temporary))
        rates = {count: run_packed(config.edit(epochs=20), count, Path(temporary)) for count in given.packed}
    for count, rate in rates.items():
        print(f"{count} trials at once: {rate:8.1f} images/s together, {rate / rates[given.packed[0]]:.2f} times")


if __name__ == "__main__":
    main()
