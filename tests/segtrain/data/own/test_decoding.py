"""Own masks and images of every kind become the same arrays, and what cannot is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import open_cache, read_fingerprint
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.data.pair_files import read_pair
from segtrain.data.spec import IGNORE, SPLITS, DataError

WriteOwn = Callable[..., Path]


def masks_of(path: Path) -> dict[str, np.ndarray]:
    cache = open_cache(read_dataset(path), Path("/nowhere"), 32, 48)
    return {split: np.array(cache.splits[split].masks) for split in SPLITS}


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        open_cache(read_dataset(path), Path("/nowhere"), 32, 48)
    return caught.value.problems


def test_ids_palette_and_colours_are_the_same_labels(tmp_path: Path, write_own: WriteOwn) -> None:
    found = {kind: masks_of(write_own(tmp_path / kind, kind)) for kind in ("ids", "palette", "colours")}
    for split in SPLITS:
        assert set(np.unique(found["ids"][split])) == {0, 1, 2, IGNORE}
        assert np.array_equal(found["ids"][split], found["palette"][split])
        assert np.array_equal(found["ids"][split], found["colours"][split])


def test_a_class_has_the_place_in_the_list_and_any_id(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    before = masks_of(path)
    for mask in (tmp_path / "masks").iterdir():
        labels = np.asarray(Image.open(mask)).astype(np.uint16)
        Image.fromarray(np.where(labels == 2, 60_000, labels).astype(np.uint16)).save(mask)
    path.write_text(path.read_text().replace("id = 2", "id = 60000"))
    after = masks_of(path)
    assert all(np.array_equal(before[split], after[split]) for split in SPLITS)


def test_an_id_of_no_class_is_named(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    mask = tmp_path / "masks" / "b_1.png"
    labels = np.array(Image.open(mask))
    labels[3, 4] = 77
    Image.fromarray(labels).save(mask)
    assert problems(path) == (f"{mask}: has label 77 in 1 pixel; dataset 'mine' has labels 0, 1, 2, 9",)


def test_colours_of_no_class_are_named_with_their_pixels(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, "colours")
    mask, other = (tmp_path / "masks" / f"{name}.png" for name in ("a_0", "b_1"))
    for file, rows in ((mask, 2), (other, 1)):
        pixels = np.array(Image.open(file))
        pixels[:rows], pixels[0, 0] = (1, 2, 3), (200, 0, 1)
        Image.fromarray(pixels).save(file)
    advice = "of no class; add these colours to the classes or to ignore"
    assert sorted(problems(path)) == [
        f"{mask}: has (1, 2, 3) in 95 pixels, (200, 0, 1) in 1 pixel, 96 pixels {advice}",
        f"{other}: has (1, 2, 3) in 47 pixels, (200, 0, 1) in 1 pixel, 48 pixels {advice}",
    ]


def test_a_mask_without_a_palette_is_named(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, "palette")
    mask = tmp_path / "masks" / "a_0.png"
    Image.open(mask).convert("L").save(mask)
    assert problems(path) == (f"{mask}: has no palette (mode L); save it with one, or say how its labels are stored",)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_sixteen_bits_are_read_by_their_upper_byte(tmp_path: Path, write_own: WriteOwn, suffix: str) -> None:
    path = write_own(tmp_path, images={"files": f"images/*{suffix}", "bits": 16})
    wide = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48) * 42
    for image in list((tmp_path / "images").iterdir()):
        image.unlink()
        Image.fromarray(wide).save(image.with_suffix(suffix))
    dataset = read_dataset(path)
    image, *_ = read_pair(dataset, dataset.list_pairs(tmp_path)["train"][0])
    assert np.array_equal(np.asarray(image), np.repeat((wide >> 8)[..., None], 3, axis=2))
    wide_print = read_fingerprint(dataset, tmp_path)
    path.write_text(path.read_text().replace("bits = 16", "bits = 8"))
    assert read_fingerprint(read_dataset(path), tmp_path) != wide_print
    assert len(problems(path)) == 12
    assert all("has wider pixels than a byte (mode I;16); save it with 8 bits a channel" in p for p in problems(path))


def test_jpeg_and_grey_images(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, images={"files": "images/*.jpg"})
    for image in list((tmp_path / "images").iterdir()):
        Image.open(image).convert("L").save(image.with_suffix(".jpg"))
        image.unlink()
    images = open_cache(read_dataset(path), tmp_path, 32, 48).splits["train"].images
    assert np.array_equal(images[..., 0], images[..., 2])


def test_what_decides_labels_is_in_the_fingerprint(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, "colours")
    text = path.read_text()
    first = read_fingerprint(read_dataset(path), tmp_path)
    path.write_text(text.replace("class0", "other").replace('"mine"', '"yours"'))
    assert read_fingerprint(read_dataset(path), tmp_path) == first  # names are no data
    path.write_text(text.replace("[200, 0, 0]", "[200, 0, 7]"))
    assert read_fingerprint(read_dataset(path), tmp_path) != first
    path.write_text(text.replace("ignore = [[255, 255, 255]]", "ignore = []"))
    assert read_fingerprint(read_dataset(path), tmp_path) != first
