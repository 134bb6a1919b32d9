"""CamVid in the layout of the SegNet tutorial: the lists are the truth, and void is ignored."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain.data.cache import open_cache
from segtrain.data.camvid import CAMVID, LAYOUT
from segtrain.data.spec import IGNORE, DataError

COUNTS = {"train": 3, "val": 2, "test": 1}
HEIGHT, WIDTH = 32, 48


def write_camvid(root: Path, counts: Mapping[str, int] = COUNTS, prefix: str = "/SegNet/CamVid/") -> Path:
    """`counts[split]` pairs of random labels 0..11; the lists carry the path of another machine, as the real ones."""
    rng, folder = np.random.default_rng(0), root / "camvid"
    for split, count in counts.items():
        lines = []
        for frame in range(count):
            image, labels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)), rng.integers(0, 12, (HEIGHT, WIDTH))
            for kind, pixels in ((split, image), (f"{split}annot", labels)):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{frame}.png")
            lines.append(f"{prefix}{split}/{frame}.png {prefix}{split}annot/{frame}.png")
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n\n")
    return folder


@pytest.mark.parametrize("prefix", ["/SegNet/CamVid/", ""])
def test_the_lists_name_the_pairs_whatever_machine_they_were_made_on(tmp_path: Path, prefix: str) -> None:
    folder = write_camvid(tmp_path, prefix=prefix)
    pairs = CAMVID.list_pairs(tmp_path)
    assert {split: len(pairs[split]) for split in pairs} == COUNTS
    assert [(pair.image, pair.mask) for pair in pairs["train"]] == [
        (folder / "train" / f"{frame}.png", folder / "trainannot" / f"{frame}.png") for frame in range(3)
    ]


def test_files_in_no_list_are_left_out(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    (folder / "val.txt").write_text("val/1.png valannot/1.png\n")
    assert [pair.image.name for pair in CAMVID.list_pairs(tmp_path)["val"]] == ["1.png"]


def test_void_is_ignored_and_the_rest_is_as_in_the_file(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    cache = open_cache(CAMVID, tmp_path, HEIGHT, WIDTH)
    labels = np.asarray(Image.open(folder / "testannot" / "0.png"))
    assert (labels == 11).any()
    assert np.array_equal(cache.splits["test"].masks[0], np.where(labels == 11, IGNORE, labels))


def test_eleven_classes_of_distinct_colours() -> None:
    assert len(CAMVID.classes) == len(CAMVID.palette) == len(set(CAMVID.palette)) == 11


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    sentence = (
        f"{tmp_path / 'camvid'} is not a folder; dataset 'camvid' expects {LAYOUT} under the data root: "
        "name the folder that holds it with --data-root"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CAMVID.list_pairs(tmp_path)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    (folder / "val.txt").unlink()
    sentence = f"{folder / 'val.txt'}: no such list; dataset 'camvid' expects {LAYOUT}"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CAMVID.list_pairs(tmp_path)


@pytest.mark.parametrize("line", ["train/0.png", "train/0.png trainannot/0.png 7"])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    folder = write_camvid(tmp_path)
    (folder / "train.txt").write_text(f"train/1.png trainannot/1.png\n\n{line}\n")
    sentence = f"{folder / 'train.txt'}, line 3 is {line!r}; expected an image and a mask, separated by a space"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CAMVID.list_pairs(tmp_path)


def test_an_empty_list_is_named(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    (folder / "test.txt").write_text("\n")
    sentence = f"{folder} has no image and mask pairs for test; dataset 'camvid' expects {LAYOUT}"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        CAMVID.list_pairs(tmp_path)


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    gone = [folder / "train" / "1.png", folder / "testannot" / "0.png"]
    for path in gone:
        path.unlink()
    with pytest.raises(DataError) as caught:
        CAMVID.list_pairs(tmp_path)
    assert caught.value.problems == (
        f"{gone[0]}: no such image, wanted by {folder / 'trainannot' / '1.png'}",
        f"{gone[1]}: no such mask, wanted by {folder / 'test' / '0.png'}",
    )


def test_a_mask_in_colour_is_named(tmp_path: Path) -> None:
    """The original CamVid has its labels as colours; they are no class ids."""
    folder = write_camvid(tmp_path)
    mask = folder / "trainannot" / "1.png"
    Image.open(mask).convert("RGB").save(mask)
    with pytest.raises(DataError, match=f"^{re.escape(str(mask))}: "):
        open_cache(CAMVID, tmp_path, HEIGHT, WIDTH)


def test_the_sequence_of_an_image_is_in_its_name(tmp_path: Path) -> None:
    folder = write_camvid(tmp_path)
    names = ["0001TP_008550.png", "Seq05VD_f00000.png"]
    for name in names:
        for kind in ("test", "testannot"):
            (folder / kind / name).write_bytes((folder / kind / "0.png").read_bytes())
    (folder / "test.txt").write_text("".join(f"test/{name} testannot/{name}\n" for name in names))
    assert [pair.group for pair in CAMVID.list_pairs(tmp_path)["test"]] == ["0001TP", "Seq05VD"]
    splits = open_cache(CAMVID, tmp_path, HEIGHT, WIDTH).splits
    assert splits["test"].groups == ("0001TP", "Seq05VD")
    assert splits["train"].groups == ()  # these names say nothing
