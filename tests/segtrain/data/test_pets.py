"""Oxford-IIIT Pet: the lists are the truth, validation is cut by breed, and trimaps become three classes."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet, oxford_iiit_pet

from segtrain.data.cache import download, open_cache
from segtrain.data.pets import ANIMALS, LAYOUT, PETS
from segtrain.data.spec import SPLITS, DataError

WritePets = Callable[..., Path]
TRAINVAL, TEST = {"beagle": 20, "Birman": 40, "pug": 7}, {"beagle": 3, "Birman": 2}


def names(root: Path) -> dict[str, list[str]]:
    pairs = PETS.list_pairs(root)
    return {split: [pair.image.stem for pair in pairs[split]] for split in SPLITS}


def test_the_splits_are_disjoint_and_whole(tmp_path: Path, write_pets: WritePets) -> None:
    write_pets(tmp_path, TRAINVAL, TEST)
    found = names(tmp_path)
    assert found["test"] == ["beagle_20", "beagle_21", "beagle_22", "Birman_40", "Birman_41"]
    assert len(found["train"]) + len(found["val"]) == 67
    assert len({name for split in found.values() for name in split}) == 72


def test_validation_has_the_same_share_of_every_breed(tmp_path: Path, write_pets: WritePets) -> None:
    write_pets(tmp_path, TRAINVAL, TEST)
    val = Counter(name.split("_")[0] for name in names(tmp_path)["val"])
    assert val == {"beagle": 3, "Birman": 6, "pug": 1}


def test_the_split_is_the_same_on_every_machine(tmp_path: Path, write_pets: WritePets) -> None:
    """Written down: another draw would silently be another dataset of the same name."""
    write_pets(tmp_path, {"beagle": 8, "pug": 14}, {"pug": 1})
    assert names(tmp_path)["val"] == ["beagle_3", "pug_0", "pug_1"]


def test_an_image_more_moves_no_other(tmp_path: Path, write_pets: WritePets) -> None:
    """The draw is by name: what is validated on does not depend on the order of the list nor on its neighbours."""
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    before = set(names(tmp_path)["val"])
    listed = folder / "annotations" / "trainval.txt"
    listed.write_text("\n".join(reversed(listed.read_text().splitlines())))
    assert set(names(tmp_path)["val"]) == before


@pytest.mark.parametrize(("count", "validated"), [(1, 0), (3, 0), (4, 1)])
def test_a_breed_too_small_to_share_is_trained_on(
    tmp_path: Path, write_pets: WritePets, count: int, validated: int
) -> None:
    write_pets(tmp_path, {"beagle": 20, "rare": count}, TEST)
    found = names(tmp_path)
    assert sum(name.startswith("rare") for name in found["val"]) == validated
    assert sum(name.startswith("rare") for name in found["train"]) == count - validated


def test_comments_blank_lines_and_stray_files_are_left_out(tmp_path: Path, write_pets: WritePets) -> None:
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    before = names(tmp_path)
    listed = folder / "annotations" / "trainval.txt"
    listed.write_text("#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n\n" + listed.read_text() + "# end\n")
    (folder / "images" / "stray_1.jpg").write_text("not a picture")
    (folder / "images" / "beagle_1.mat").write_text("")
    (folder / "annotations" / "trimaps" / "._beagle_0.png").write_text("")
    assert names(tmp_path) == before


def test_torchvision_reads_the_same_images(tmp_path: Path, write_pets: WritePets) -> None:
    """Of the lists without comments, which it does not know."""
    write_pets(tmp_path, TRAINVAL, TEST)
    ours = names(tmp_path)
    for part, found in (("trainval", ours["train"] + ours["val"]), ("test", ours["test"])):
        theirs = OxfordIIITPet(tmp_path, part, "segmentation")
        assert sorted(path.stem for path in theirs._images) == sorted(found)


def test_a_trimap_becomes_pet_background_and_border(tmp_path: Path, write_pets: WritePets) -> None:
    write_pets(tmp_path, TRAINVAL, TEST)
    cache = open_cache(PETS, tmp_path, 33, 47)
    trimap = np.asarray(Image.open(PETS.list_pairs(tmp_path)["test"][0].mask))
    assert set(np.unique(trimap)) == {1, 2, 3}
    assert np.array_equal(cache.splits["test"].masks[0], trimap - 1)


@pytest.mark.parametrize("stray", [0, 4, 255])
def test_another_trimap_value_is_named(tmp_path: Path, write_pets: WritePets, stray: int) -> None:
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    path = folder / "annotations" / "trimaps" / "pug_2.png"
    trimap = np.array(Image.open(path))
    trimap[3, 4] = stray
    Image.fromarray(trimap).save(path)
    sentence = f"{path}: has label {stray} in 1 pixel; dataset 'pets' has labels 1, 2, 3"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        open_cache(PETS, tmp_path, 32, 32)


@pytest.mark.parametrize(("mode", "kind"), [
    ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("LA", "PNG"), ("1", "PNG"),
])  # fmt: skip
def test_images_of_all_modes_become_rgb_whatever_their_name_says(
    tmp_path: Path, write_pets: WritePets, mode: str, kind: str
) -> None:
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    ramp = np.linspace(0, 255, 33 * 47).reshape(33, 47).astype(np.uint8)
    grey = Image.fromarray(ramp)
    image = grey.quantize(64) if mode == "P" else grey.convert("RGB" if mode == "CMYK" else "L").convert(mode)
    image.save(folder / "images" / "beagle_20.jpg", format=kind)
    with Image.open(folder / "images" / "beagle_20.jpg") as saved:
        assert saved.mode == mode
    first = open_cache(PETS, tmp_path, 33, 47).splits["test"].images[0].astype(int)
    assert first.shape == (33, 47, 3)
    assert np.abs(first - first[..., :1]).max() <= 3  # it was grey and still is
    assert first[0].mean() < 40 < 215 < first[-1].mean()


def test_every_missing_file_is_named(tmp_path: Path, write_pets: WritePets) -> None:
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    image, trimap = folder / "images" / "beagle_0.jpg", folder / "annotations" / "trimaps" / "Birman_41.png"
    image.unlink()
    trimap.unlink()
    with pytest.raises(DataError) as caught:
        PETS.list_pairs(tmp_path)
    assert caught.value.problems == (
        f"{image}: no such image, wanted by {folder / 'annotations' / 'trimaps' / 'beagle_0.png'}",
        f"{trimap}: no such mask, wanted by {folder / 'images' / 'Birman_41.jpg'}",
    )


def test_a_missing_folder_names_the_ways_on(tmp_path: Path) -> None:
    sentence = (
        f"{tmp_path / 'oxford-iiit-pet'} is not a folder; dataset 'pets' expects {LAYOUT} under the data root: "
        "name the folder that holds it with --data-root, or pass --download to fetch it"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        PETS.list_pairs(tmp_path)


def test_a_missing_list_is_named(tmp_path: Path, write_pets: WritePets) -> None:
    path = write_pets(tmp_path, TRAINVAL, TEST) / "annotations" / "test.txt"
    path.unlink()
    with pytest.raises(
        DataError, match=f"^{re.escape(f'{path}: no such list; dataset {PETS.name!r} expects {LAYOUT}')}$"
    ):
        PETS.list_pairs(tmp_path)


@pytest.mark.parametrize(("line", "sentence"), [
    ("beagle_0 1 2", "line 68 is 'beagle_0 1 2'; expected name, class id, species and breed"),
    ("beagle_0 1 2 1", "line 68: 'beagle_0' was listed before; list every image once"),
])  # fmt: skip
def test_a_line_that_cannot_be_is_named(tmp_path: Path, write_pets: WritePets, line: str, sentence: str) -> None:
    path = write_pets(tmp_path, TRAINVAL, TEST) / "annotations" / "trainval.txt"
    path.write_text(path.read_text() + line)
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}, {sentence}')}$"):
        PETS.list_pairs(tmp_path)


def test_an_image_in_both_lists_is_named(tmp_path: Path, write_pets: WritePets) -> None:
    path = write_pets(tmp_path, TRAINVAL, TEST) / "annotations" / "test.txt"
    path.write_text(path.read_text() + "pug_1 3 2 3\n")
    sentence = (
        f"{path.parent}: 'pug_1' is in both trainval.txt and test.txt; a test image cannot be trained on: "
        "take it out of one"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        PETS.list_pairs(tmp_path)


def test_a_download_that_fails_names_the_ways_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may lean on a connection: the address is one that nobody listens on."""
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", (("http://127.0.0.1:9/images.tar.gz", "0"),))
    with pytest.raises(DataError) as caught:
        download(PETS, tmp_path)
    assert re.fullmatch(
        rf"dataset 'pets' could not be downloaded to {re.escape(str(tmp_path))} \(.*refused.*\); try again with a "
        r"connection, or unpack images\.tar\.gz and annotations\.tar\.gz of https://www\.robots\.ox\.ac\.uk/~vgg/data/"
        rf"pets/ into {re.escape(str(tmp_path / 'oxford-iiit-pet'))}, or use the embedded dataset 'animals'",
        str(caught.value),
    )


def test_what_is_there_is_not_downloaded_again(
    tmp_path: Path, write_pets: WritePets, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pets(tmp_path, TRAINVAL, TEST)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    monkeypatch.setattr(oxford_iiit_pet, "download_and_extract_archive", None)
    download(PETS, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_embedded_animals_go_through_the_same_loader() -> None:
    assert (ANIMALS.classes, ANIMALS.palette, ANIMALS.train_ids) == (PETS.classes, PETS.palette, PETS.train_ids)
    assert ANIMALS.prepare is not None
    assert ANIMALS.download is PETS.prepare is None
