"""A model on a whole split: loss, confusion matrix, and what the trial folder keeps of the test set."""

import io
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segtrain import metrics, records
from segtrain.batches import evaluation_batches
from segtrain.data.cache import SplitArrays
from segtrain.data.spec import IGNORE, Dataset
from segtrain.device import Hardware


@dataclass(frozen=True)
class Evaluation:
    loss: float  # cross-entropy in nats, mean over the pixels that count
    confusion: Tensor  # (K, K) int64 on the CPU, rows are truth


def cross_entropy_sum(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """logits (N, K, H, W), target (N, H, W) -> the sum over the pixels that count, and their number.

    Pixels are rows: the two-dimensional form has no deterministic CUDA kernel, and for channels-last logits
    the reshape copies nothing. Sum and count stay apart so that a batch of ignored pixels only adds zeros.
    """
    rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    loss = F.cross_entropy(rows.float(), target.reshape(-1), ignore_index=IGNORE, reduction="sum")
    return loss, (target != IGNORE).sum()


@torch.no_grad()
def evaluate(
    model: nn.Module, arrays: SplitArrays, num_classes: int, batch_size: int, hardware: Hardware
) -> Evaluation:
    model.eval()
    metric = metrics.SegMetric(num_classes, IGNORE)
    loss_sum, pixels = 0.0, 0
    for batch in evaluation_batches(arrays, batch_size, hardware.device):
        with autocast(hardware):
            logits = model(batch.images)
        batch_loss, batch_pixels = cross_entropy_sum(logits, batch.target)
        loss_sum, pixels = loss_sum + batch_loss.item(), pixels + int(batch_pixels)
        metric.update(logits.argmax(1), batch.target)
    return Evaluation(loss_sum / pixels if pixels else float("nan"), metric.confusion.cpu())


def autocast(hardware: Hardware) -> torch.autocast:
    return torch.autocast(hardware.device.type, torch.bfloat16, enabled=hardware.precision == "bfloat16")


def save_test_results(
    folder: Path, evaluation: Evaluation, dataset: Dataset, images: int, best_epoch: int
) -> records.TestScores:
    found = metrics.scores(evaluation.confusion)
    scores = records.TestScores(
        epoch=best_epoch,
        loss=evaluation.loss,
        classes=list(dataset.classes),
        images=images,
        **{**asdict(found), "iou": list(found.iou)},
    )
    buffer = io.BytesIO()
    np.save(buffer, evaluation.confusion.numpy())
    records.write_atomic(folder / records.CONFUSION_FILE, buffer.getvalue())
    records.write_test_scores(folder, scores)
    return scores


@torch.no_grad()
def save_panels(
    folder: Path, model: nn.Module, arrays: SplitArrays, dataset: Dataset, batch_size: int, hardware: Hardware
) -> None:
    """Image, truth and prediction of test images spread evenly over the split: the same ones in every trial."""
    panels = folder / records.PANELS_DIR
    panels.mkdir(exist_ok=True)
    chosen = np.unique(np.linspace(0, len(arrays) - 1, records.PANEL_COUNT).round().astype(int))
    model.eval()
    predictions: list[np.ndarray] = []
    for batch in evaluation_batches(arrays, batch_size, hardware.device, chosen):
        with autocast(hardware):
            predictions.extend(model(batch.images).argmax(1).byte().cpu().numpy())
    for panel, (index, prediction) in enumerate(zip(chosen, predictions, strict=True)):
        pictures = {
            "image": Image.fromarray(arrays.images[index]),
            "truth": _palette_image(arrays.masks[index], dataset),
            "prediction": _palette_image(prediction, dataset),
        }
        for kind, picture in pictures.items():
            buffer = io.BytesIO()
            picture.save(buffer, format="PNG")
            records.write_atomic(panels / records.panel_file(panel, kind), buffer.getvalue())


def _palette_image(labels: np.ndarray, dataset: Dataset) -> Image.Image:
    picture = Image.fromarray(labels).convert("P")
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(dataset.palette)] = dataset.palette
    colours[IGNORE] = 255
    picture.putpalette(colours.tobytes())
    return picture
