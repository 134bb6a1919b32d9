"""The embedded objects: what a study relies on, measured on the pictures themselves, and how they are written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.synthetic import voc_colour, write_objects
from segtrain.synthetic.object_photos import VOID, render_objects, with_void
from segtrain.synthetic.object_photos.silhouettes import KINDS


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("label", range(1, len(KINDS) + 1))
def test_each_kind_stands_in_front_and_can_be_told_from_what_is_behind_it(label: int) -> None:
    shares, contrasts = [], []
    for index in range(6):
        image, labels = render_objects(np.random.default_rng([label, index]), 96, 112, label)
        assert image.shape == (96, 112, 3)
        assert image.dtype == labels.dtype == np.uint8
        inside = labels == label
        shares.append(inside.mean())
        contrasts.append(np.abs(image[inside].mean(0) - image[labels == 0].mean(0)).max())
    assert 0.01 < np.mean(shares) < 0.5
    assert np.mean(contrasts) > 15


def test_the_void_lies_between_two_labels_and_nowhere_else() -> None:
    labels = np.zeros((9, 9), dtype=np.uint8)
    labels[:, 5:] = 3
    voided = with_void(labels)
    assert set(voided[4].tolist()) == {0, VOID, 3}
    assert (voided[:, 4:6] == VOID).all()
    assert (np.delete(voided, (4, 5), axis=1) == np.delete(labels, (4, 5), axis=1)).all()


def test_files_depend_on_seed_and_index_alone(tmp_path: Path) -> None:
    """The matrices too, whose writer would put the date into each."""
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_objects(tmp_path / name, 2011, sbd=8, voc=6, seed=seed)
    first, again, other = (read(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first.keys() == other.keys()
    assert not any(b"Created" in content for name, content in first.items() if name.endswith(".mat"))
    name = "benchmark_RELEASE/dataset/cls/2008_000002.mat"
    assert first[name] != other[name]


def test_masks_have_vocs_palette(tmp_path: Path) -> None:
    write_objects(tmp_path / "objects", 2011, sbd=3, voc=3, seed=0)
    path = next(tmp_path.rglob("SegmentationClass/*.png"))
    with Image.open(path) as mask:
        assert mask.mode == "P"
        palette = mask.getpalette()
    assert palette is not None
    assert palette[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
    assert palette[-3:] == list(voc_colour(255)) == [224, 224, 192]
