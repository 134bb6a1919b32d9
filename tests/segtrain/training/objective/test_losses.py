"""The losses worked by hand, and against torch's and segmentation_models_pytorch's."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segtrain import own_code, recipe
from segtrain.config import TrialConfig
from segtrain.data.spec import IGNORE
from segtrain.own_code import CodeError
from segtrain.training.objective.losses import LOSSES, build_loss, class_weights, try_own_loss

smp = pytest.importorskip("segmentation_models_pytorch.losses")
CLASSES = 5
CPU = torch.device("cpu")
NO_MASKS = np.zeros((1, 2, 2), np.uint8)
OWN = """
def mean(logits, target):
    return (logits.softmax(1)[:, 0] * (target != 255)).mean()


def rows(logits, target):
    return logits.mean((0, 1, 2))


def fixed(logits, target):
    return target.float().mean()


def raising(logits, target):
    return logits @ logits.new_zeros(2, 2)
"""


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Logits (2, 5, 16, 12) that learn; in the target the class 4 is missing, and some pixels are ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 16, 12, generator=generator, requires_grad=True)
    target = torch.randint(0, CLASSES - 1, (2, 16, 12), generator=generator)
    target[0, :3] = IGNORE
    return logits, target


def loss_of(tiny: Callable[..., TrialConfig], masks: np.ndarray = NO_MASKS, **edits: object) -> Callable[..., Tensor]:
    return build_loss(tiny(**edits), masks, CLASSES, CPU)


def test_every_name_has_its_loss() -> None:
    assert tuple(LOSSES) == recipe.LOSSES


def probabilities(*rows: list[float]) -> Tensor:
    """Logits (1, K, 1, P) of these softmax outputs, a row each pixel."""
    return torch.tensor(rows).log().T[None, :, None, :]


HALF, SURE = [0.5, 0.5], [0.9, 0.1]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # Two pixels of class 0, at probabilities 0.5 and 0.9.
        ("cross_entropy", -(math.log(0.5) + math.log(0.9)) / 2),
        ("focal", -(0.5**2 * math.log(0.5) + 0.1**2 * math.log(0.9)) / 2),
        ("dice", 1 - 2 * 1.4 / (1.4 + 2)),
        # Errors 0.5 and 0.1: the first wrong pixel takes half of the Jaccard index, the second the other half.
        ("lovasz", 0.5 * 0.5 + 0.1 * 0.5),
        ("ohem_cross_entropy", -math.log(0.5)),
        ("cross_entropy+dice", -(math.log(0.5) + math.log(0.9)) / 2 + 1 - 2 * 1.4 / 3.4),
    ],
)
def test_two_pixels_by_hand(tiny: Callable[..., TrialConfig], loss: str, expected: float) -> None:
    target = torch.zeros(1, 1, 2, dtype=torch.int64)
    assert loss_of(tiny, loss=loss)(probabilities(HALF, SURE), target).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", recipe.LOSSES)
def test_ignored_pixels_add_nothing(tiny: Callable[..., TrialConfig], loss: str) -> None:
    computed = loss_of(tiny, loss=loss)
    two, three = probabilities(HALF, SURE), probabilities(HALF, [0.01, 0.99], SURE)
    target = torch.tensor([[[0, IGNORE, 0]]])
    assert computed(three, target).item() == pytest.approx(computed(two, torch.zeros(1, 1, 2).long()).item())


@pytest.mark.parametrize("loss", recipe.LOSSES)
def test_a_batch_of_ignored_pixels_only_teaches_nothing(
    tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor], loss: str
) -> None:
    logits, target = batch
    found = loss_of(tiny, loss=loss)(logits, torch.full_like(target, IGNORE))
    found.backward()
    assert logits.grad is not None
    assert (found.item(), logits.grad.abs().max().item()) == (0, 0)


def test_cross_entropy_is_torchs(tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor]) -> None:
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])
    ours = loss_of(tiny, class_weights="1:2:0.5:3:1", label_smoothing=0.1)(*batch)
    torch.testing.assert_close(ours, F.cross_entropy(*batch, weights, ignore_index=IGNORE, label_smoothing=0.1))


def test_lovasz_and_its_gradient_are_smps(tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor]) -> None:
    logits, _ = batch
    losses = [loss_of(tiny, loss="lovasz")(*batch), smp.LovaszLoss("multiclass", ignore_index=IGNORE)(*batch)]
    torch.testing.assert_close(*losses)
    ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in losses)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)


def test_dice_is_smps_over_the_classes_that_are_there(
    tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor]
) -> None:
    theirs = smp.DiceLoss("multiclass", ignore_index=IGNORE)(*batch)  # a missing class counts there, as 0
    torch.testing.assert_close(loss_of(tiny, loss="dice")(*batch), theirs * CLASSES / (CLASSES - 1))


def test_the_hardest_sixteenth_is_taken_where_no_pixel_is_hard(tiny: Callable[..., TrialConfig]) -> None:
    rows = [[p, 1 - p] for p in (0.8, *[0.95] * 31, 0.85)]
    target = torch.zeros(1, 1, 33, dtype=torch.int64)
    found = loss_of(tiny, loss="ohem_cross_entropy")(probabilities(*rows), target)
    assert found.item() == pytest.approx(-(math.log(0.8) + math.log(0.85)) / 2)


def test_class_weights_by_hand() -> None:
    """Six pixels of class 0, of which two in an image of its own, and two of class 1; class 2 is nowhere."""
    masks = np.array([[[0, 0, 1, 1, 0, 0]], [[0, 0, *[IGNORE] * 4]]], np.uint8)
    inverse, median = (class_weights(name, masks, 3) for name in ("inverse", "median"))
    assert inverse is not None
    assert median is not None
    assert inverse.tolist() == pytest.approx([4 / 6, 4 / 2, 1])
    frequency = 6 / 8, 2 / 6
    middle = sum(frequency) / 2
    assert median.tolist() == pytest.approx([middle / frequency[0], middle / frequency[1], 1])
    assert class_weights("none", masks, 3) is None


def test_weights_of_classes_reach_the_loss(tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor]) -> None:
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, 0, 0] = 1
    found = {loss_of(tiny, masks, loss=loss, class_weights="inverse")(*batch).item() for loss in recipe.WEIGHTED}
    plain = {loss_of(tiny, masks, loss=loss)(*batch).item() for loss in recipe.WEIGHTED}
    assert not found & plain


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "my_losses.py"
    path.write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield path
    sys.modules.pop("my_losses", None)
    own_code.sources.cache_clear()


@pytest.mark.usefixtures("own")
def test_a_loss_of_ones_own(tiny: Callable[..., TrialConfig], batch: tuple[Tensor, Tensor]) -> None:
    try_own_loss("my_losses:mean", CLASSES)
    logits, target = batch
    expected = (logits.softmax(1)[:, 0] * (target != IGNORE)).mean()
    torch.testing.assert_close(loss_of(tiny, loss="my_losses:mean")(*batch), expected)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("rows", "gave a tensor of shape (6,); it has to give a tensor of one number, such as a mean"),
        ("fixed", "gave a number without a gradient; compute it from the logits"),
        ("raising", "calling it with logits (1, 5, 1, 6) and target (1, 1, 6) failed: {file}, line 15: RuntimeError"),
        ("maen", "has no maen; did you mean mean?"),
    ],
)
def test_what_is_wrong_with_a_loss_of_ones_own_is_said(own: Path, function: str, sentence: str) -> None:
    with pytest.raises(CodeError) as raised:
        try_own_loss(f"my_losses:{function}", CLASSES)
    assert sentence.format(file=own) in str(raised.value)
