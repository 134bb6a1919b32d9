"""What a trial makes small: the losses that its `loss` names, and sums of them.

    cross_entropy        mean over the pixels, with class weights the weighted one
    focal                Lin et al. 2017, with the softmax in place of the sigmoid: (1 - p)^2 times the cross-entropy
    dice                 Milletari et al. 2016: 1 - 2 |P T| / (|P| + |T|), mean over the classes in the batch
    lovasz               Berman et al. 2018, Lovasz-Softmax, mean over the classes in the batch
    ohem_cross_entropy   Shrivastava et al. 2016: the cross-entropy of the hard pixels, those of a probability below 0.7
                         for their class, and of a sixteenth of the batch's pixels at least

Dice and Lovasz are of a whole batch, not of an image. Rows are the pixels of a batch: P = N H W of them, K classes;
`target` (P,) int64, 255 = ignore. A batch of ignored pixels only has the loss 0.

Every sum has the same order in every run, on a GPU too: nothing is gathered where a gradient comes back, and what is
summed up along the pixels is whole numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.spec import IGNORE
from segtrain.own_code import CodeError, describe_error, import_object, is_own_name
from segtrain.recipe import given_weights, loss_terms

FOCUS = 2.0  # gamma of the focal loss
HARD = 0.7  # the probability below which a pixel is hard
LEAST_HARD = 16  # at least one pixel in so many is

Loss = Callable[[Tensor, Tensor], Tensor]
"""logits (N, K, H, W) float32, target (N, H, W) -> a tensor of one number."""


@dataclass(frozen=True)
class Weighting:
    weights: Tensor | None  # (K,) float, of the classes
    smoothing: float = 0.0

    def of(self, target: Tensor) -> Tensor:
        """(P,) float: the weight of each pixel's class, 0 where it is ignored."""
        counts = (target != IGNORE).float()
        if self.weights is None:
            return counts
        return counts * self.weights[target.clamp(max=len(self.weights) - 1)]

    def cross_entropy(self, rows: Tensor, target: Tensor) -> Tensor:
        """(P,), weighted, 0 where ignored."""
        return F.cross_entropy(
            rows, target, self.weights, ignore_index=IGNORE, reduction="none", label_smoothing=self.smoothing
        )


def cross_entropy(rows: Tensor, target: Tensor, weighting: Weighting) -> Tensor:
    return _mean(weighting.cross_entropy(rows, target).sum(), weighting.of(target).sum())


def focal(rows: Tensor, target: Tensor, weighting: Weighting) -> Tensor:
    plain = Weighting(None).cross_entropy(rows, target)
    weights = weighting.of(target)
    return _mean((weights * (1 - torch.exp(-plain)) ** FOCUS * plain).sum(), weights.sum())


def dice(rows: Tensor, target: Tensor, _: Weighting) -> Tensor:
    truth = _truth(rows, target)
    probability = rows.softmax(1) * (target != IGNORE)[:, None]
    overlap, sizes = (probability * truth).sum(0), probability.sum(0) + truth.sum(0)
    return _mean_of_present(1 - 2 * overlap / sizes.clamp(min=torch.finfo(rows.dtype).tiny), truth)


def lovasz(rows: Tensor, target: Tensor, _: Weighting) -> Tensor:
    truth, counts = _truth(rows, target), (target != IGNORE)[:, None]
    errors = (truth.float() - rows.softmax(1)).abs() * counts
    with torch.no_grad():
        # Ignored pixels come last, where they change neither the intersection nor the union.
        order = errors.masked_fill(~counts, -1).argsort(dim=0, descending=True, stable=True)
        sorted_truth = truth.gather(0, order)
        others = (~truth & counts).gather(0, order)
        intersection = truth.sum(0) - sorted_truth.cumsum(0)
        union = truth.sum(0) + others.cumsum(0)
        # In float64: between neighbours it changes by less than float32 resolves.
        jaccard = 1 - intersection.double() / union.clamp(min=1)
        steps = torch.cat([jaccard[:1], jaccard.diff(dim=0)])
        weights = steps.gather(0, order.argsort(0)).float()
    return _mean_of_present((errors * weights).sum(0), truth)


def ohem_cross_entropy(rows: Tensor, target: Tensor, weighting: Weighting) -> Tensor:
    losses = weighting.cross_entropy(rows, target)
    with torch.no_grad():
        hardest = losses.topk(max(1, len(losses) // LEAST_HARD)).values[-1]
        hard = losses >= hardest.clamp(max=-float(np.log(HARD)))
    return _mean((losses * hard).sum(), (weighting.of(target) * hard).sum())


LOSSES: dict[str, Callable[[Tensor, Tensor, Weighting], Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
    "lovasz": lovasz,
    "ohem_cross_entropy": ohem_cross_entropy,
}


def build_loss(
    config: TrialConfig, masks: Iterable[npt.NDArray[np.uint8]], num_classes: int, device: torch.device
) -> Loss:
    """`masks` (N, H, W) are those of the training split. Raises CodeError."""
    if is_own_name(config.loss):
        return own_loss(config.loss)
    terms = [LOSSES[name] for name in loss_terms(config.loss)]
    weights = class_weights(config.class_weights, masks, num_classes)
    weighting = Weighting(None if weights is None else weights.to(device), config.label_smoothing)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]).float()
        return torch.stack([term(rows, target.reshape(-1), weighting) for term in terms]).sum()

    return loss


def own_loss(name: str) -> Loss:
    """Raises CodeError, and so does the loss when it gives no tensor of one number."""
    function = import_object(name, "loss")
    if not callable(function):
        raise CodeError(f"loss is {name!r}, which is a {type(function).__name__}; it has to be a function")

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        found = function(logits.float(), target)
        if not isinstance(found, Tensor) or found.ndim != 0:
            got = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise CodeError(f"loss is {name!r} and gave {got}; it has to give a tensor of one number, such as a mean")
        return found

    return loss


def try_own_loss(name: str, num_classes: int) -> None:
    """Calls it on a small image with a pixel of every class and one that is ignored. Raises CodeError."""
    logits = torch.zeros(1, num_classes, 1, num_classes + 1, requires_grad=True)
    target = torch.tensor([*range(num_classes), IGNORE]).view(1, 1, -1)
    loss = own_loss(name)
    try:
        found = loss(logits, target)
    except CodeError:
        raise
    except (Exception, SystemExit) as error:
        raise CodeError(
            f"loss is {name!r}, and calling it with logits {tuple(logits.shape)} and target {tuple(target.shape)} "
            f"failed: {describe_error(error)}"
        ) from error
    if not found.requires_grad:
        raise CodeError(f"loss is {name!r} and gave a number without a gradient; compute it from the logits")


def class_weights(weighting: str, masks: Iterable[npt.NDArray[np.uint8]], num_classes: int) -> Tensor | None:
    """(K,) float32, or None. `inverse`: the mean number of pixels of a class over that of this class; `median`: Eigen
    and Fergus 2015, where the frequency of a class is that in the images that it is in. A class that `masks` lack has
    1: nothing is ever multiplied by it."""
    given = given_weights(weighting)
    if given is not None:
        return torch.tensor(given)
    if weighting == "none":
        return None
    # An image at a time: they may be larger than the memory.
    counts = np.array([np.bincount(mask.ravel(), minlength=IGNORE + 1)[:num_classes] for mask in masks])
    pixels, present = counts.sum(0), counts.any(0)
    if weighting == "inverse":
        frequency = pixels[present]
        weights = frequency.mean() / frequency
    else:
        frequency = pixels[present] / ((counts > 0) * counts.sum(1, keepdims=True)).sum(0)[present]
        weights = np.median(frequency) / frequency
    found = np.ones(num_classes)
    found[present] = weights
    return torch.from_numpy(found).float()


def _truth(rows: Tensor, target: Tensor) -> Tensor:
    """(P, K) bool: of which class each pixel is; of none where it is ignored."""
    return target[:, None] == torch.arange(rows.shape[1], device=rows.device)


def _mean(total: Tensor, count: Tensor) -> Tensor:
    return total / torch.where(count > 0, count, 1)


def _mean_of_present(losses: Tensor, truth: Tensor) -> Tensor:
    """Of (K,) losses those of the classes that are in the batch."""
    present = truth.any(0)
    return _mean((losses * present).sum(), present.sum())
