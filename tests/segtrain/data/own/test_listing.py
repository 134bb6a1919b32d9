"""Which pairs of own data are in which split."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from segtrain.data.own.patterns import Pattern, group_of
from segtrain.data.own.shares import draw
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.data.spec import SPLITS, DataError, Pair, Split

WriteOwn = Callable[..., Path]


def pairs_of(path: Path) -> Mapping[Split, list[Pair]]:
    return read_dataset(path).list_pairs(Path("/nowhere"))


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        pairs_of(path)
    return caught.value.problems


def names(path: Path) -> dict[str, list[str]]:
    return {split: [pair.image.stem for pair in pairs] for split, pairs in pairs_of(path).items()}


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_shares_keep_groups_whole(tmp_path: Path, write_own: WriteOwn) -> None:
    pairs = pairs_of(write_own(tmp_path))
    assert {split: len(pairs[split]) for split in SPLITS} == {"train": 6, "val": 3, "test": 3}
    groups = {split: {pair.group for pair in pairs[split]} for split in SPLITS}
    assert sorted(group for found in groups.values() for group in found if group) == ["a", "b", "c", "d"]
    for split in SPLITS:
        for pair in pairs[split]:
            assert pair.image == tmp_path / "images" / pair.mask.name
            assert pair.image.name.startswith(f"{pair.group}_")


def test_shares_are_those_of_the_seed_wherever_the_folder_is(tmp_path: Path, write_own: WriteOwn) -> None:
    found = [names(write_own(tmp_path / str(i), split={"seed": seed})) for i, seed in enumerate([0, 0, 1, 2, 3])]
    assert found[0] == found[1]
    assert any(other != found[0] for other in found[2:])


def test_groups_go_where_images_are_missing() -> None:
    """Worked by hand: whatever the order, the big one goes to train, and no split stays empty."""
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    for seed in range(20):
        drawn = draw({"big": 60, "one": 20, "two": 20}, shares, seed)
        assert sorted(drawn.values()) == ["test", "train", "val"]
    sizes = {str(number): 1 for number in range(1000)}
    drawn = draw(sizes, shares, 0)
    assert {split: list(drawn.values()).count(split) for split in shares} == {"train": 600, "val": 200, "test": 200}
    assert draw(dict(reversed(sizes.items())), shares, 0) == drawn


def test_too_few_groups_are_told(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, images={"files": "images/a*.png"}, masks={"files": "masks/a*.png"})
    (problem,) = problems(path)
    assert problem == (
        f"{path}: no image and mask pairs for val, test; 3 images, 3 masks and 3 pairs fit the files of [images] and "
        "[masks], in 1 groups"
    )


def test_files_without_a_partner_are_all_named(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    (tmp_path / "images" / "a_0.png").unlink()
    (tmp_path / "masks" / "d_2.png").unlink()
    touch(tmp_path, "images/.hidden.png", "images/notes.txt")
    assert problems(path) == (
        f"{tmp_path / 'images' / 'd_2.png'}: image without a mask",
        f"{tmp_path / 'masks' / 'a_0.png'}: mask without an image",
    )


def test_a_file_without_a_group_is_named(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    for kind in ("images", "masks"):
        (tmp_path / kind / "a_0.png").rename(tmp_path / kind / "a0.png")
    assert problems(path) == (
        f"{tmp_path / 'images' / 'a0.png'}: has no group, since group is '{{group}}_*'; correct the pattern or rename "
        "the file",
    )


LISTS: dict[str, Any] = {"by": "lists", "train": "train.txt", "val": "val.txt", "test": "test.txt"}


def test_lists_say_what_there_is_and_in_which_order(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, split=LISTS)
    (tmp_path / "masks" / "d_2.png").unlink()  # in no list
    (tmp_path / "train.txt").write_text("images/c_1.png masks/c_1.png\n\na_2\na_0.png\n")
    (tmp_path / "val.txt").write_text("b_1\n")
    (tmp_path / "test.txt").write_text("d_0\nd_1\n")
    assert names(path) == {"train": ["c_1", "a_2", "a_0"], "val": ["b_1"], "test": ["d_0", "d_1"]}
    assert [pair.group for pair in pairs_of(path)["train"]] == ["c", "a", "a"]


def test_a_part_of_train_may_be_held_out(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, split={**LISTS, "val": 0.3})
    (tmp_path / "train.txt").write_text("".join(f"{drive}_{frame}\n" for drive in "abc" for frame in range(3)))
    (tmp_path / "test.txt").write_text("d_0\n")
    pairs = pairs_of(path)
    assert {split: len(pairs[split]) for split in SPLITS} == {"train": 6, "val": 3, "test": 1}
    assert len({pair.group for pair in pairs["val"]}) == 1
    assert not {pair.group for pair in pairs["val"]} & {pair.group for pair in pairs["train"]}


def test_what_is_wrong_with_lists_is_told_line_by_line(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, split=LISTS)
    (tmp_path / "masks" / "d_2.png").unlink()
    train = tmp_path / "train.txt"
    train.write_text("a_0\n/etc/passwd\na_0\nd_2\nimages/a_1.png masks/a_2.png\n")
    assert problems(path) == (
        f"{train}, line 2: '/etc/passwd' names no image that fits the files of [images]",
        f"{train}, line 3: 'a_0' was listed in line 1; list every image once",
        f"{train}, line 4: {tmp_path / 'images' / 'd_2.png'} has no mask that fits the files of [masks]",
        f"{train}, line 5: 'masks/a_2.png' is not the mask that [masks] pairs with it, "
        f"{tmp_path / 'masks' / 'a_1.png'}",
    )
    train.write_text("a_0\n")
    (tmp_path / "val.txt").write_text("a_0\n")
    (tmp_path / "test.txt").write_text("b_0\n")
    assert problems(path) == (f"{path}: {tmp_path / 'images' / 'a_0.png'} is in train and in val; take it out of one",)
    (tmp_path / "test.txt").unlink()
    assert problems(path) == (f"{tmp_path / 'test.txt'}: no such list; {path} names it in [split]",)


def test_folders_are_splits(tmp_path: Path, write_own: WriteOwn) -> None:
    """In the layout of CamVid: the stars stand for the folder and the stem."""
    path = write_own(
        tmp_path, images={"files": "*/*.jpg"}, masks={"files": "*annot/*.png"},
        split={"by": "folders", "train": "train", "val": "val", "test": "test", "group": None},
    )  # fmt: skip
    for split in SPLITS:
        touch(tmp_path, f"{split}/1.jpg", f"{split}annot/1.png")
    touch(tmp_path, "extra/1.jpg", "extraannot/1.png")
    pairs = pairs_of(path)
    assert {split: [(p.image.parent.name, p.mask.parent.name, p.group) for p in pairs[split]] for split in SPLITS} == {
        split: [(split, f"{split}annot", None)] for split in SPLITS
    }


def test_two_images_of_one_name_are_told(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path, images={"files": ["images/*.png", "images/*.jpg"]})
    touch(tmp_path, "images/a_0.jpg")
    assert problems(path) == (
        f"{tmp_path / 'images' / 'a_0.jpg'}: has the same name as {tmp_path / 'images' / 'a_0.png'}; keep one of them",
    )


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("images/*.png", "images/a.b.png", ("a.b",)),
        ("*/*_left.png", "ulm/3_left.png", ("ulm", "3")),
        ("a/**/*.png", "a/b/c/1.png", ("b/c", "1")),
        ("a/**/*.png", "a/1.png", ("", "1")),
        ("im[1]/*?.png", "im[1]/x?.png", ("x",)),
    ],
)
def test_what_stars_stand_for(tmp_path: Path, pattern: str, path: str, found: tuple[str, ...]) -> None:
    touch(tmp_path, path, "other/1.jpg")
    assert list(Pattern(pattern).find(tmp_path)) == [(found, tmp_path / path)]


@pytest.mark.parametrize(
    ("pattern", "name", "group"),
    [
        ("{group}_*", "0001TP_008550.png", "0001TP"),
        ("{group}_*", "a_b_1.png", "a"),
        ("*_{group}_*", "x_p7_1.png", "p7"),
        ("frame-{group}.png", "frame-3.png", "3"),
        ("{group}_*", "a.png", None),
        ("{group}.*", "a+b.png", "a+b"),
    ],
)
def test_groups_are_read_off_names(pattern: str, name: str, group: str | None) -> None:
    assert group_of(pattern, name) == group
