"""The embedded streets: what a study relies on, measured on the streets themselves, and how they are written."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segtrain.data.cache import open_cache
from segtrain.data.cityscapes import EMBEDDED_CITIES, LABEL_IDS, STREETS
from segtrain.data.spec import IGNORE
from segtrain.synthetic import write_streets
from segtrain.synthetic.street_scenes import render_street
from segtrain.synthetic.street_scenes.city_looks import STREET, city_look

HEIGHT, WIDTH = 96, 192
CITIES = {"train": {"a": 2, "b": 1, "c": 1, "d": 1}, "val": {"e": 2}}

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def sample() -> tuple[Bytes, Bytes]:
    """60 streets of six cities: images (60, H, W, 3) and label ids (60, H, W)."""
    looks = [city_look(np.random.default_rng([1, city])) for city in range(6)]
    rendered = [render_street(np.random.default_rng([1, i % 6, i]), looks[i % 6], HEIGHT, WIDTH) for i in range(60)]
    return np.stack([image for image, _ in rendered]), np.stack([labels for _, labels in rendered])


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.png"))}


def test_the_same_generator_state_gives_the_same_street() -> None:
    first, again, other = (render_street(np.random.default_rng(s), STREET, HEIGHT, WIDTH) for s in (5, 5, 6))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize(("height", "width"), [(32, 64), (75, 101), (192, 384)])
def test_shapes_and_types_hold_at_any_size(height: int, width: int) -> None:
    image, labels = render_street(np.random.default_rng(0), STREET, height, width)
    assert image.shape == (height, width, 3)
    assert labels.shape == (height, width)
    assert image.dtype == labels.dtype == np.uint8


def test_every_class_is_in_a_quarter_of_the_images(sample: tuple[Bytes, Bytes]) -> None:
    _, labels = sample
    share = {label: (labels == label).any(axis=(1, 2)).mean() for label in LABEL_IDS}
    assert min(share.values()) >= 0.25, share


def test_every_class_has_pixels_enough_to_learn_and_none_has_half(sample: tuple[Bytes, Bytes]) -> None:
    _, labels = sample
    share = {label: (labels == label).mean() for label in LABEL_IDS}
    assert min(share.values()) > 0.002, share
    assert max(share.values()) < 0.5, share


def test_some_regions_have_no_class(sample: tuple[Bytes, Bytes]) -> None:
    """The hood and the rim in every image; static and dynamic things, rails and parking bays in some."""
    _, labels = sample
    ignored = ~np.isin(labels, LABEL_IDS)
    assert set(np.unique(labels[ignored])) == {1, 3, 4, 5, 9, 10}
    assert 0.05 < ignored.mean() < 0.2
    assert (labels[:, -2] == 1).any(axis=1).all()
    for rim in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        assert (rim == 3).all()


def test_colour_alone_does_not_tell_the_classes(sample: tuple[Bytes, Bytes]) -> None:
    """Even the best guess for each of 512 colours, fitted on the very same images, is far from the truth."""
    images, labels = sample
    colour = (images // 32).astype(int) @ np.array([64, 8, 1])
    counts = np.zeros((512, 34), dtype=int)
    np.add.at(counts, (colour, labels), 1)
    guess = counts.argmax(axis=1)[colour]
    iou = [((guess == k) & (labels == k)).sum() / ((guess == k) | (labels == k)).sum() for k in LABEL_IDS]
    assert np.mean(iou) < 0.25


def test_cities_look_different() -> None:
    """The mean colour of two cities lies further apart than that of two halves of one."""

    def colour(city: int, frames: range) -> npt.NDArray[np.float64]:
        look = city_look(np.random.default_rng([1, city]))
        streets = [render_street(np.random.default_rng([1, city, frame]), look, 48, 96)[0] for frame in frames]
        return np.stack(streets).mean(axis=(0, 1, 2))

    halves = [(colour(city, range(12)), colour(city, range(12, 24))) for city in range(4)]
    within = np.mean([np.abs(a - b).max() for a, b in halves])
    between = np.mean([np.abs(a - b).max() for i, (a, _) in enumerate(halves) for b, _ in halves[:i]])
    assert between > 1.5 * within


def test_the_cityscapes_layout_is_written_and_read(tmp_path: Path) -> None:
    write_streets(tmp_path / "streets", CITIES, HEIGHT, WIDTH, seed=7)
    names = sorted(read(tmp_path / "streets"))
    assert len(names) == 14
    assert names[0] == "gtFine/train/a/a_000000_000019_gtFine_labelIds.png"
    assert names[-1] == "leftImg8bit/val/e/e_000001_000019_leftImg8bit.png"
    pairs = STREETS.list_pairs(tmp_path)
    assert len(pairs["test"]) == 2
    assert len({pair.image.parent.name for pair in pairs["val"]}) == 1
    assert len(pairs["train"]) + len(pairs["val"]) == 5
    image, labels = render_street(
        np.random.default_rng([7, 4, 1]), city_look(np.random.default_rng([7, 4])), HEIGHT, WIDTH
    )
    assert np.array_equal(np.asarray(Image.open(pairs["test"][1].image)), image)
    assert np.array_equal(np.asarray(Image.open(pairs["test"][1].mask)), labels)
    masks = open_cache(STREETS, tmp_path, HEIGHT, WIDTH).splits["test"].masks
    assert np.array_equal(masks[1] == IGNORE, ~np.isin(labels, LABEL_IDS))


def test_a_street_depends_on_seed_city_and_frame_alone(tmp_path: Path) -> None:
    write_streets(tmp_path / "first", CITIES, HEIGHT, WIDTH, seed=7)
    np.random.seed(0)  # noqa: NPY002 - the global generator must not matter
    longer = {"train": {**CITIES["train"], "b": 2}, "val": CITIES["val"]}
    write_streets(tmp_path / "longer", longer, HEIGHT, WIDTH, seed=7)
    write_streets(tmp_path / "other", CITIES, HEIGHT, WIDTH, seed=8)
    first, second, other = (read(tmp_path / name) for name in ("first", "longer", "other"))
    assert len(second) == len(first) + 2
    assert first.items() <= second.items()
    assert all(first[name] != other[name] for name in first)


def test_the_embedded_cities_leave_one_to_validate_on() -> None:
    assert len(EMBEDDED_CITIES["train"]) >= 4
    assert not EMBEDDED_CITIES["train"].keys() & EMBEDDED_CITIES["val"].keys()
    assert sum(EMBEDDED_CITIES["train"].values()) == 120
    assert sum(EMBEDDED_CITIES["val"].values()) == 40
