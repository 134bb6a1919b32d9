"""The cache of images that keep the size of their files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import file_size, open_cache
from segtrain.data.ragged import Ragged
from segtrain.data.roads import ROADS
from segtrain.data.spec import SPLITS, DataError
from segtrain.machine.array_store import cache_root
from tests.segtrain.conftest import road_scene, write_road_pair


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A data root with 20 images, each of a size of its own."""
    rng, folder = np.random.default_rng(0), tmp_path / "mixed/dataA/dataA"
    for frame in range(20):
        write_road_pair(folder, f"{frame:03d}.png", *road_scene(rng, 20 + frame, 60 - 2 * frame))
    return tmp_path / "mixed"


def test_images_are_views_one_behind_the_other() -> None:
    sizes = np.array([[2, 3], [1, 1], [4, 2]])
    values = np.arange(Ragged.length(sizes, (3,)), dtype=np.uint8)
    ragged = Ragged(values, sizes, (3,))
    assert [image.shape for image in ragged] == [(2, 3, 3), (1, 1, 3), (4, 2, 3)]
    assert np.concatenate([image.ravel() for image in ragged]).tolist() == values.tolist() == list(range(45))
    assert np.shares_memory(ragged[-1], values)
    with pytest.raises(IndexError):
        ragged[3]


def test_every_file_keeps_its_pixels(mixed: Path) -> None:
    pairs, cache = ROADS.list_pairs(mixed), open_cache(ROADS, mixed, 32, 48, "own")
    for split in SPLITS:
        arrays = cache.splits[split]
        assert len(arrays) == len(pairs[split]) > 0
        for index, pair in enumerate(pairs[split]):
            assert np.array_equal(arrays.images[index], np.asarray(Image.open(pair.image)))
            assert np.array_equal(arrays.masks[index], np.asarray(Image.open(pair.mask))[..., 0])
            assert file_size(ROADS, pair) == arrays.masks[index].shape
    values = cache.splits["train"].images.values  # type: ignore[union-attr]
    assert isinstance(values, np.memmap)
    assert cache.scored == cache.splits


def test_where_predictions_are_brought_back_only_what_is_scored_has_the_size_of_its_file(mixed: Path) -> None:
    plain, cache = open_cache(ROADS, mixed, 32, 48), open_cache(ROADS, mixed, 32, 48, "restored")
    own = open_cache(ROADS, mixed, 32, 48, "own")
    assert np.array_equal(cache.splits["test"].images, plain.splits["test"].images)
    assert [mask.shape for mask in cache.scored["test"].masks] == [mask.shape for mask in own.splits["test"].masks]
    assert set(cache.scored) == {"val", "test"}
    assert plain.fingerprint == cache.fingerprint == own.fingerprint


def test_it_is_made_once_and_not_for_every_size_of_crops(mixed: Path) -> None:
    first = open_cache(ROADS, mixed, 32, 48, "own")
    marks = {path.name: path.stat().st_ino for path in cache_root().glob("roads-*")}
    second = open_cache(ROADS, mixed, 64, 64, "own")
    assert {path.name: path.stat().st_ino for path in cache_root().glob("roads-*")} == marks
    assert np.array_equal(first.splits["val"].masks[0], second.splits["val"].masks[0])


def test_all_files_that_cannot_be_used_are_named(mixed: Path) -> None:
    folder = mixed / "dataA/dataA"
    (folder / "CameraRGB/003.png").write_bytes(b"no picture")
    Image.new("RGB", (9, 9)).save(folder / "CameraSeg/005.png")
    with pytest.raises(DataError) as found:
        open_cache(ROADS, mixed, 32, 48, "own")
    assert [Path(problem.partition(":")[0]).name for problem in found.value.problems] == ["003.png", "005.png"]
