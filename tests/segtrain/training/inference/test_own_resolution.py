"""Files that keep their resolution: what is seen of them, and where what is said about them ends up."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.spec import RGB
from segtrain.training.inference.geometry import Look, looks_at, views_of
from segtrain.training.inference.own_resolution import at_own_resolution

Tiny = Callable[..., TrialConfig]


def colours(images: np.ndarray) -> Tensor:
    """A network that sees one pixel at a time: its "probabilities" are the colours."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def columns(images: np.ndarray) -> Tensor:
    """A network that says where in its view a pixel is."""
    return torch.arange(images.shape[2]).float().expand(len(images), 1, *images.shape[1:3])


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 48), (40, 100), (20, 30), (20, 100), (70, 30), (1, 1)])
@pytest.mark.parametrize("edits", [{}, {"eval_mode": "whole"}, {"eval_flip": True}])
def test_every_pixel_comes_back_to_its_place(tiny: Tiny, size: tuple[int, int], edits: dict[str, object]) -> None:
    image, seen = picture(*size), set()

    def network(images: np.ndarray) -> Tensor:
        seen.add(images.shape[1:3])
        return colours(images)

    rows = list(at_own_resolution(network, image, tiny(resolution="own", **edits), RGB))
    torch.testing.assert_close(torch.cat(rows, dim=1), colours(image[None])[0], rtol=1e-5, atol=1e-3)
    if "eval_mode" in edits:
        assert len(seen) == 1
        assert all(side % 32 == 0 for side in seen.pop())
    else:
        assert seen == {(32, 48)}


def test_beyond_a_small_file_is_the_mean_colour(tiny: Tiny) -> None:
    def network(images: np.ndarray) -> Tensor:
        assert images[0, 10:].reshape(-1, 3).tolist() == [[124, 116, 104]] * (22 * 48)
        return colours(images)

    (rows,) = at_own_resolution(network, picture(10, 48), tiny(resolution="own"), RGB)
    assert rows.shape == (3, 10, 48)


def test_a_mirror_image_is_mirrored_back(tiny: Tiny) -> None:
    """Column x is said to be at x, and at W - 1 - x by the mirror image."""
    found = torch.cat(
        list(at_own_resolution(columns, picture(32, 48), tiny(resolution="own", eval_flip=True), RGB)), dim=1
    )
    torch.testing.assert_close(found, torch.full((1, 32, 48), 47 / 2))


def test_the_mean_over_scales_by_hand(tiny: Tiny) -> None:
    """Whole images of 32 and 64 columns: the larger says 0.5 more than twice as much at the middle of a pixel."""
    config = tiny(resolution="own", eval_mode="whole", eval_scales="1:2")
    found = torch.cat(list(at_own_resolution(columns, picture(32, 32), config, RGB)), dim=1)
    torch.testing.assert_close(found[0, 7], (torch.arange(32) + 2 * torch.arange(32) + 0.5) / 2)


def test_looks_and_what_they_cost(tiny: Tiny) -> None:
    config = tiny(resolution="own", eval_scales="0.5:1", eval_flip=True)
    assert list(looks_at(config, 64, 96)) == [
        Look(32, 48, False), Look(32, 48, True), Look(64, 96, False), Look(64, 96, True)
    ]  # fmt: skip
    assert views_of(config, 64, 96) == 2 * (1 + 3 * 3)
    assert views_of(tiny(resolution="own", eval_mode="whole"), 60, 96) == 4
    assert views_of(tiny(), 640, 960) == 1
