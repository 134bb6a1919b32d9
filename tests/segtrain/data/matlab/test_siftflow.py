"""SIFT Flow: two tasks of one image, labels that are none, and broken files by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from segtrain.data.cache import open_cache, read_fingerprint
from segtrain.data.matlab.siftflow import OUTDOORS, SCENES, SIFTFLOW
from segtrain.data.spec import IGNORE, SPLITS, DataError
from segtrain.synthetic import write_outdoors

SIDE = 40
NAMES = [f"coast_natu{number}" for number in range(100, 124)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twenty-four views of random pixels in the published layout; labels 0 to 33, and -1 to 3."""
    rng, folder = np.random.default_rng(0), tmp_path / "SiftFlow"
    for name in ("Images", "SemanticLabels", "GeoLabels"):
        (folder / name / SCENES).mkdir(parents=True)
    for name in NAMES:
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "Images" / SCENES / f"{name}.jpg")
        semantic = rng.integers(0, 34, (SIDE, SIDE), dtype=np.uint8)
        savemat(folder / "SemanticLabels" / SCENES / f"{name}.mat", {"S": semantic, "names": "of classes"})
        geometric = rng.integers(-1, 4, (SIDE, SIDE), dtype=np.int16)
        savemat(folder / "GeoLabels" / SCENES / f"{name}.mat", {"S": geometric})
    (folder / "trainval.txt").write_text("".join(f"{name}\n" for name in NAMES[:20]))
    (folder / "test.txt").write_text("".join(f"{name}\n" for name in NAMES[20:]))
    return tmp_path


def labels(root: Path, kind: str, name: str) -> np.ndarray:
    return loadmat(root / "SiftFlow" / kind / SCENES / f"{name}.mat")["S"].astype(int)


def test_both_masks_of_an_image_become_train_ids_and_none_is_ignored(root: Path) -> None:
    test = open_cache(SIFTFLOW["siftflow"], root, SIDE, SIDE).splits["test"]
    semantic, geometric = labels(root, "SemanticLabels", NAMES[20]), labels(root, "GeoLabels", NAMES[20])
    assert np.array_equal(test.masks[0], np.where(semantic == 0, IGNORE, semantic - 1))
    (further,) = test.further
    assert np.array_equal(further[0], np.where(geometric < 1, IGNORE, geometric - 1))
    assert (SIFTFLOW["siftflow"].outputs, SIFTFLOW["siftflow"].task) == ((33, 3), "semantic")


def test_one_task_alone_has_its_own_mask_and_no_other(root: Path) -> None:
    both = open_cache(SIFTFLOW["siftflow"], root, SIDE, SIDE).splits["train"]
    for task, masks in (("semantic", both.masks), ("geometric", both.further[0])):
        alone = open_cache(SIFTFLOW[f"siftflow_{task}"], root, SIDE, SIDE).splits["train"]  # type: ignore[index]
        assert np.array_equal(alone.masks, masks)
        assert alone.further == ()


def test_the_split_is_the_same_on_every_machine_and_of_each_task(root: Path) -> None:
    pairs = SIFTFLOW["siftflow"].list_pairs(root)
    assert [len(pairs[split]) for split in SPLITS] == [18, 2, 4]
    for dataset in SIFTFLOW.values():
        found = dataset.list_pairs(root)
        assert [[p.image for p in found[split]] for split in SPLITS] == [[p.image for p in pairs[s]] for s in SPLITS]


def test_each_mask_is_in_the_fingerprint_of_the_data_that_have_it(root: Path) -> None:
    before = {name: read_fingerprint(dataset, root) for name, dataset in SIFTFLOW.items()}
    assert len(set(before.values())) == 3
    savemat(root / "SiftFlow" / "GeoLabels" / SCENES / f"{NAMES[3]}.mat", {"S": np.ones((SIDE, SIDE))})
    changed = {name for name, dataset in SIFTFLOW.items() if read_fingerprint(dataset, root) != before[name]}
    assert changed == {"siftflow", "siftflow_geometric"}


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def relabel(path: Path) -> None:
    savemat(path, {"S": np.full((SIDE, SIDE), 4)})


def rename(path: Path) -> None:
    savemat(path, {"L": np.ones((SIDE, SIDE))})


def shrink(path: Path) -> None:
    savemat(path, {"S": np.ones((SIDE, SIDE - 1))})


@pytest.mark.parametrize(("kind", "break_file", "sentence"), [
    ("GeoLabels", tear, r"cannot be read as a MATLAB file \(.+\)"),
    ("GeoLabels", relabel, "has label 4 in 1600 pixels; dataset 'siftflow' has labels 0, 1, 2, 3"),
    ("GeoLabels", shrink, f"is 39x40 but its image .+{NAMES[2]}.jpg is 40x40"),
    ("SemanticLabels", rename, "holds no variable 'S' but L"),
])  # fmt: skip
def test_a_broken_file_is_named_with_what_is_wrong(
    root: Path, kind: str, break_file: Callable[[Path], None], sentence: str
) -> None:
    path = root / "SiftFlow" / kind / SCENES / f"{NAMES[2]}.mat"
    break_file(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {sentence}$"):
        open_cache(SIFTFLOW["siftflow"], root, SIDE, SIDE)


def test_a_missing_mask_is_named_and_so_are_a_missing_list_and_an_image_in_both(root: Path) -> None:
    path = root / "SiftFlow" / "GeoLabels" / SCENES / f"{NAMES[7]}.mat"
    path.unlink()
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no such mask, wanted by .+{NAMES[7]}.jpg$"):
        SIFTFLOW["siftflow"].list_pairs(root)
    SIFTFLOW["siftflow_semantic"].list_pairs(root)
    (root / "SiftFlow" / "test.txt").write_text(f"{NAMES[3]}\n")
    with pytest.raises(DataError, match=f"{NAMES[3]} are in both trainval.txt and test.txt; take them out of one$"):
        SIFTFLOW["siftflow_semantic"].list_pairs(root)
    (root / "SiftFlow" / "test.txt").unlink()
    with pytest.raises(DataError, match=r"test.txt: no such list; dataset 'siftflow' expects SiftFlow/.+"):
        SIFTFLOW["siftflow"].list_pairs(root)


def test_the_embedded_views_go_through_the_same_loader(tmp_path: Path) -> None:
    write_outdoors(tmp_path / "outdoors", trainval=72, test=8, side=48, seed=0)
    cache = open_cache(OUTDOORS["outdoors"], tmp_path, 48, 48)
    seen = {int(label) for split in SPLITS for label in np.unique(cache.splits[split].masks)}
    assert len(seen - {IGNORE}) >= 31
    for split in SPLITS:
        (geometric,) = cache.splits[split].further
        assert np.array_equal(geometric == IGNORE, cache.splits[split].masks == IGNORE)
        assert {0, 1, 2, IGNORE} == {int(label) for label in np.unique(geometric)}
