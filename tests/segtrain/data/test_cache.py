"""The cache of decoded images: what is in it, when it is built, and that every bad file is named first."""

import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data import cache as cache_module
from segtrain.data.cache import DataCache, cache_root, open_cache
from segtrain.data.roads import ROADS
from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split

WriteRoads = Callable[..., Path]


def opened(root: Path, height: int = 32, width: int = 48) -> DataCache:
    return open_cache(ROADS, root, height, width)


def file(drive: Path, kind: str, frame: int) -> Path:
    return drive / kind / f"{frame:03d}.png"


def problems(root: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        opened(root)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


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


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_truncated_png_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    truncate(file(drive, "CameraRGB", 2))
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(file(drive, 'CameraRGB', 2)))}: cannot be read \(.+\)", problem)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.95])
def test_a_jpeg_cut_anywhere_is_named(tmp_path: Path, write_roads: WriteRoads, kept: float) -> None:
    """Pillow opens it happily and fails, or not, when the pixels are asked for."""
    drive = write_roads(tmp_path)
    path = file(drive, "CameraRGB", 2)
    Image.open(path).save(path, format="JPEG", quality=95)
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * kept)])
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(path))}: cannot be read \(.+\)", problem)


def test_a_whole_jpeg_is_fine(tmp_path: Path, write_roads: WriteRoads) -> None:
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    Image.open(path).save(path, format="JPEG", quality=95)
    assert np.array_equal(opened(tmp_path).splits["train"].images[2], np.asarray(Image.open(path)))


def test_a_picture_that_claims_to_be_huge_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    """Pillow refuses it as a decompression bomb, which is no OSError."""
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(path.read_bytes()[:8] + chunk + path.read_bytes()[33:])
    (problem,) = problems(tmp_path)
    assert re.fullmatch(rf"{re.escape(str(path))}: cannot be read \(.+\)", problem)


def test_a_mask_of_another_size_is_named(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    image, mask = file(drive, "CameraRGB", 4), file(drive, "CameraSeg", 4)
    labels_image(32, 40).save(mask)
    assert problems(tmp_path) == (f"{mask}: is 40x32 but its image {image} is 48x32",)


def test_stray_labels_are_named_though_resizing_would_drop_them(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path, height=200, width=200)
    mask = file(drive, "CameraSeg", 4)
    labels = np.array(Image.open(mask))
    labels[7, 9], labels[7, 11], labels[8, 9] = (13, 0, 0), (254, 0, 0), (IGNORE, 0, 0)
    Image.fromarray(labels).save(mask)
    assert problems(tmp_path) == (
        f"{mask}: has label 13, 254; dataset 'roads' has classes 0 to 12 and 255 for ignored pixels",
    )


@pytest.mark.parametrize("label", [13, 256, 300, 65_535])
def test_labels_beyond_a_byte_are_named(tmp_path: Path, write_roads: WriteRoads, label: int) -> None:
    """A PNG may have 16 bits; taken modulo 256, label 256 would pass for class 0 and 65535 for ignored."""
    mask = file(write_roads(tmp_path), "CameraSeg", 4)
    labels = np.asarray(labels_image(32, 48)).astype(np.uint16)
    labels[3, 5] = label
    Image.fromarray(labels).save(mask)
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"{mask}: has label {label}; ")


def test_all_bad_files_of_all_splits_are_named_at_once(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    truncate(file(drive, "CameraRGB", 1))
    truncate(file(drive, "CameraSeg", 1))
    file(drive, "CameraRGB", 15).write_text("not a picture")
    labels_image(9, 9).save(file(drive, "CameraSeg", 19))
    found = [problem.split(": ")[0] for problem in problems(tmp_path)]
    expected = [("CameraRGB", 1), ("CameraSeg", 1), ("CameraRGB", 15), ("CameraSeg", 19)]
    assert found == [str(file(drive, *which)) for which in expected]


def test_a_failing_build_leaves_nothing_and_a_mended_one_succeeds(tmp_path: Path, write_roads: WriteRoads) -> None:
    path = file(write_roads(tmp_path), "CameraRGB", 2)
    whole = path.read_bytes()
    truncate(path)
    assert len(problems(tmp_path)) == 1
    assert [entry.name for entry in cache_root().iterdir() if entry.suffix != ".lock"] == []
    path.write_bytes(whole)
    assert len(opened(tmp_path).splits["train"]) == 14


def test_the_second_opening_decodes_nothing(tmp_path: Path, write_roads: WriteRoads) -> None:
    drive = write_roads(tmp_path)
    before = {split: arrays.images.copy() for split, arrays in opened(tmp_path).splits.items()}
    for path in drive.rglob("*.png"):
        stat = path.stat()
        path.write_bytes(b"x" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = opened(tmp_path)
    assert all(np.array_equal(again.splits[split].images, before[split]) for split in SPLITS)


@pytest.mark.parametrize("change", ["content", "time", "frame"])
def test_the_cache_follows_the_files(tmp_path: Path, write_roads: WriteRoads, change: str) -> None:
    drive = write_roads(tmp_path)
    before = opened(tmp_path).fingerprint
    path = file(drive, "CameraRGB", 3)
    if change == "content":
        Image.fromarray(np.full((32, 48, 3), 9, dtype=np.uint8)).save(path)
    elif change == "time":
        os.utime(path, ns=(0, 12_345))
    else:
        for kind in ("CameraRGB", "CameraSeg"):
            file(drive, kind, 3).rename(drive / kind / "003b.png")
    after = opened(tmp_path)
    assert after.fingerprint != before
    if change == "content":
        assert (after.splits["train"].images[3] == 9).all()


def test_sizes_and_datasets_have_caches_of_their_own(tmp_path: Path, write_roads: WriteRoads) -> None:
    write_roads(tmp_path)
    first, second = opened(tmp_path, 32, 48), opened(tmp_path, 48, 32)
    other = open_cache(replace(ROADS, name="other"), tmp_path, 32, 48)
    assert first.fingerprint == second.fingerprint == other.fingerprint
    assert {entry.name for entry in cache_root().iterdir() if entry.is_dir()} == {
        f"{name}-{first.fingerprint}" for name in ("roads-48x32", "roads-32x48", "other-48x32")
    }


def test_the_fingerprint_does_not_depend_on_where_the_data_lie(
    tmp_path: Path, write_roads: WriteRoads, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_roads(tmp_path / "here")
    before = opened(tmp_path / "here").fingerprint
    (tmp_path / "here").rename(tmp_path / "there")
    assert opened(tmp_path / "there").fingerprint == before
    monkeypatch.chdir(tmp_path)
    assert opened(Path("there")).fingerprint == before


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
from segtrain.batches import evaluation_batches, training_batches
from segtrain.config import TrialConfig
from segtrain.data.cache import open_cache
from segtrain.data.roads import ROADS

def anonymous_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

def one_pass(root):
    cache = open_cache(ROADS, Path(root), 128, 128)
    config = TrialConfig(arch="fcn8s", dataset="roads", batch_size=4)
    cpu = torch.device("cpu")
    for batch in training_batches(cache.splits["train"], config, 1, cpu):
        batch.images.sum()
    for batch in evaluation_batches(cache.splits["test"], 4, cpu):
        batch.images.sum()
    return cache  # still open when memory is read

torch.set_num_threads(1)
caches = []
for root in sys.argv[1:]:
    caches.append(one_pass(root))
    print(anonymous_bytes())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_dataset(tmp_path: Path, write_roads: WriteRoads) -> None:
    """300 images of 128 x 128 are 20 MB of arrays. What a process holds of its own stays the same within 5."""
    for name, count in (("few", 20), ("many", 300)):
        write_roads(tmp_path / name, count=count, height=128, width=128)
        opened(tmp_path / name, 128, 128)
    roots = [str(tmp_path / name) for name in ("few", "many")]
    done = subprocess.run([sys.executable, "-c", READER, *roots], capture_output=True, text=True, check=True)
    few, many = map(int, done.stdout.split())
    assert few > 2**20
    assert many - few < 5e6


def test_a_cache_is_never_seen_half_built(tmp_path: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last pair is being decoded no folder has the final name; a builder that dies then leaves none."""
    seen: list[list[str]] = []
    decode = cache_module._decode

    def watched(dataset: Dataset, pair: Pair, image: np.ndarray, mask: np.ndarray) -> object:
        seen.append([entry.name for entry in cache_root().iterdir() if entry.name.startswith("roads-")])
        if len(seen) == 20:
            raise KeyboardInterrupt
        return decode(dataset, pair, image, mask)

    monkeypatch.setattr(cache_module, "_decode", watched)
    with pytest.raises(KeyboardInterrupt):
        opened(roads_root)
    assert len(seen) == 20
    assert all(name.endswith(".lock") for names in seen for name in names)
    monkeypatch.undo()
