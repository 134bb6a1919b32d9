"""One epoch of a trial: a step for every batch, then the validation split."""

import functools
import math
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.spec import IGNORE
from segtrain.metrics.confusion import SegMetric, scores
from segtrain.models import set_train_mode
from segtrain.training import checkpoint
from segtrain.training.checkpoint import EpochPart
from segtrain.training.evaluation import cross_entropy_sum, most_likely
from segtrain.training.inference.network import autocast, by_task, forward_with_auxiliary
from segtrain.training.objective.optimizer import learning_rate, set_learning_rate
from segtrain.training.run import Run

AUXILIARY_WEIGHT = 0.4
"""Of the loss of an auxiliary head, as in PSPNet (Zhao et al., CVPR 2017); torchvision's recipe has 0.5."""
SAVE_EVERY_S = 600.0
"""A checkpoint is written within an epoch too when it takes longer."""
LOOK_EVERY_S = 1.0
"""So often is looked whether somebody has stopped the trial."""


class Diverged(ArithmeticError):
    """A loss stopped being finite at, or right after, optimiser step `step` (1-based) of the epoch."""

    def __init__(self, split: str, loss: float, step: int) -> None:
        super().__init__(f"the {split} loss is {loss} at step {step}")
        self.step = step


class Stopped(Exception):
    """Somebody wants the trial to end."""


def why_stopped(folder: Path) -> str | None:
    """What stands in the file that tells a trial to end; None without one. From any machine that sees the folder."""
    path = folder / records.STOP_FILE
    if not path.exists():
        return None
    return records.read_bytes(path).decode(errors="replace").strip() or "stopped"


def _look_for_a_stop(run: Run, looked: float) -> float:
    """When somebody has looked last, in time.monotonic(). Raises Stopped."""
    if time.monotonic() - looked <= LOOK_EVERY_S:
        return looked
    if (why := why_stopped(run.folder)) is not None:
        raise Stopped(why)
    return time.monotonic()


def train_one_epoch(run: Run, epoch: int) -> dict[str, float]:
    """Forward, loss, backward over the training split, and a step every `accumulate` batches. Raises Diverged, and
    Stopped within some seconds after somebody has asked for it.

    The losses that are recorded, one a task, are the cross-entropies of the logits in nats, means over pixels, whatever
    the trial makes small and whatever auxiliary heads add to it: comparable between recipes, and with the losses of the
    validation. What a trial makes small is the sum over the tasks. The mean IoU of an epoch that is validated is that
    of the first task's predictions that its steps were taken from: with dropout and augmentation, by weights that
    change from batch to batch.
    """
    config, inputs = run.config, run.training
    started = time.perf_counter()
    torch.manual_seed(dropout_seed(config.seed, epoch))
    lr = learning_rate(config, epoch)
    set_learning_rate(run.optimizer, lr)
    set_train_mode(run.model, config.freeze, config.frozen_norm)
    part, run.part = run.part, None
    sums, counts = ([], []) if part is None else _go_on(run, part)
    metric = _metric(run, part) if is_validated(run, epoch) else None
    batches, begun, saved = -(-len(inputs) // config.batch_size), len(sums), time.monotonic()
    looked = -math.inf
    for number, batch in enumerate(islice(inputs.training_batches(config, epoch), begun, None), begun):
        with autocast(run.hardware):
            logits, auxiliary = forward_with_auxiliary(run.model, batch)
        parts = by_task(logits, run.outputs)
        with torch.set_grad_enabled(run.losses is None):
            found = [cross_entropy_sum(*answer) for answer in zip(parts, batch.targets, strict=True)]
        objective = objective_of(run, parts, batch.targets, found)
        for logits_besides in auxiliary:
            besides = by_task(logits_besides, run.outputs)
            objective = objective + AUXILIARY_WEIGHT * objective_of(run, besides, batch.targets)
        first = number - number % config.accumulate
        if number == first:
            run.optimizer.zero_grad()
        (objective / min(config.accumulate, batches - first)).backward()
        stepped = (number + 1) % config.accumulate == 0 or number + 1 == batches
        if stepped:
            _step(run)
        # A loss that is not finite is seen in what is recorded, whatever it is.
        loss_sums, pixels = (torch.stack(each) for each in zip(*found, strict=True))
        recorded = loss_sums if run.losses is None else torch.where(objective.isfinite(), loss_sums, objective)
        sums.append(recorded.detach())
        counts.append(pixels)
        if metric is not None:
            metric.update(most_likely(parts[0].detach()), batch.target)
        looked = _look_for_a_stop(run, looked)
        if stepped and time.monotonic() - saved > SAVE_EVERY_S:
            _save_part(run, sums, counts, metric)
            saved = time.monotonic()
    # Read once an epoch: asking for a number at every step would make a GPU wait.
    losses, pixels = torch.stack(sums), torch.stack(counts)
    finite = losses.isfinite()
    if not finite.all():
        number, task = (int(place) for place in (~finite).nonzero()[0])
        raise Diverged("training", losses[number, task].item(), number // config.accumulate + 1)
    seen = {} if metric is None else {records.TRAIN_MEAN_IOU: metric.mean_iou()}
    return {
        **{
            records.of_task(records.TRAIN_LOSS, name): (losses[:, task].double().sum() / pixels[:, task].sum()).item()
            for task, name in enumerate(run.tasks)
        },
        **seen,
        records.LR: lr,
        records.IMAGES_PER_S: len(inputs) / (time.perf_counter() - started),
    }


def is_validated(run: Run, epoch: int) -> bool:
    return epoch % run.config.val_every == 0 or epoch == run.config.epochs


def _metric(run: Run, part: EpochPart | None) -> SegMetric:
    so_far = None if part is None or part.confusion is None else part.confusion.to(run.hardware.device)
    return SegMetric(run.outputs[0], IGNORE, so_far)


def objective_of(
    run: Run,
    parts: Sequence[Tensor],
    targets: Sequence[Tensor],
    cross_entropies: Sequence[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """What is made small: the sum over the tasks. `cross_entropies` of the same logits, where they are known."""
    answers = list(zip(parts, targets, strict=True))
    if run.losses is not None:
        losses = [loss(*answer) for loss, answer in zip(run.losses, answers, strict=True)]
    else:
        found = cross_entropies or [cross_entropy_sum(*answer) for answer in answers]
        losses = [_reduced(run.config, *each) for each in found]
    return functools.reduce(torch.add, losses)


def _reduced(config: TrialConfig, loss_sum: Tensor, pixels: Tensor) -> Tensor:
    return loss_sum if config.reduction == "sum" else loss_sum / pixels.clamp(min=1)


def _step(run: Run) -> None:
    if run.config.clip_norm:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.clip_norm)
    run.optimizer.step()
    if run.average is not None:
        run.average.update(run.model)


def _save_part(run: Run, loss_sums: list[Tensor], pixels: list[Tensor], metric: SegMetric | None) -> None:
    device = run.hardware.device
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    confusion = None if metric is None else metric.confusion
    part = EpochPart(
        loss_sums=loss_sums,
        pixels=pixels,
        cpu_generator=torch.get_rng_state(),
        gpu_generator=gpu,
        confusion=confusion,
    )
    run.save_last(part)


def _go_on(run: Run, part: EpochPart) -> tuple[list[Tensor], list[Tensor]]:
    """What the steps so far gave, on the trial's device, whose generators go on where they were."""
    device = run.hardware.device
    torch.set_rng_state(part.cpu_generator)
    if part.gpu_generator is not None and device.type == "cuda":
        torch.cuda.set_rng_state(part.gpu_generator, device)
    # Before there were tasks, these were numbers.
    sums, pixels = ([each.to(device).reshape(-1) for each in many] for many in (part.loss_sums, part.pixels))
    return sums, pixels


def dropout_seed(seed: int, epoch: int) -> int:
    """A function of (seed, epoch), like everything random here. Hashed into 32 bits: torch's CPU generator takes no
    more, and would see the same seed in every epoch if the epoch stood above them."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def validate(run: Run, epoch: int) -> dict[str, Any]:
    """Scores the validation split, and copies the weights when the mean IoU of its first task has risen. Raises
    Diverged."""
    with run.judged_weights():
        validation, *further = run.evaluate("val")
        if validation.confusion.any() and not math.isfinite(validation.loss):
            # The last step blew the weights up after its own loss had been fine.
            step_images = run.config.batch_size * run.config.accumulate
            raise Diverged("validation", validation.loss, -(-len(run.training) // step_images))
        found = scores(validation.confusion)
        if run.progress.best_epoch == 0 or found.mean_iou > run.progress.best_mean_iou:
            run.progress.best_epoch, run.progress.best_mean_iou = epoch, found.mean_iou
            run.best = checkpoint.copy_weights(run.model)
    record: dict[str, Any] = {
        records.VAL_LOSS: validation.loss,
        records.VAL_MEAN_IOU: found.mean_iou,
        records.VAL_IOU: list(found.iou),
    }
    for name, answer in zip(run.tasks[1:], further, strict=True):
        record[records.of_task(records.VAL_LOSS, name)] = answer.loss
        record[records.of_task(records.VAL_MEAN_IOU, name)] = scores(answer.confusion).mean_iou
    return record
