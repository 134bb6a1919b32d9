"""The embedded animals: what a study relies on, measured on the animals themselves, and how they are written."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segtrain.data.pets import ANIMALS
from segtrain.synthetic import write_animals
from segtrain.synthetic.animal_portraits import BACKGROUND, BORDER, PET, render_animal
from segtrain.synthetic.animal_portraits.breeds import BREEDS

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def sample() -> tuple[Bytes, Bytes]:
    """60 animals, ten of each breed: images (60, 96, 112, 3) and trimaps (60, 96, 112)."""
    rendered = [
        render_animal(np.random.default_rng([1, index]), BREEDS[index % len(BREEDS)], 96, 112) for index in range(60)
    ]
    return np.stack([image for image, _ in rendered]), np.stack([trimap for _, trimap in rendered])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with embedded animals: 6 of each breed to train and validate, 2 to test."""
    root = tmp_path_factory.mktemp("data")
    write_animals(root / "animals", 6, 2, seed=0)
    return root


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_same_generator_state_gives_the_same_animal() -> None:
    first, again, other = (render_animal(np.random.default_rng(seed), BREEDS[0], 96, 101) for seed in (5, 5, 6))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (75, 101), (192, 129)])
def test_shapes_and_types_hold_at_any_size(height: int, width: int) -> None:
    image, trimap = render_animal(np.random.default_rng(0), BREEDS[4], height, width)
    assert image.shape == (height, width, 3)
    assert trimap.shape == (height, width)
    assert image.dtype == trimap.dtype == np.uint8


def test_every_image_has_all_three_classes_and_enough_of_each(sample: tuple[Bytes, Bytes]) -> None:
    _, trimaps = sample
    assert set(np.unique(trimaps)) == {PET, BACKGROUND, BORDER}
    assert all(len(np.unique(trimap)) == 3 for trimap in trimaps)
    share = np.bincount(trimaps.ravel())[1:] / trimaps.size
    assert 0.15 < share[0] < 0.4
    assert 0.45 < share[1] < 0.8
    assert 0.06 < share[2] < 0.16


def test_the_border_lies_between_the_pet_and_the_background(sample: tuple[Bytes, Bytes]) -> None:
    _, trimaps = sample
    for axis in (1, 2):
        steps = np.abs(np.diff(trimaps.astype(int), axis=axis))
        a = np.take(trimaps, range(trimaps.shape[axis] - 1), axis=axis)
        b = np.take(trimaps, range(1, trimaps.shape[axis]), axis=axis)
        assert not ((a == PET) & (b == BACKGROUND)).any()
        assert not ((a == BACKGROUND) & (b == PET)).any()
        assert steps.any()


def test_animals_differ_in_place_size_and_shape(sample: tuple[Bytes, Bytes]) -> None:
    """Were they all alike, the mean outline would be as sharp as each, and the best constant guess good."""
    pets = sample[1] == PET
    share = pets.mean(axis=(1, 2))
    assert share.std() > 0.05
    guess = pets.mean(axis=0) > 0.5
    union = (pets | guess).sum()
    assert (pets & guess).sum() / union < 0.45


def test_animals_look_to_both_sides(sample: tuple[Bytes, Bytes]) -> None:
    """What is topmost, mostly an ear, is right of the middle as often as left."""
    to_the_right = []
    for pet in sample[1] == PET:
        rows, columns = np.nonzero(pet)
        to_the_right.append(columns[rows <= rows.min() + 3].mean() > columns.mean())
    assert 0.3 < np.mean(to_the_right) < 0.7


def test_colour_alone_does_not_tell_the_pet(sample: tuple[Bytes, Bytes]) -> None:
    """Even the best guess for each of 512 colours, fitted on the very same images, is far from the truth."""
    images, trimaps = sample
    colour = (images // 32).astype(int) @ np.array([64, 8, 1])
    counts = np.zeros((512, 4), dtype=int)
    np.add.at(counts, (colour, trimaps), 1)
    guess = counts.argmax(axis=1)[colour]
    assert ((guess == PET) & (trimaps == PET)).sum() / ((guess == PET) | (trimaps == PET)).sum() < 0.28


def test_a_breed_is_told_from_the_next() -> None:
    """By the mean colour of the pet, over ten of each."""
    means = []
    for breed in BREEDS:
        pixels = [render_animal(np.random.default_rng([2, index]), breed, 96, 96) for index in range(10)]
        means.append(np.concatenate([image[trimap == PET] for image, trimap in pixels]).mean(axis=0))
    gaps = [np.abs(a - b).max() for i, a in enumerate(means) for b in means[:i]]
    assert min(gaps) > 4


def test_the_pets_layout_is_written_and_read(written: Path) -> None:
    folder = written / "animals" / "oxford-iiit-pet"
    pairs = ANIMALS.list_pairs(written)
    assert {split: len(pairs[split]) for split in pairs} == {"train": 30, "val": 6, "test": 12}
    assert (folder / "annotations" / "test.txt").read_text().splitlines()[:3] == [
        "#Image CLASS-ID SPECIES BREED ID", "Ashcoat_7 1 1 1", "Ashcoat_8 1 1 1",
    ]  # fmt: skip
    assert (folder / "annotations" / "trainval.txt").read_text().splitlines()[-1] == "stub_terrier_6 6 2 3"
    sizes = set()
    for pair in [pair for split in pairs.values() for pair in split]:
        with Image.open(pair.image) as image, Image.open(pair.mask) as mask:
            assert (image.format, image.mode, mask.mode) == ("JPEG", "RGB", "L")
            assert image.size == mask.size
            assert all(96 <= side <= 128 for side in image.size)
            sizes.add(image.size)
    assert len(sizes) > 40
    assert any(width % 2 and height % 2 for width, height in sizes)


def test_an_animal_depends_on_seed_and_index_alone(written: Path, tmp_path: Path) -> None:
    np.random.seed(0)  # noqa: NPY002 - the global generator must not matter
    write_animals(tmp_path / "again", 6, 2, seed=0)
    assert read(tmp_path / "again") == read(written / "animals")
    write_animals(tmp_path / "other", 6, 2, seed=1)
    name = "oxford-iiit-pet/images/Ashcoat_1.jpg"
    assert read(tmp_path / "other")[name] != read(written / "animals")[name]
