"""One trial: `train` is a generator that yields a record per epoch, each already on disk when it is yielded."""

import math
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch.optim import AdamW

from segtrain import checkpoint, environment, metrics, records
from segtrain.batches import training_batches
from segtrain.checkpoint import Progress
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.cache import DataCache, SplitArrays, open_cache
from segtrain.device import Hardware, make_deterministic, peak_memory_bytes, pick_hardware, reset_peak_memory
from segtrain.errors import UserError
from segtrain.evaluate import (
    Evaluation,
    autocast,
    cross_entropy_sum,
    evaluate,
    evaluate_test,
    save_panels,
    save_test_results,
)
from segtrain.flops import flops_per_image
from segtrain.models import build_model, load_parent, set_train_mode, set_trainable, weights
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.optim import build_optimizer, learning_rate

LOCK_PATIENCE_S = 10.0
"""How long to wait for a trial's lock: an owner that was just killed lets go of it within this."""


class TrialLocked(UserError):
    """Another living process runs this trial."""


class Diverged(ArithmeticError):
    """A loss stopped being finite at, or right after, optimiser step `step` (1-based) of the epoch."""

    def __init__(self, split: str, loss: float, step: int) -> None:
        super().__init__(f"the {split} loss is {loss} at step {step}")
        self.step = step


@dataclass
class Run:
    """A trial in memory."""

    config: TrialConfig
    folder: Path
    data: DataCache
    hardware: Hardware
    model: EncoderDecoder
    optimizer: AdamW
    progress: Progress
    attempts: int

    def evaluate(self, arrays: SplitArrays) -> Evaluation:
        num_classes = len(DATASETS[self.config.dataset].classes)
        return evaluate(self.model, arrays, num_classes, self.config.batch_size, self.hardware)

    def write_status(self, state: records.State, reason: str | None = None, step: int | None = None) -> None:
        status = records.Status(
            state=state,
            epoch=self.progress.epoch,
            epochs=self.config.epochs,
            runtime_s=self.progress.runtime_s,
            reason=reason,
            step=step,
            attempts=self.attempts,
        )
        records.write_status(self.folder, status)


def train(
    config: TrialConfig, folder: Path, data_root: Path, threads: int | None = None, use_gpu: bool = True
) -> Iterator[dict[str, Any]]:
    """Trains `config` in `folder`, going on from what is there, and yields one line of metrics.jsonl per epoch.

    How it ended stands in the folder's status: finished, with the test scores of the best weights, or diverged. A
    trial that has ended so yields nothing. Raises TrialLocked while another process runs the trial. Any other exception
    leaves the status failed, with the reason, and a traceback, and goes through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / records.LOCK_FILE, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=LOCK_PATIENCE_S)
    except Timeout:
        raise TrialLocked(f"{folder} is being trained by another process; wait for it or stop it") from None
    try:
        before = records.read_status(folder)
        if before is not None and before.state in records.FINAL_STATES:
            (folder / records.LAST_FILE).unlink(missing_ok=True)
            return
        try:
            run = start_or_resume(config, folder, data_root, threads, use_gpu)
            yield from train_epochs(run)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            records.write_status(folder, records.ended("failed", records.read_status(folder), config.epochs, reason))
            (folder / records.ERROR_FILE).write_text(traceback.format_exc())
            raise
    finally:
        lock.release()


def start_or_resume(
    config: TrialConfig, folder: Path, data_root: Path, threads: int | None, use_gpu: bool = True
) -> Run:
    """Builds the trial as it was when `last.pt` was written, or at its beginning."""
    for written in (folder, folder / records.PANELS_DIR):
        for stray in written.glob(f".*{records.TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)
    hardware = pick_hardware(config.precision, threads, use_gpu)
    last = checkpoint.load_last(folder)
    if last is not None:
        kept = Progress(**last["progress"])
        hardware = Hardware(hardware.device, kept.precision, kept.threads)
    make_deterministic(hardware)
    if hardware.device.type == "cuda":
        torch.cuda.empty_cache()  # of the trial before, in a process that runs several; a neighbour may need it

    dataset = DATASETS[config.dataset]
    data = open_cache(dataset, data_root, config.image_height, config.image_width)
    torch.manual_seed(config.seed)
    model = build_model(config, len(dataset.classes))
    if last is None and config.init == "imagenet":
        weights.load(model, config.arch, data_root)
    elif last is None and config.parent is not None:
        load_parent(model, checkpoint.load_best(folder.parent / config.parent), config.freeze)
    set_trainable(model, config.freeze)
    model.to(hardware.device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, model)
    if last is None:
        progress = Progress(precision=hardware.precision, threads=hardware.threads)
        records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    else:
        progress = kept
        model.load_state_dict(last["model"])
        optimizer.load_state_dict(last["optimizer"])
    records.truncate_metrics(folder, progress.epoch)
    before = records.read_status(folder)
    attempts = 1 + (before.attempts if before else 0)
    run = Run(config, folder, data, hardware, model, optimizer, progress, attempts)
    _, flops = flops_per_image(config, len(dataset.classes))
    records.write_json(folder / records.ENV_FILE, environment.describe(hardware, data.fingerprint, model, flops))
    run.write_status("running")
    return run


def train_epochs(run: Run) -> Iterator[dict[str, Any]]:
    """The epochs that are left, then the test set. The order of writing matters: what `last.pt` counts as finished
    is on disk before it, and what a crash leaves beyond it is made again, the same."""
    config, progress = run.config, run.progress
    for epoch in range(progress.epoch + 1, config.epochs + 1):
        started = time.perf_counter()
        reset_peak_memory(run.hardware.device)
        last_epoch = epoch == config.epochs
        try:
            record = {records.EPOCH: epoch, **train_one_epoch(run, epoch)}
            if epoch % config.val_every == 0 or last_epoch:
                record |= validate(run, epoch)
        except Diverged as error:
            progress.runtime_s += time.perf_counter() - started
            run.write_status("diverged", reason=f"epoch {epoch}, {error}", step=error.step)
            (run.folder / records.LAST_FILE).unlink(missing_ok=True)
            return
        if config.test_every and (epoch % config.test_every == 0 or last_epoch):
            # Drawn as a curve, never used to choose weights.
            test = run.evaluate(run.data.splits["test"])
            record |= {records.TEST_LOSS: test.loss, records.TEST_MEAN_IOU: metrics.scores(test.confusion).mean_iou}
        record[records.PEAK_MEMORY_BYTES] = peak_memory_bytes(run.hardware.device)
        record[records.EPOCH_S] = time.perf_counter() - started
        progress.epoch = epoch
        progress.runtime_s += record[records.EPOCH_S]
        records.append_metrics(run.folder, record)
        checkpoint.save_last(run.folder, progress, run.model, run.optimizer)
        run.write_status("running")
        yield record
    started = time.perf_counter()
    test_best_weights(run)
    progress.runtime_s += time.perf_counter() - started
    run.write_status("finished")
    # Weights and three moments of each: four times the size of the best weights, and of no use any more.
    (run.folder / records.LAST_FILE).unlink()


def train_one_epoch(run: Run, epoch: int) -> dict[str, float]:
    """Forward, loss, backward, step, over the training split. Raises Diverged."""
    config, device = run.config, run.hardware.device
    started = time.perf_counter()
    torch.manual_seed(dropout_seed(config.seed, epoch))
    lr = learning_rate(config, epoch)
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    set_train_mode(run.model, config.freeze)
    arrays = run.data.splits["train"]
    sums, counts = [], []
    for batch in training_batches(arrays, config, epoch, device):
        with autocast(run.hardware):
            logits = run.model(batch.images)
        loss_sum, pixels = cross_entropy_sum(logits, batch.target)
        run.optimizer.zero_grad()
        (loss_sum / pixels.clamp(min=1)).backward()
        run.optimizer.step()
        sums.append(loss_sum.detach())
        counts.append(pixels)
    # Read once an epoch: asking for a number at every step would make a GPU wait.
    losses = torch.stack(sums)
    finite = losses.isfinite()
    if not finite.all():
        step = int((~finite).nonzero()[0])
        raise Diverged("training", losses[step].item(), step + 1)
    return {
        records.TRAIN_LOSS: (losses.double().sum() / torch.stack(counts).sum()).item(),
        records.LR: lr,
        records.IMAGES_PER_S: len(arrays) / (time.perf_counter() - started),
    }


def dropout_seed(seed: int, epoch: int) -> int:
    """A function of (seed, epoch), like everything random here. Hashed into 32 bits: torch's CPU generator takes no
    more, and would see the same seed in every epoch if the epoch stood above them."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def validate(run: Run, epoch: int) -> dict[str, Any]:
    """Scores the validation split, and keeps the weights when its mean IoU has risen. Raises Diverged."""
    validation = run.evaluate(run.data.splits["val"])
    if validation.confusion.any() and not math.isfinite(validation.loss):
        # The last step blew the weights up after its own loss had been fine.
        raise Diverged("validation", validation.loss, -(-len(run.data.splits["train"]) // run.config.batch_size))
    found = metrics.scores(validation.confusion)
    if run.progress.best_epoch == 0 or found.mean_iou > run.progress.best_mean_iou:
        run.progress.best_epoch, run.progress.best_mean_iou = epoch, found.mean_iou
        checkpoint.save_best(run.folder, run.model)
    return {
        records.VAL_LOSS: validation.loss,
        records.VAL_MEAN_IOU: found.mean_iou,
        records.VAL_IOU: list(found.iou),
    }


def test_best_weights(run: Run) -> None:
    """Everything that the folder keeps of the test set, from the weights that validation chose."""
    dataset, arrays = DATASETS[run.config.dataset], run.data.splits["test"]
    run.model.load_state_dict(checkpoint.load_best(run.folder))
    batch_size, hardware = run.config.batch_size, run.hardware
    save_panels(run.folder, run.model, arrays, dataset, batch_size, hardware)
    evaluation = evaluate_test(run.model, arrays, len(dataset.classes), batch_size, hardware)
    save_test_results(run.folder, evaluation, dataset, run.progress.best_epoch)
