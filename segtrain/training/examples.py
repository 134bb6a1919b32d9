"""Single images that a trial's folder keeps for the eye: of the training set with their labels, and the test images
that go worst and middling, with what became of them."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from segtrain import records
from segtrain.data.cache import SplitArrays
from segtrain.data.pixels import picture
from segtrain.data.spec import Dataset
from segtrain.machine.device import Hardware
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.evaluation import most_likely, palette_image
from segtrain.training.inference.network import by_task
from segtrain.training.inference.predictions import Judged, predict

TRAINING_IMAGES = 4
WORST_IMAGES = 3


def save_training_examples(folder: Path, arrays: SplitArrays, dataset: Dataset) -> None:
    """Image and truth of training images spread evenly over the split: the same ones in every trial on these data."""
    for index in np.unique(np.linspace(0, len(arrays) - 1, TRAINING_IMAGES).round().astype(int)):
        _save(folder, "train", int(index), _pictures(arrays, index, dataset))


def save_test_examples(
    folder: Path,
    model: EncoderDecoder,
    arrays: SplitArrays,
    inputs: Judged,
    dataset: Dataset,
    image_confusion: Tensor,
    batch_size: int,
    hardware: Hardware,
) -> None:
    """Image, truth and prediction of the first task of the test images that `rank_images` chooses. image_confusion:
    (N, K, K)."""
    chosen = rank_images(image_confusion.numpy())
    places = np.array(list(chosen), dtype=int)
    found = predict(model, inputs, batch_size, hardware, places)
    first = (by_task(logits, dataset.outputs)[0] for logits, _ in found)
    predictions = [labels for logits in first for labels in most_likely(logits).byte().cpu().numpy()]
    for (index, rank), prediction in zip(chosen.items(), predictions, strict=True):
        pictures = _pictures(arrays, index, dataset)
        _save(folder, rank, index, pictures | {"prediction": palette_image(prediction, dataset.palette)})


def rank_images(confusion: npt.NDArray[np.int64]) -> dict[int, str]:
    """(N, K, K) pixels of each image -> the image's number: `worst1` to `worst3` by the share of wrong pixels, and
    `median`. Images of ignored pixels alone are left out."""
    pixels = confusion.sum((1, 2))
    counted = np.flatnonzero(pixels)
    wrong = 1 - np.trace(confusion, axis1=1, axis2=2)[counted] / pixels[counted]
    order = [int(index) for index in counted[np.argsort(-wrong, kind="stable")]]
    chosen = {index: f"worst{rank}" for rank, index in enumerate(order[:WORST_IMAGES], 1)}
    return chosen | ({order[len(order) // 2]: "median"} if len(order) > 2 * WORST_IMAGES else {})


def _pictures(arrays: SplitArrays, index: int, dataset: Dataset) -> dict[str, Image.Image]:
    return {
        "image": picture(arrays.images[index]),
        "truth": palette_image(arrays.masks[index], dataset.palette),
    }


def _save(folder: Path, rank: str, index: int, pictures: Mapping[str, Image.Image]) -> None:
    examples = folder / records.EXAMPLES_DIR
    examples.mkdir(exist_ok=True)
    for kind, shown in pictures.items():
        buffer = io.BytesIO()
        shown.save(buffer, format="PNG")
        records.write_atomic(examples / records.example_file(rank, index, kind), buffer.getvalue())
