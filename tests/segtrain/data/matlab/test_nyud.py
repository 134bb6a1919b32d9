"""NYUDv2: the modalities and what their channels hold, 40 classes and void, and broken files by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segtrain.data.cache import open_cache, read_fingerprint
from segtrain.data.matlab.nyud import NYUD, ROOMS, log_depth
from segtrain.data.spec import IGNORE, SPLITS, DataError
from segtrain.synthetic import write_rooms

HEIGHT, WIDTH = 33, 47


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six rooms of random pixels in the reference's layout; labels 0 to 40."""
    rng, folder = np.random.default_rng(0), tmp_path / "nyud"
    for name in ("data/images", "data/depth", "data/hha", "segmentation"):
        (folder / name).mkdir(parents=True)
    for number in range(5001, 5025):
        for kind in ("images", "hha"):
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "data" / kind / f"img_{number}.png")
        depth = rng.integers(500, 9000, (HEIGHT, WIDTH), dtype=np.uint16)
        Image.fromarray(depth).save(folder / "data" / "depth" / f"img_{number}.png")
        labels = rng.integers(0, 41, (HEIGHT, WIDTH), dtype=np.uint8)
        savemat(folder / "segmentation" / f"img_{number}.mat", {"segmentation": labels})
    (folder / "trainval.txt").write_text("".join(f"{number}\n" for number in range(5001, 5021)))
    (folder / "test.txt").write_text("".join(f"{number}\n" for number in range(5021, 5025)))
    return tmp_path


def first_test(root: Path, name: str) -> np.ndarray:
    return np.array(open_cache(NYUD[name], root, HEIGHT, WIDTH).splits["test"].images[0])  # type: ignore[index]


def file(root: Path, kind: str) -> np.ndarray:
    return np.asarray(Image.open(root / "nyud" / "data" / kind / "img_5021.png"))


def test_the_split_is_the_same_on_every_machine(root: Path) -> None:
    pairs = NYUD["nyud"].list_pairs(root)
    assert [len(pairs[split]) for split in SPLITS] == [18, 2, 4]
    assert [pair.image.stem for pair in pairs["val"]] == ["img_5003", "img_5019"]
    for dataset in NYUD.values():
        found = dataset.list_pairs(root)
        assert [[pair.mask for pair in found[split]] for split in SPLITS] == [
            [pair.mask for pair in pairs[split]] for split in SPLITS
        ]


def test_labels_become_forty_classes_and_void_is_ignored(root: Path) -> None:
    mask = open_cache(NYUD["nyud_depth"], root, HEIGHT, WIDTH).splits["train"].masks[0]
    assert set(np.unique(mask)) == {*range(40), IGNORE}


def test_the_channels_of_each_modality_are_those_of_its_files(root: Path) -> None:
    rgb, hha = file(root, "images"), file(root, "hha")
    assert np.array_equal(first_test(root, "nyud"), rgb)
    assert np.array_equal(first_test(root, "nyud_hha"), hha)
    assert np.array_equal(first_test(root, "nyud_rgb_hha"), np.concatenate([rgb, hha], axis=2))
    early = first_test(root, "nyud_rgbd")
    assert np.array_equal(early[..., :3], rgb.astype(np.uint16) * 257)
    assert np.array_equal(early[..., 3:], first_test(root, "nyud_depth"))
    assert [dataset.streams for dataset in NYUD.values()] == [(3,), (1,), (3, 1), (3,), (3, 3)]


def test_depth_enters_a_model_as_its_logarithm_less_the_published_mean(root: Path) -> None:
    channels, depth = NYUD["nyud_depth"].channels, file(root, "depth").astype(float)
    stored = first_test(root, "nyud_depth")[..., 0] / channels.most
    assert np.allclose((stored - channels.mean[0]) / channels.std[0], np.log(depth) - 7.844, atol=1e-4)


def test_no_depth_and_the_greatest_are_the_ends_of_the_scale() -> None:
    assert log_depth(np.array([[0, 1, 65535]], dtype=np.uint16)).tolist() == [[0, 0, 65535]]


def test_every_file_of_an_image_is_in_the_fingerprint(root: Path) -> None:
    before = {name: read_fingerprint(dataset, root) for name, dataset in NYUD.items()}
    assert len(set(before.values())) == 5
    path = root / "nyud" / "data" / "hha" / "img_5003.png"
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path)
    changed = {name for name, dataset in NYUD.items() if read_fingerprint(dataset, root) != before[name]}
    assert changed == {"nyud_hha", "nyud_rgb_hha"}


def save_grey(path: Path) -> None:
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path)


def save_smaller(path: Path) -> None:
    Image.fromarray(np.full((HEIGHT, WIDTH - 1), 700, dtype=np.uint16)).save(path)


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def relabel(path: Path) -> None:
    savemat(path, {"segmentation": np.full((HEIGHT, WIDTH), 41)})


@pytest.mark.parametrize(("name", "break_file", "sentence"), [
    ("data/depth/img_5002.png", save_grey, "holds 33 x 47 x 3 of uint8; expected a depth in millimetres, up to 65535"),
    ("data/depth/img_5002.png", save_smaller, "is 46x33 but .+images/img_5002.png, which it belongs to, is 47x33"),
    ("data/depth/img_5002.png", tear, "cannot be read .+"),
    ("segmentation/img_5002.mat", tear, r"cannot be read as a MATLAB file \(.+\)"),
    ("segmentation/img_5002.mat", relabel, r"has label 41 in \d+ pixels?; dataset 'nyud_rgbd' has labels 0, 1, .+"),
])  # fmt: skip
def test_a_broken_file_is_named_with_what_is_wrong(
    root: Path, name: str, break_file: Callable[[Path], None], sentence: str
) -> None:
    path = root / "nyud" / name
    break_file(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {sentence}$"):
        open_cache(NYUD["nyud_rgbd"], root, 32, 32)


def test_a_missing_depth_is_named_and_so_is_an_image_in_both_lists(root: Path) -> None:
    path = root / "nyud" / "data" / "depth" / "img_5007.png"
    path.unlink()
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no such image, wanted by .+img_5007.mat$"):
        NYUD["nyud_rgbd"].list_pairs(root)
    (root / "nyud" / "test.txt").write_text("5003\n5021\n")
    with pytest.raises(DataError, match=r"nyud: 5003 are in both trainval.txt and test.txt; take them out of one$"):
        NYUD["nyud"].list_pairs(root)


def test_the_embedded_rooms_go_through_the_same_loader(tmp_path: Path) -> None:
    write_rooms(tmp_path / "rooms", trainval=37, test=4, height=48, width=64, seed=0)
    seen: set[int] = set()
    for name, dataset in ROOMS.items():
        cache = open_cache(dataset, tmp_path, 48, 64)
        assert cache.splits["train"].images.shape[3] == len(dataset.channels), name
        seen |= {int(label) for split in SPLITS for label in np.unique(cache.splits[split].masks)}
    assert len(seen - {IGNORE}) >= 38
