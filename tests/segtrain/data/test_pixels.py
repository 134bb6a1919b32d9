"""Images of any channels: out of files of every kind, at other sizes, and as pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from segtrain.data.pixels import picture, read_channels, resize
from segtrain.data.spec import DataError

RNG = np.random.default_rng(0)
WIDE = RNG.integers(0, 2**16, (9, 13, 4), dtype=np.uint16)


@pytest.mark.parametrize(("planar", "compression"), [
    ("contig", None), ("separate", None), ("contig", "zlib"), ("separate", "zlib"),
])  # fmt: skip
def test_a_tiff_of_four_channels_is_read_to_the_last_bit(tmp_path: Path, planar: str, compression: str | None) -> None:
    stored = WIDE if planar == "contig" else np.moveaxis(WIDE, 2, 0)
    path = tmp_path / "a.tif"
    imwrite(path, stored, photometric="minisblack", planarconfig=planar, compression=compression)
    assert np.array_equal(read_channels(path), WIDE)


def test_a_channel_a_page_is_read_in_the_order_of_the_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    imwrite(path, np.moveaxis(WIDE, 2, 0), photometric="minisblack")
    assert np.array_equal(read_channels(path), WIDE)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("P", 3), ("1", 1)])
def test_other_files_have_the_channels_that_they_have(tmp_path: Path, mode: str, channels: int) -> None:
    Image.fromarray(WIDE[..., 0].astype(np.uint8)).convert(mode).save(tmp_path / "a.png")
    found = read_channels(tmp_path / "a.png")
    assert (found.shape, found.dtype) == ((9, 13, channels), np.uint8)


def test_a_grey_png_of_sixteen_bits_keeps_them(tmp_path: Path) -> None:
    Image.fromarray(WIDE[..., 0]).save(tmp_path / "a.png")
    assert np.array_equal(read_channels(tmp_path / "a.png"), WIDE[..., :1])


def test_a_torn_tiff_and_one_of_floats_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    imwrite(path, WIDE.astype(np.float32), photometric="minisblack", planarconfig="contig")
    sentence = r"^holds 9 x 13 x 4 of float32 \(axes YXS\); expected one image of 8 or 16 bits a channel$"
    with pytest.raises(DataError, match=sentence):
        read_channels(path)
    for content in (b"", b"II*\0 and no more", path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"^cannot be read"):
            read_channels(path)


def test_three_bytes_are_resized_as_pillow_resizes_rgb() -> None:
    image = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((7, 20), Image.Resampling.BILINEAR))
    assert np.array_equal(resize(image, 20, 7), expected)


def test_every_channel_is_resized_for_itself() -> None:
    image = RNG.integers(0, 256, (9, 13, 5), dtype=np.uint8)
    together = resize(image, 6, 20)
    assert together.shape == (6, 20, 5)
    assert all(np.array_equal(together[..., [c]], resize(image[..., [c]], 6, 20)) for c in range(5))


def test_sixteen_bits_are_resized_without_losing_any() -> None:
    assert np.array_equal(resize(WIDE, 9, 13), WIDE)
    ramp = np.arange(60000, 60064, dtype=np.uint16).reshape(8, 8, 1)
    halved = resize(ramp, 4, 4).astype(int)
    assert abs(halved.mean() - ramp.mean()) < 1
    assert len(np.unique(halved)) == 16


def test_a_picture_has_the_first_three_channels_or_the_first_as_grey() -> None:
    image = RNG.integers(0, 256, (9, 13, 4), dtype=np.uint8)
    assert np.array_equal(np.asarray(picture(image)), image[..., :3])
    assert np.array_equal(np.asarray(picture(image[..., :2])), image[..., 0])


def test_a_picture_of_sixteen_bits_goes_from_its_darkest_to_its_brightest() -> None:
    shown = np.asarray(picture(np.linspace(900, 1100, 12, dtype=np.uint16).reshape(3, 4, 1)))
    assert (shown.min(), shown.max()) == (0, 255)
    assert not np.asarray(picture(np.full((3, 4, 1), 7, dtype=np.uint16))).any()
