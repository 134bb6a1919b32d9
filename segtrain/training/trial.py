"""One trial: `train` is a generator that yields a record per epoch, each already on disk when it is yielded."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.errors import UserError
from segtrain.machine.device import is_out_of_memory, peak_memory_bytes, reset_peak_memory
from segtrain.machine.disk import NO_SPACE_LEFT, DiskError, is_full, locked
from segtrain.metrics.confusion import scores
from segtrain.training import checkpoint
from segtrain.training.calibration import image_seconds
from segtrain.training.continuation import take_over
from segtrain.training.epoch import Diverged, Stopped, is_validated, train_one_epoch, validate, why_stopped
from segtrain.training.evaluation import (
    evaluate_test,
    save_panels,
    save_test_results,
)
from segtrain.training.examples import save_test_examples
from segtrain.training.run import Run, start_or_resume

LOCK_PATIENCE_S = 10.0
"""How long to wait for a trial's lock: an owner that was just killed lets go of it within this."""
ROOM_BYTES = 2**16
"""Held on the disk while a trial runs, for the status that says that it is full."""


class TrialLocked(UserError):
    """Another living process runs this trial."""


def train(
    config: TrialConfig,
    folder: Path,
    data_root: Path,
    threads: int | None = None,
    use_gpu: bool = True,
    shorter: Path | None = None,
    extendable: bool = False,
) -> Iterator[dict[str, Any]]:
    """Trains `config` in `folder`, going on from what is there, and yields one line of metrics.jsonl per epoch.

    How it ended stands in the folder's status: finished, with the test scores of the best weights, or diverged. A
    trial that has ended so yields nothing. With no checkpoint of its own it goes on from the finished trial in
    `shorter`, which differs in nothing but fewer epochs; `extendable` keeps its own last state for a longer one. One
    that somebody stops (records.STOP_FILE) drops the epoch in hand, and is `stopped`. Raises TrialLocked while another
    process runs the trial, and DiskError when its folder cannot be locked or has no space left. Any exception but the
    first leaves the status failed, with the reason, and a traceback, where that can be written, and goes through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / records.LOCK_FILE, LOCK_PATIENCE_S))
        except Timeout:
            raise TrialLocked(f"{folder} is being trained by another process; wait for it or stop it") from None
        before = records.read_status(folder)
        if before is not None and before.state in records.FINAL_STATES:
            if before.state == "diverged":
                (folder / records.LAST_FILE).unlink(missing_ok=True)
            return
        if (why := why_stopped(folder)) is not None:
            records.write_status(folder, records.ended("stopped", before, config.epochs, why))
            return
        room = folder / records.ROOM_FILE
        held.callback(room.unlink, missing_ok=True)
        try:
            with open(room, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
            if shorter is not None and (why := take_over(shorter, folder, config)) is not None:
                print(f"{folder.name} is trained from the start: {why}", file=sys.stderr)
            run = start_or_resume(config, folder, data_root, threads, use_gpu)
            held.callback(run.writer.close)
            yield from train_epochs(run)
            if not extendable:
                # Weights and three moments of each: four times the size of the best weights, and of no use any more.
                (folder / records.LAST_FILE).unlink(missing_ok=True)
        except Stopped as stopped:
            status = records.read_status(folder)
            records.write_status(folder, records.ended("stopped", status, config.epochs, str(stopped)))
        except Exception as error:
            room.unlink(missing_ok=True)
            full = is_full(error) and not isinstance(error, DiskError)
            told = DiskError(f"{NO_SPACE_LEFT} {folder}") if full else error
            _write_failure(folder, config, reason_of(told))
            if full:
                raise told from error
            raise


def reason_of(error: Exception) -> str:
    """As a status says it."""
    if is_out_of_memory(error):
        return f"out of memory: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return str(error) if isinstance(error, DiskError) else own_code.describe_error(error)


def _write_failure(folder: Path, config: TrialConfig, reason: str) -> None:
    with suppress(OSError):  # what is wrong with the disk is told by the error that goes through
        records.write_status(folder, records.ended("failed", records.read_status(folder), config.epochs, reason))
        (folder / records.ERROR_FILE).write_text(traceback.format_exc())


def train_epochs(run: Run) -> Iterator[dict[str, Any]]:
    """The epochs that are left, then the test set. The order of writing matters: what `last.pt` counts as finished
    is on disk before it, and what a crash leaves beyond it is made again, the same. It is written while the next epoch
    runs, unless it is small, so a crash may cost the epoch before the one in hand, too."""
    config, progress = run.config, run.progress
    for epoch in range(progress.epoch + 1, config.epochs + 1):
        started = time.perf_counter()
        reset_peak_memory(run.hardware.device)
        last_epoch = epoch == config.epochs
        try:
            record = {records.EPOCH: epoch, **train_one_epoch(run, epoch)}
            if is_validated(run, epoch):
                record |= validate(run, epoch)
        except Diverged as error:
            run.writer.wait()
            progress.runtime_s += time.perf_counter() - started
            run.write_status("diverged", reason=f"epoch {epoch}, {error}", step=error.step)
            (run.folder / records.LAST_FILE).unlink(missing_ok=True)
            return
        if config.test_every and (epoch % config.test_every == 0 or last_epoch):
            # Drawn as a curve, never used to choose weights.
            with run.judged_weights():
                test, *_ = run.evaluate("test")
            record |= {records.TEST_LOSS: test.loss, records.TEST_MEAN_IOU: scores(test.confusion).mean_iou}
        record[records.PEAK_MEMORY_BYTES] = peak_memory_bytes(run.hardware.device)
        record[records.EPOCH_S] = time.perf_counter() - started
        progress.epoch = epoch
        progress.runtime_s += record[records.EPOCH_S]
        records.append_metrics(run.folder, record)
        run.save_last()
        run.write_status("running")
        yield record
    started = time.perf_counter()
    run.writer.wait()
    test_best_weights(run)
    records.add_to_env(run.folder, {records.IMAGE_S: image_seconds(run.model, config, run.hardware)})
    progress.runtime_s += time.perf_counter() - started
    run.write_status("finished")


def test_best_weights(run: Run) -> None:
    """Everything that the folder keeps of the test set, from the weights that validation chose."""
    dataset, inputs = find_dataset(run.config.dataset), run.inputs["test"]
    run.model.load_state_dict(checkpoint.load_best(run.folder))
    batch_size, hardware = run.config.batch_size, run.hardware
    arrays = run.data.scored["test"]
    save_panels(run.folder, run.model, arrays, inputs, dataset, batch_size, hardware)
    evaluation, *further = evaluate_test(run.model, inputs, dataset.outputs, batch_size, hardware)
    confusion = evaluation.image_confusion
    save_test_examples(run.folder, run.model, arrays, inputs, dataset, confusion, batch_size, hardware)
    for task, found in zip(dataset.further, further, strict=True):
        folder = records.task_dir(run.folder, task.name)
        save_test_results(folder, found, task.classes, run.progress.best_epoch, arrays.groups)
    save_test_results(run.folder, evaluation, dataset.classes, run.progress.best_epoch, arrays.groups)
