"""A model on a whole split: the loss and the confusion matrix; on the test set, all that the trial folder keeps."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from segtrain import records
from segtrain.data.cache import SplitArrays
from segtrain.data.pixels import picture
from segtrain.data.spec import IGNORE, Dataset
from segtrain.machine.device import Hardware
from segtrain.metrics.boundary import BoundaryMetric
from segtrain.metrics.confusion import SegMetric, confusion_matrices, mean_of_defined, scores
from segtrain.metrics.object_size import ObjectSizeMetric
from segtrain.metrics.roc import RocCurves, RocMetric
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.inference.network import by_task
from segtrain.training.inference.predictions import Judged, predict


@dataclass(frozen=True)
class Evaluation:
    loss: float  # cross-entropy in nats, mean over the pixels that count
    confusion: Tensor  # (K, K) int64 on the CPU, rows are truth


@dataclass(frozen=True)
class TestEvaluation:
    __test__ = False  # not a pytest class

    loss: float  # as in Evaluation
    image_confusion: Tensor  # (N, K, K) int64 on the CPU, one matrix per image in the order of the split
    roc: RocCurves
    boundary_iou: list[float]  # per class, and in every list NaN where undefined
    size_iou: dict[str, list[float]]  # object size -> per class


class LossMean:
    """The cross-entropy of a split, a mean over pixels and not over images or batches."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []
        self.pixels: list[Tensor] = []

    def update(self, logits: Tensor, target: Tensor) -> None:
        loss, pixels = cross_entropy_sum(logits, target)
        self.sums.append(loss)
        self.pixels.append(pixels)

    def mean(self) -> float:
        """Read once a split: asking for a number at every batch would make a GPU wait."""
        pixels = int(torch.stack(self.pixels).sum())
        return sum(torch.stack(self.sums).tolist()) / pixels if pixels else float("nan")


def cross_entropy_sum(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """logits (N, K, H, W), target (N, H, W) -> the sum over the pixels that count, and their number.

    Sum and count stay apart so that a batch of ignored pixels only adds zeros.
    """
    if logits.device.type == "cpu":
        # Class by class: a softmax over rows of a few classes each takes ten times as long.
        planes = logits.float().contiguous()
        return F.cross_entropy(planes, target, ignore_index=IGNORE, reduction="sum"), (target != IGNORE).sum()
    # Pixels are rows: the two-dimensional form has no deterministic CUDA kernel, and for channels-last logits
    # the reshape copies nothing.
    rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    loss = F.cross_entropy(rows.float(), target.reshape(-1), ignore_index=IGNORE, reduction="sum")
    return loss, (target != IGNORE).sum()


def most_likely(logits: Tensor) -> Tensor:
    """logits (N, K, H, W) -> class ids (N, H, W): what argmax gives, which takes four times as long on a CPU."""
    return logits.max(1).indices


def evaluate(
    model: EncoderDecoder, inputs: Judged, outputs: Sequence[int], batch_size: int, hardware: Hardware
) -> list[Evaluation]:
    """One of each task, whose numbers of classes are `outputs`."""
    judges = [(LossMean(), SegMetric(num_classes, IGNORE)) for num_classes in outputs]
    for logits, targets in predict(model, inputs, batch_size, hardware):
        for (loss, metric), part, target in zip(judges, by_task(logits, outputs), targets, strict=True):
            loss.update(part, target)
            metric.update(most_likely(part), target)
    return [Evaluation(loss.mean(), metric.confusion.cpu()) for loss, metric in judges]


class _TestJudge:
    """Of one task, what costs more than validation during training should."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes, self.loss = num_classes, LossMean()
        self.confusions: list[Tensor] = []
        self.roc, self.boundary = RocMetric(num_classes, IGNORE), BoundaryMetric(num_classes, IGNORE)
        self.size = ObjectSizeMetric(num_classes, IGNORE)

    def update(self, logits: Tensor, target: Tensor) -> None:
        prediction = most_likely(logits)
        self.loss.update(logits, target)
        self.confusions.append(confusion_matrices(prediction, target, self.num_classes, IGNORE).cpu())
        self.roc.update(logits, target)
        self.boundary.update(prediction, target)
        self.size.update(prediction, target)

    def found(self) -> TestEvaluation:
        confusion = torch.cat(self.confusions)
        return TestEvaluation(self.loss.mean(), confusion, self.roc.curves(), self.boundary.iou(), self.size.iou())


def evaluate_test(
    model: EncoderDecoder, inputs: Judged, outputs: Sequence[int], batch_size: int, hardware: Hardware
) -> list[TestEvaluation]:
    """As `evaluate`, with all that the trial folder keeps."""
    judges = [_TestJudge(num_classes) for num_classes in outputs]
    for logits, targets in predict(model, inputs, batch_size, hardware):
        for judge, part, target in zip(judges, by_task(logits, outputs), targets, strict=True):
            judge.update(part, target)
    return [judge.found() for judge in judges]


def save_test_results(
    folder: Path, evaluation: TestEvaluation, classes: Sequence[str], best_epoch: int, groups: Sequence[str] = ()
) -> records.TestScores:
    """Writes the confusion matrices of one task, beside them the `groups` of the images, the ROC curves and, last, the
    scores."""
    confusion, auc = evaluation.image_confusion.sum(0), evaluation.roc.auc()
    found = scores(confusion)
    test_scores = records.TestScores(
        epoch=best_epoch,
        loss=evaluation.loss,
        classes=list(classes),
        images=len(evaluation.image_confusion),
        auc=[*auc],
        mean_auc=mean_of_defined(auc),
        boundary_iou=[*evaluation.boundary_iou],
        mean_boundary_iou=mean_of_defined(evaluation.boundary_iou),
        size_iou={size: [*iou] for size, iou in evaluation.size_iou.items()},
        mean_size_iou={size: mean_of_defined(iou) for size, iou in evaluation.size_iou.items()},
        **{**asdict(found), "iou": list(found.iou)},
    )
    counts = confusion.numpy()
    shares = [[f"{cell / row.sum():.6f}" if row.any() else "" for cell in row] for row in counts]
    with records.atomic_file(folder / records.CONFUSION_FILE) as file:
        np.save(file, counts)
    _write_table(folder / records.CONFUSION_TABLE_FILE, classes, counts.tolist())
    _write_table(folder / records.NORMALISED_TABLE_FILE, classes, shares)
    by_image: dict[str, Any] = {"confusion": evaluation.image_confusion.numpy()}
    with records.atomic_file(folder / records.IMAGE_CONFUSION_FILE) as file:
        np.savez_compressed(file, **(by_image | {"group": np.array(groups)} if groups else by_image))
    with records.atomic_file(folder / records.ROC_FILE) as file:
        np.savez_compressed(file, **vars(evaluation.roc))
    records.write_test_scores(folder, test_scores)
    return test_scores


def _write_table(path: Path, classes: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth \\ prediction", *classes])
    writer.writerows([name, *row] for name, row in zip(classes, rows, strict=True))
    records.write_atomic(path, text.getvalue().encode())


def save_panels(
    folder: Path,
    model: EncoderDecoder,
    arrays: SplitArrays,
    inputs: Judged,
    dataset: Dataset,
    batch_size: int,
    hardware: Hardware,
) -> None:
    """Image, truth and prediction of test images spread evenly over the split: the same ones in every trial; of each
    task in its own folder."""
    chosen = np.unique(np.linspace(0, len(arrays) - 1, records.PANEL_COUNT).round().astype(int))
    predictions: list[list[np.ndarray]] = [[] for _ in dataset.outputs]
    for logits, _ in predict(model, inputs, batch_size, hardware, chosen):
        for found, part in zip(predictions, by_task(logits, dataset.outputs), strict=True):
            found.extend(most_likely(part).byte().cpu().numpy())
    names, palettes = zip(("", dataset.palette), *((t.name, t.palette) for t in dataset.further), strict=True)
    for name, palette, masks, found in zip(names, palettes, (arrays.masks, *arrays.further), predictions, strict=True):
        panels = records.task_dir(folder, name) / records.PANELS_DIR
        panels.mkdir(exist_ok=True, parents=True)
        for panel, (index, prediction) in enumerate(zip(chosen, found, strict=True)):
            pictures = {
                "image": picture(arrays.images[index]),
                "truth": palette_image(masks[index], palette),
                "prediction": palette_image(prediction, palette),
            }
            for kind, shown in pictures.items():
                buffer = io.BytesIO()
                shown.save(buffer, format="PNG")
                records.write_atomic(panels / records.panel_file(panel, kind), buffer.getvalue())


def palette_image(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> Image.Image:
    """labels (H, W) uint8 -> a picture that holds them, shown in the colours of `palette` and ignored pixels white."""
    labelled = Image.fromarray(labels).convert("P")
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    colours[IGNORE] = 255
    labelled.putpalette(colours.tobytes())
    return labelled
