"""One epoch of a trial: a step for every batch, then the validation split."""

import math
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.spec import IGNORE
from segtrain.metrics.confusion import SegMetric, scores
from segtrain.models import set_train_mode
from segtrain.training import checkpoint
from segtrain.training.checkpoint import EpochPart
from segtrain.training.evaluation import cross_entropy_sum, most_likely
from segtrain.training.inference.network import autocast, forward_with_auxiliary
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

    The loss that is recorded is the cross-entropy of the logits in nats, a mean over pixels, whatever the trial makes
    small and whatever auxiliary heads add to it: comparable between recipes, and with the loss of the validation. The
    mean IoU of an epoch that is validated is that of the predictions its steps were taken from: with dropout and
    augmentation, by weights that change from batch to batch.
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
        with torch.set_grad_enabled(run.loss is None):
            loss_sum, pixels = cross_entropy_sum(logits, batch.target)
        objective = run.loss(logits, batch.target) if run.loss else _reduced(config, loss_sum, pixels)
        for logits_besides in auxiliary:
            objective = objective + AUXILIARY_WEIGHT * _loss(run, logits_besides, batch.target)
        first = number - number % config.accumulate
        if number == first:
            run.optimizer.zero_grad()
        (objective / min(config.accumulate, batches - first)).backward()
        stepped = (number + 1) % config.accumulate == 0 or number + 1 == batches
        if stepped:
            _step(run)
        # A loss that is not finite is seen in what is recorded, whatever it is.
        recorded = loss_sum if run.loss is None else torch.where(objective.isfinite(), loss_sum, objective)
        sums.append(recorded.detach())
        counts.append(pixels)
        if metric is not None:
            metric.update(most_likely(logits.detach()), batch.target)
        looked = _look_for_a_stop(run, looked)
        if stepped and time.monotonic() - saved > SAVE_EVERY_S:
            _save_part(run, sums, counts, metric)
            saved = time.monotonic()
    # Read once an epoch: asking for a number at every step would make a GPU wait.
    losses = torch.stack(sums)
    finite = losses.isfinite()
    if not finite.all():
        number = int((~finite).nonzero()[0])
        raise Diverged("training", losses[number].item(), number // config.accumulate + 1)
    seen = {} if metric is None else {records.TRAIN_MEAN_IOU: metric.mean_iou()}
    return {
        records.TRAIN_LOSS: (losses.double().sum() / torch.stack(counts).sum()).item(),
        **seen,
        records.LR: lr,
        records.IMAGES_PER_S: len(inputs) / (time.perf_counter() - started),
    }


def is_validated(run: Run, epoch: int) -> bool:
    return epoch % run.config.val_every == 0 or epoch == run.config.epochs


def _metric(run: Run, part: EpochPart | None) -> SegMetric:
    so_far = None if part is None or part.confusion is None else part.confusion.to(run.hardware.device)
    return SegMetric(len(find_dataset(run.config.dataset).classes), IGNORE, so_far)


def _loss(run: Run, logits: Tensor, target: Tensor) -> Tensor:
    if run.loss is not None:
        return run.loss(logits, target)
    return _reduced(run.config, *cross_entropy_sum(logits, target))


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
    return [each.to(device) for each in part.loss_sums], [each.to(device) for each in part.pixels]


def dropout_seed(seed: int, epoch: int) -> int:
    """A function of (seed, epoch), like everything random here. Hashed into 32 bits: torch's CPU generator takes no
    more, and would see the same seed in every epoch if the epoch stood above them."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def validate(run: Run, epoch: int) -> dict[str, Any]:
    """Scores the validation split, and copies the weights when its mean IoU has risen. Raises Diverged."""
    with run.judged_weights():
        validation = run.evaluate("val")
        if validation.confusion.any() and not math.isfinite(validation.loss):
            # The last step blew the weights up after its own loss had been fine.
            step_images = run.config.batch_size * run.config.accumulate
            raise Diverged("validation", validation.loss, -(-len(run.training) // step_images))
        found = scores(validation.confusion)
        if run.progress.best_epoch == 0 or found.mean_iou > run.progress.best_mean_iou:
            run.progress.best_epoch, run.progress.best_mean_iou = epoch, found.mean_iou
            run.best = checkpoint.copy_weights(run.model)
    return {
        records.VAL_LOSS: validation.loss,
        records.VAL_MEAN_IOU: found.mean_iou,
        records.VAL_IOU: list(found.iou),
    }
