"""A dataset.toml that declares channels: what is read, how it is normalised, and what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imread, imwrite

from segtrain.data.cache import open_cache, read_fingerprint
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.data.spec import RGB, DataError

WriteOwn = Callable[..., Path]
FOUR = {"files": "images/*.tif", "channels": 4, "bits": 16, "names": ["red", "green", "blue", "near infrared"]}


@pytest.fixture
def four(tmp_path: Path, write_own: WriteOwn) -> Path:
    """The dataset.toml of images with near infrared, 16 bits each."""
    path, rng = write_own(tmp_path, images=FOUR), np.random.default_rng(1)
    for image in list((tmp_path / "images").iterdir()):
        image.unlink()
        pixels = rng.integers(0, 2**16, (32, 48, 4), dtype=np.uint16)
        imwrite(image.with_suffix(".tif"), pixels, photometric="minisblack", planarconfig="contig")
    return path


def test_four_channels_of_sixteen_bits_reach_the_arrays_whole(four: Path) -> None:
    dataset = read_dataset(four)
    assert dataset.channels.names == ("red", "green", "blue", "near infrared")
    assert (dataset.channels.mean, dataset.channels.std) == ((0.449,) * 4, (0.226,) * 4)
    images = open_cache(dataset, four.parent, 32, 48).splits["test"].images
    assert images.dtype == np.uint16
    for image, pair in zip(images, dataset.list_pairs(four.parent)["test"], strict=True):
        assert np.array_equal(image, imread(pair.image))


def test_grey_is_one_channel_where_it_is_declared(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, images={"channels": 1})
    for image in (tmp_path / "images").iterdir():
        Image.open(image).convert("L").save(image)
    dataset = read_dataset(path)
    cache = open_cache(dataset, tmp_path, 32, 48)
    assert dataset.channels.names == ("grey",)
    assert cache.splits["train"].images.shape == (6, 32, 48, 1)
    assert cache.splits["train"].channels == dataset.channels


def test_three_channels_declared_are_the_dataset_that_they_were(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    before = read_fingerprint(read_dataset(path), tmp_path)
    path.write_text(path.read_text().replace("[images]", "[images]\nchannels = 3"))
    dataset = read_dataset(path)
    assert dataset.channels == RGB
    assert read_fingerprint(dataset, tmp_path) == before
    path.write_text(path.read_text().replace("channels = 3", "channels = 3\nmean = [0.5, 0.5, 0.5]"))
    assert read_dataset(path).channels.mean == (0.5, 0.5, 0.5)
    assert read_fingerprint(read_dataset(path), tmp_path) != before  # it changes the numbers


@pytest.mark.parametrize(("pixels", "found"), [
    (np.zeros((32, 48, 3), dtype=np.uint16), "3 channels of 16 bits"),
    (np.zeros((32, 48, 4), dtype=np.uint8), "4 channels of 8 bits"),
])  # fmt: skip
def test_an_image_of_other_channels_or_bits_is_named(four: Path, pixels: np.ndarray, found: str) -> None:
    path = four.parent / "images" / "b_1.tif"
    imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
    with pytest.raises(DataError) as caught:
        open_cache(read_dataset(four), four.parent, 32, 48)
    wanted = "dataset 'mine' has 4 of 16: red, green, blue, near infrared"
    assert caught.value.problems == (f"{path}: has {found}; {wanted}",)


@pytest.mark.parametrize(("images", "sentence"), [
    ({"channels": 0}, "[images] channels is 0; allowed: an integer from 1 to 64; 3 for red, green"),
    ({"channels": 4, "names": ["red"]}, "[images] names has 1 entries and channels is 4; give one for each channel"),
    ({"std": [0.2, 0.2]}, "[images] std has 2 entries and channels is 3; give one for each channel"),
    ({"std": [0.2, 0.2, 0]}, "[images] std is [0.2, 0.2, 0]; allowed: a list of numbers above 0, up to 1"),
    ({"mean": [120, 110, 100]}, "[images] mean is [120, 110, 100]; allowed: a list of numbers from 0 to 1"),
])  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, write_own: WriteOwn, images: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        read_dataset(write_own(tmp_path, images=images))
    assert any(sentence in problem for problem in caught.value.problems), caught.value.problems
