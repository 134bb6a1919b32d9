"""The single images that a trial keeps for the eye."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segtrain import records
from segtrain.data.cache import SplitArrays
from segtrain.data.roads import ROADS
from segtrain.data.spec import IGNORE
from segtrain.metrics.confusion import confusion_matrices
from segtrain.training.data_file import count_split
from segtrain.training.examples import rank_images, save_test_examples, save_training_examples
from segtrain.training.inputs.batches import Inputs
from tests.segtrain.training.test_evaluation import HARDWARE, K, RedOracle, split


def matrices(wrong: list[tuple[int, int]]) -> np.ndarray:
    """(pixels, wrong ones) of each image."""
    return np.array([[[pixels - bad, bad], [0, 0]] for pixels, bad in wrong])


def test_images_are_ranked_by_their_share_of_wrong_pixels() -> None:
    # Shares: 0.1, 0.9, 0.5, none, 0.3, 0.9, 0.2, 0.4; the second of equal ones comes after the first.
    found = rank_images(matrices([(10, 1), (10, 9), (2, 1), (0, 0), (10, 3), (20, 18), (10, 2), (10, 4)]))
    assert found == {1: "worst1", 5: "worst2", 2: "worst3", 7: "median"}


def test_of_few_images_there_is_no_median() -> None:
    assert rank_images(matrices([(10, 1), (10, 2)])) == {1: "worst1", 0: "worst2"}
    assert rank_images(matrices([(0, 0)])) == {}


def test_worst_and_median_are_kept_with_what_was_predicted(tmp_path: Path) -> None:
    arrays = split(9, right=0.5)
    arrays.images[3, ..., 0] = np.where(arrays.masks[3] == IGNORE, 0, arrays.masks[3])  # all right
    masks = torch.from_numpy(np.array(arrays.masks)).long()
    red = torch.from_numpy(np.array(arrays.images[..., 0])).long()
    confusion = confusion_matrices(red, masks, K, IGNORE)
    save_test_examples(tmp_path, RedOracle(), arrays, Inputs(arrays, HARDWARE), ROADS, confusion, 2, HARDWARE)
    chosen = rank_images(confusion.numpy())
    assert 3 not in chosen
    assert sorted(chosen.values()) == ["median", "worst1", "worst2", "worst3"]
    names = {records.example_file(rank, i, kind) for i, rank in chosen.items() for kind in records.PANEL_KINDS}
    assert {path.name for path in (tmp_path / "examples").iterdir()} == names
    for index, rank in chosen.items():
        kept = [Image.open(tmp_path / "examples" / records.example_file(rank, index, k)) for k in records.PANEL_KINDS]
        expected = (arrays.images[index], arrays.masks[index], arrays.images[index][..., 0])
        assert all(np.array_equal(picture, wanted) for picture, wanted in zip(kept, expected, strict=True))


def test_training_images_are_spread_over_the_split(tmp_path: Path) -> None:
    arrays = split(10)
    save_training_examples(tmp_path, arrays, ROADS)
    names = {records.example_file("train", index, kind) for index in (0, 3, 6, 9) for kind in ("image", "truth")}
    assert {path.name for path in (tmp_path / "examples").iterdir()} == names
    assert np.array_equal(Image.open(tmp_path / "examples" / "train-6_truth.png"), arrays.masks[6])


def test_the_pixels_images_and_groups_of_a_split_are_counted() -> None:
    masks = np.array([[[0, 0, 1]], [[1, 1, IGNORE]], [[1, 1, 1]]], dtype=np.uint8)
    arrays = SplitArrays(np.zeros((3, 1, 3, 3), dtype=np.uint8), masks, ("b", "a", "b"))
    assert count_split(arrays, 3) == {
        "images": 3,
        "pixels": [2, 6, 0],
        "images_with": [1, 3, 0],
        "ignored": 1,
        "groups": {"b": 2, "a": 1},
    }
