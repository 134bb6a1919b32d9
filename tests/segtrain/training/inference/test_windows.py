"""Windows cover a picture, agree with each other, and hand out its rows in order."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segtrain.training.inference import windows
from segtrain.training.inference.geometry import starts
from segtrain.training.inference.windows import resized, through_windows


@pytest.mark.parametrize(
    ("length", "window", "found"),
    [(48, 48, [0]), (49, 48, [0, 1]), (72, 48, [0, 24]), (73, 48, [0, 12, 25]), (96, 48, [0, 24, 48])],
)
def test_windows_reach_from_edge_to_edge_and_share_half(length: int, window: int, found: list[int]) -> None:
    assert starts(length, window) == found


@pytest.mark.parametrize("length", range(7, 60))
def test_neighbours_share_at_least_half_whatever_the_length(length: int) -> None:
    found = starts(length, 7)
    assert (found[0], found[-1]) == (0, length - 7)
    assert max(np.diff(found), default=0) <= 4  # half of 7, and what rounding adds


def colours(images: np.ndarray) -> Tensor:
    """A network that sees one pixel at a time: its "probabilities" are the colours."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def test_what_sees_single_pixels_is_the_same_through_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOWS_AT_ONCE", 3)
    image = np.random.default_rng(0).integers(0, 256, (41, 50, 3), dtype=np.uint8)
    rows = list(through_windows(colours, image, 8, 12))
    assert [len(some[0]) for some in rows] == [*np.diff(starts(41, 8)), 8]
    torch.testing.assert_close(torch.cat(rows, dim=1), colours(image[None])[0], rtol=1e-5, atol=1e-3)


def test_a_pixel_is_decided_most_by_the_window_that_has_it_in_its_middle() -> None:
    """Every window says its own number; the mean moves evenly from one to the next."""
    numbers = iter(range(100))

    def numbered(images: np.ndarray) -> Tensor:
        return torch.stack([torch.full((1, *image.shape[:2]), float(next(numbers))) for image in images])

    (row,) = through_windows(numbered, np.zeros((4, 8, 3), dtype=np.uint8), 4, 4)
    # Windows begin at 0, 2 and 4 with weights 1 2 2 1.
    torch.testing.assert_close(row[0, 0], torch.tensor([0, 0, 1 / 3, 2 / 3, 4 / 3, 5 / 3, 2, 2]))


@pytest.mark.parametrize("size", [(7, 9), (31, 50), (64, 3), (12, 16)])
def test_resizing_in_bands_is_that_of_torch(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "BAND_VALUES", 300)
    whole = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0))
    bands = list(resized(whole, *size))
    assert max(band.numel() for band in bands) <= max(300, 3 * size[1])
    wanted = F.interpolate(whole[None], size=size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(torch.cat(bands, dim=1), wanted, rtol=1e-5, atol=1e-6)
