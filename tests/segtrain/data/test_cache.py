"""The cache of decoded images: what is in it, and when it is built. `test_bad_files` has what is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data import cache as cache_module
from segtrain.data.cache import DataCache, open_cache
from segtrain.data.roads import ROADS
from segtrain.data.spec import IGNORE, SPLITS, Dataset, Pair, Split
from segtrain.machine.array_store import cache_root

WriteRoads = Callable[..., Path]


def opened(root: Path, height: int = 32, width: int = 48) -> DataCache:
    return open_cache(ROADS, root, height, width)


def file(drive: Path, kind: str, frame: int) -> Path:
    return drive / kind / f"{frame:03d}.png"


def one_pair(folder: Path, image: Image.Image, mask: Image.Image) -> Dataset:
    """A dataset whose splits are all this pair, with masks as they are."""
    folder.mkdir(exist_ok=True)
    pair = Pair(folder / "image.png", folder / "mask.png")
    image.save(pair.image)
    mask.save(pair.mask)
    pairs: dict[Split, list[Pair]] = {split: [pair] for split in SPLITS}
    return replace(ROADS, list_pairs=lambda data_root: pairs)


def labels_image(height: int, width: int, values: tuple[int, ...] = tuple(range(13)), seed: int = 0) -> Image.Image:
    chosen = np.random.default_rng(seed).choice(np.array(values, dtype=np.uint8), (height, width))
    return Image.fromarray(chosen)


def test_at_the_size_of_the_files_nothing_changes(tmp_path: Path, write_roads: WriteRoads) -> None:
    write_roads(tmp_path)
    pairs, cache = ROADS.list_pairs(tmp_path), opened(tmp_path)
    for split in SPLITS:
        arrays = cache.splits[split]
        assert len(arrays) == len(pairs[split]) > 0
        for index, pair in enumerate(pairs[split]):
            assert np.array_equal(arrays.images[index], np.asarray(Image.open(pair.image)))
            assert np.array_equal(arrays.masks[index], np.asarray(Image.open(pair.mask))[..., 0])


def test_the_arrays_are_read_only_memory_maps_of_bytes(roads_root: Path) -> None:
    for arrays in opened(roads_root, 40, 56).splits.values():
        assert isinstance(arrays.images, np.memmap)
        assert isinstance(arrays.masks, np.memmap)
        assert arrays.images.dtype == arrays.masks.dtype == np.uint8
        assert arrays.images.shape == (len(arrays), 40, 56, 3)
        assert arrays.masks.shape == (len(arrays), 40, 56)
        assert not arrays.images.flags.writeable
        assert not arrays.masks.flags.writeable


@pytest.mark.parametrize(("height", "width"), [(32, 48), (71, 33), (200, 100)])
def test_images_are_resized_bilinearly_and_masks_to_the_nearest(tmp_path: Path, height: int, width: int) -> None:
    """Labels 0 and 12 have 6 between them; a blended mask would show it."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (96, 144, 3), dtype=np.uint8))
    mask = labels_image(96, 144, (0, 12, IGNORE))
    cache = open_cache(one_pair(tmp_path, image, mask), tmp_path, height, width)
    images, masks = cache.splits["train"].images[0], cache.splits["train"].masks[0]
    assert set(np.unique(masks)) == {0, 12, IGNORE}
    assert np.array_equal(masks, np.asarray(mask.resize((width, height), Image.Resampling.NEAREST)))
    assert np.array_equal(images, np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)))
    if (height, width) == (32, 48):  # a third of each side: the middle of every three pixels
        assert np.array_equal(masks, np.asarray(mask)[1::3, 1::3])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_images_that_are_not_rgb_become_it(tmp_path: Path, mode: str) -> None:
    """A gradient in red and green; the alpha channel, half of it transparent, is dropped and blends nothing."""
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(0, 256, 8)[:, None], np.arange(0, 256, 8)
    image = Image.fromarray(pixels).convert("L" if mode == "LA" else "RGB").convert(mode)
    expected = np.asarray(image.convert("RGB"))
    if "A" in mode:
        image.putalpha(Image.fromarray(np.repeat(np.array([0, 255], dtype=np.uint8), 512).reshape(32, 32)))
        assert np.asarray(image)[..., -1].min() == 0
    assert image.mode == mode
    cache = open_cache(one_pair(tmp_path, image, labels_image(32, 32)), tmp_path, 32, 32)
    assert np.array_equal(cache.splits["train"].images[0], expected)
    assert expected.std() > 10


def test_the_second_opening_decodes_nothing(
    tmp_path: Path, write_roads: WriteRoads, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_roads(tmp_path)
    before = opened(tmp_path)
    monkeypatch.setattr(cache_module, "read_pair", lambda dataset, pair: pytest.fail("decoded again"))
    again = opened(tmp_path)
    assert all(np.array_equal(again.splits[split].images, before.splits[split].images) for split in SPLITS)


def test_the_cache_follows_the_files(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    before = opened(tmp_path)
    Image.fromarray(np.full((32, 48, 3), 9, dtype=np.uint8)).save(file(drive, "CameraRGB", 3))
    after = opened(tmp_path)
    assert after.fingerprint != before.fingerprint
    assert (after.splits["train"].images[3] == 9).all()


def test_sizes_and_datasets_have_caches_of_their_own(tmp_path: Path, write_roads: WriteRoads) -> None:
    write_roads(tmp_path)
    first, second = opened(tmp_path, 32, 48), opened(tmp_path, 48, 32)
    other = open_cache(replace(ROADS, name="other"), tmp_path, 32, 48)
    assert first.fingerprint == second.fingerprint == other.fingerprint
    assert {entry.name for entry in cache_root().iterdir() if entry.is_dir()} == {
        f"{name}-{first.fingerprint}" for name in ("roads-48x32", "roads-32x48", "other-48x32")
    }


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("SEGTRAIN_CACHE")
    assert cache_root() == tmp_path / "xdg" / "segtrain"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "segtrain"


def test_a_dataset_that_writes_itself_is_written_first(tmp_path: Path, write_roads: WriteRoads) -> None:
    dataset = replace(ROADS, prepare=write_roads)
    assert len(open_cache(dataset, tmp_path, 32, 48).splits["train"]) == 14


BUILDER = """
import os, sys
from dataclasses import replace
from pathlib import Path
from segtrain.data.cache import open_cache
from segtrain.data.roads import ROADS

def decode_mask(mask):
    with open(sys.argv[2], "a") as log:
        log.write("decoded\\n")
    return ROADS.decode_mask(mask)

dataset = replace(ROADS, decode_mask=decode_mask)
print("ready", flush=True)
sys.stdin.readline()
cache = open_cache(dataset, Path(sys.argv[1]), 64, 96)
print(sum(int(arrays.images.sum()) for arrays in cache.splits.values()))
"""


def test_processes_that_open_it_together_build_it_once(tmp_path: Path, roads_root: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", BUILDER, str(roads_root), str(log)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sums = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert log.read_text() == "decoded\n" * 20
    expected = sum(int(arrays.images.sum()) for arrays in opened(roads_root, 64, 96).splits.values())
    assert sums == {f"{expected}\n"}


READER = """
import sys
from pathlib import Path
import torch
from segtrain.machine.device import Hardware
from segtrain.training.inputs.batches import Inputs
from segtrain.config import TrialConfig
from segtrain.data.cache import open_cache, read_fingerprint
from segtrain.data.roads import ROADS

def anonymous_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

def one_pass(root):
    cache = open_cache(ROADS, Path(root), 128, 128)
    config = TrialConfig(arch="fcn8s", dataset="roads", batch_size=4)
    cpu = Hardware(torch.device("cpu"), "float32", 1)
    train, test = (Inputs(cache.splits[split], cpu) for split in ("train", "test"))
    for batch in train.training_batches(config, 1):
        batch.images.sum()
    for batch in test.evaluation_batches(4):
        batch.images.sum()
    return cache, train, test  # still there when memory is read

torch.set_num_threads(1)
caches = []
for root in sys.argv[1:]:
    read_fingerprint(ROADS, Path(root))  # the threads that read files keep some memory of their own
one_pass(sys.argv[1])  # likewise what a first pass allocates
for root in sys.argv[1:]:
    caches.append(one_pass(root))
    print(anonymous_bytes())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_dataset(tmp_path: Path, write_roads: WriteRoads) -> None:
    """300 images of 128 x 128 are 20 MB of arrays. What a process holds of its own stays the same within 1."""
    for name, count in (("few", 20), ("many", 300)):
        write_roads(tmp_path / name, count=count, height=128, width=128)
        opened(tmp_path / name, 128, 128)
    roots = [str(tmp_path / name) for name in ("few", "many")]
    # What is freed goes back to the system at once: by default the allocator keeps some, how much is chance.
    exact = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    reader = [sys.executable, "-c", READER, *roots]
    done = subprocess.run(reader, capture_output=True, text=True, check=True, env=os.environ | exact)
    few, many = map(int, done.stdout.split())
    assert few > 2**20
    assert many - few < 1e6


def test_a_cache_is_never_seen_half_built(tmp_path: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last pair is being decoded no folder has the final name; a builder that dies then leaves none."""
    seen: list[list[str]] = []
    read = cache_module.read_pair

    def watched(dataset: Dataset, pair: Pair) -> object:
        seen.append([entry.name for entry in cache_root().iterdir() if entry.name.startswith("roads-")])
        if len(seen) == 20:
            raise KeyboardInterrupt
        return read(dataset, pair)

    monkeypatch.setattr(cache_module, "read_pair", watched)
    with pytest.raises(KeyboardInterrupt):
        opened(roads_root)
    assert len(seen) == 20
    assert all(name.endswith(".lock") for names in seen for name in names)
    assert [entry.name for entry in cache_root().iterdir() if entry.is_dir()] == []
