"""PASCAL VOC with SBD's annotations: the paper's rule for its lists, both kinds of masks, and broken files by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from segtrain.data.cache import open_cache
from segtrain.data.matlab.voc import OBJECTS, OBJECTS_SOURCE, VOC, VOC2012, read_labels
from segtrain.data.pair_files import read_pair
from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset

WriteVoc = Callable[..., Path]
SBD = [f"2008_{number:06d}" for number in range(20)]
ONLY_VOC = ["2007_000033", "2011_000001"]


def names(root: Path) -> dict[str, list[str]]:
    pairs = VOC.list_pairs(root)
    return {split: [pair.image.stem for pair in pairs[split]] for split in SPLITS}


@pytest.fixture
def root(tmp_path: Path, write_voc: WriteVoc) -> Path:
    return write_voc(tmp_path, SBD, [ONLY_VOC[0], SBD[3], ONLY_VOC[1], SBD[8]])


def test_the_test_set_is_what_voc_validates_on_and_sbd_does_not_train_on(root: Path) -> None:
    found = names(root)
    assert found["test"] == ONLY_VOC
    assert sorted(found["train"] + found["val"]) == SBD
    assert len(found["val"]) == 2


def test_the_split_is_the_same_on_every_machine(root: Path) -> None:
    """Written down: another draw would silently be another dataset of the same name."""
    assert names(root)["val"] == ["2008_000002", "2008_000003"]


def test_an_sbd_annotation_is_its_segmentation(root: Path) -> None:
    pair = VOC.list_pairs(root)["train"][0]
    _, labels, *_ = read_pair(VOC, pair)
    assert np.array_equal(labels, loadmat(pair.mask)["GTcls"][0, 0]["Segmentation"])
    assert labels.max() == 20


def test_a_voc_mask_is_the_index_in_its_palette_and_its_border_is_ignored(root: Path) -> None:
    cache = open_cache(VOC, root, 33, 47)
    index = np.asarray(Image.open(VOC.list_pairs(root)["test"][1].mask))
    assert np.array_equal(cache.splits["test"].masks[1], index)
    assert (index == IGNORE).any()


def test_the_colours_are_those_of_the_devkit() -> None:
    assert VOC.palette[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert (VOC.palette[15], VOC.palette[20]) == ((192, 128, 128), (0, 64, 128))


def test_voc2012_reads_its_own_folder(tmp_path: Path, write_voc: WriteVoc) -> None:
    write_voc(tmp_path, SBD, ONLY_VOC, year=2012)
    assert [pair.image.stem for pair in VOC2012.list_pairs(tmp_path)["test"]] == ONLY_VOC
    with pytest.raises(DataError, match=r"VOC2011 is not a folder; dataset 'voc' expects VOCdevkit/VOC2011/\{JPEG"):
        VOC.list_pairs(tmp_path)


def write_text(path: Path) -> None:
    path.write_text("no matrix")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def rename(path: Path) -> None:
    savemat(path, {"GTinst": np.zeros((33, 47))})


def flatten(path: Path) -> None:
    savemat(path, {"GTcls": np.zeros((33, 47))})


def halve(path: Path) -> None:
    savemat(path, {"GTcls": {"Segmentation": np.full((33, 47), 0.5)}})


def add_label(path: Path) -> None:
    savemat(path, {"GTcls": {"Segmentation": np.full((33, 47), 21, dtype=np.uint8)}})


def shrink(path: Path) -> None:
    savemat(path, {"GTcls": {"Segmentation": np.zeros((33, 46), dtype=np.uint8)}})


@pytest.mark.parametrize(("break_file", "sentence"), [
    (write_text, r"cannot be read as a MATLAB file \(.+\)"),
    (cut, r"cannot be read as a MATLAB file \(.+\)"),
    (rename, "holds no variable 'GTcls' but GTinst"),
    (flatten, "holds a 'GTcls' of another structure than it is published in"),
    (halve, "holds in 'GTcls' 33 x 47 of float64; expected a matrix of whole numbers"),
    (add_label, r"has label 21 in \d+ pixels?; dataset 'voc' has labels 0, 1, .*"),
    (shrink, "is 46x33 but its image .+ is 47x33"),
])  # fmt: skip
def test_a_broken_annotation_is_named_with_what_is_wrong(
    root: Path, break_file: Callable[[Path], None], sentence: str
) -> None:
    path = root / "benchmark_RELEASE" / "dataset" / "cls" / f"{SBD[4]}.mat"
    break_file(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {sentence}$"):
        open_cache(VOC, root, 32, 32)


def test_a_mask_without_its_palette_is_named(root: Path) -> None:
    path = VOC.list_pairs(root)["test"][0].mask
    Image.fromarray(np.zeros((33, 47), dtype=np.uint8)).save(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: has no palette"):
        open_cache(VOC, root, 32, 32)


@pytest.mark.parametrize(
    "name", ["benchmark_RELEASE/dataset/train.txt", "VOCdevkit/VOC2011/ImageSets/Segmentation/val.txt"]
)
def test_a_missing_list_and_a_name_listed_twice_are_told(root: Path, name: str) -> None:
    path = root / name
    first = path.read_text().split()[0]
    path.write_text(f"{path.read_text()}\n{first}\n")
    with pytest.raises(
        DataError, match=rf"^{re.escape(str(path))}, line \d+: '{first}' was listed in line 1; list every"
    ):
        VOC.list_pairs(root)
    path.unlink()
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no such list; dataset 'voc' expects VOCdevkit"):
        VOC.list_pairs(root)


def test_a_listed_image_without_its_file_is_named(root: Path) -> None:
    path = root / "benchmark_RELEASE" / "dataset" / "img" / f"{SBD[2]}.jpg"
    path.unlink()
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no such image, wanted by .+{SBD[2]}.mat$"):
        VOC.list_pairs(root)


@pytest.mark.parametrize(("objects", "counts"), [(OBJECTS, [234, 26, 60]), (OBJECTS_SOURCE, [540, 60, 60])])
def test_the_embedded_objects_go_through_the_same_loader(objects: Dataset, counts: list[int], tmp_path: Path) -> None:
    assert objects.prepare is not None
    objects.prepare(tmp_path)
    pairs = objects.list_pairs(tmp_path)
    assert [len(pairs[split]) for split in SPLITS] == counts
    seen = {label for split in SPLITS for pair in pairs[split] for label in np.unique(read_labels(pair.mask)).tolist()}
    assert seen == {*range(21), IGNORE}
