"""A dataset.toml that is wrong is told so line by line, and can name nothing outside its folder."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segtrain.data.own.description import read_description
from segtrain.data.spec import DataError

WriteDescription = Callable[..., Path]


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read_description(path)
    return tuple(problem.removeprefix(f"{path}: ") for problem in caught.value.problems)


def test_what_the_file_says(tmp_path: Path, write_description: WriteDescription) -> None:
    told = read_description(write_description(tmp_path))
    assert (told.name, told.folder, told.bits, told.seed) == ("mine", tmp_path, 8, 0)
    assert [(one.name, one.label, one.colour) for one in told.classes] == [
        ("class0", 0, (10, 20, 30)), ("class1", 1, (200, 0, 0)), ("class2", 2, (0, 0, 200)),
    ]  # fmt: skip
    assert told.parts == {"train": 0.5, "val": 0.25, "test": 0.25}


def test_the_file_in_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs" / "own-data.md").read_text()
    (tmp_path / "dataset.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    told = read_description(tmp_path / "dataset.toml")
    assert (told.name, told.group, told.ignore, len(told.classes)) == ("mydata", "{group}_*", (255,), 2)


def test_classes_without_a_colour_are_given_different_ones(tmp_path: Path, write_description: WriteDescription) -> None:
    path = write_description(tmp_path)
    path.write_text(re.sub("colour = .*", "", path.read_text()) + "".join(
        f'\n[[classes]]\nname = "more{number}"\nid = {number}' for number in range(100, 200)
    ))  # fmt: skip
    classes = read_description(path).classes
    assert len({one.colour for one in classes}) == len(classes) == 103


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({"images": {"fils": "x"}}, "'fils' is no key of [images]; did you mean files? allowed: files, bits, channels, "
         "names, mean, std"),
        ({"split": {"group": None, "gruop": "{group}_*"}},
         "'gruop' is no key of [split]; did you mean group? allowed: by, train, val, test, seed, group"),
        ({"images": {"bits": 12}}, "[images] bits is 12; allowed: 8 or 16"),
        ({"images": {"channels": 65}}, "[images] channels is 65; allowed: an integer from 1 to 64; 3 for red, green "
                                       "and blue, grey files among them"),
        ({"masks": {"labels": "colors"}}, "[masks] labels is 'colors'; allowed: ids, palette, colours"),
        ({"masks": {"ignore": [70000]}},
         "[masks] ignore holds 70000; allowed: a list, each an integer from 0 to 65535"),
        ({"masks": {"files": None}}, "[masks] files is missing; allowed: a path below the folder of this file, such as "
                                     "\"images/*.png\", with at most one * between two / and up to 8 of them, or a "
                                     "list of such"),
        ({"masks": {"ignore": [2]}}, "id 2 is given twice, in the classes and ignore; give it once"),
        ({"masks": {"files": "masks/*/*.png"}},
         "the files are 'images/*.png' with 1 *, 'masks/*/*.png' with 2 *; images and masks are paired by what each * "
         "stands for: give all as many"),
        ({"split": {"val": 0.3}}, "[split] train, val and test are shares that add up to 1.05; they have to give 1"),
        ({"split": {"by": "lists"}}, "[split] train is 0.5, and by is 'lists'; name a path, or set by = \"shares\""),
        ({"split": {"val": "val.txt"}}, "[split] val is 'val.txt'; allowed: a share between 0 and 1, since by is "
                                        "'shares'"),
        ({"split": {"seed": -1}}, "[split] seed is -1; allowed: an integer from 0"),
        ({"split": {"group": "(a+)+$"}}, "[split] group is '(a+)+$'; allowed: a pattern over the names of the images "
                                         "with {group} once, such as \"{group}_*\""),
    ],
)  # fmt: skip
def test_what_no_file_may_say(
    tmp_path: Path, write_description: WriteDescription, edits: dict[str, Any], sentence: str
) -> None:
    assert problems(write_description(tmp_path, **edits)) == (sentence,)


@pytest.mark.parametrize("files", ["/etc/*.png", "../*.png", "a/../../*.png", "a\\*.png", "", 3, "a*b*.png"])
def test_paths_that_lead_out_and_patterns_that_match_in_several_ways_are_refused(
    tmp_path: Path, write_description: WriteDescription, files: Any
) -> None:
    (problem,) = problems(write_description(tmp_path, images={"files": files}))
    assert problem.startswith(f"[images] files is {files!r}; allowed: a path below the folder of this file, ")
    (problem,) = problems(write_description(tmp_path, split={"by": "lists", "train": "../train.txt"}))
    assert problem.startswith("[split] train is '../train.txt'; allowed: a path below the folder of this file, ")


def test_several_mistakes_are_told_together(tmp_path: Path, write_description: WriteDescription) -> None:
    path = write_description(tmp_path, 'name = "my data"\nclases = []', images={"bits": 1}, masks={"labels": "id"})
    assert problems(path) == (
        "'clases' is no key; did you mean classes? allowed: name, images, masks, split, classes",
        "name is 'my data'; allowed: letters, digits, '.', '_' and '-', up to 64",
        "[images] bits is 1; allowed: 8 or 16",
        "[masks] labels is 'id'; allowed: ids, palette, colours",
    )


def test_classes_are_checked(tmp_path: Path, write_description: WriteDescription) -> None:
    path = write_description(tmp_path)
    whole = path.read_text()
    path.write_text(whole.replace("id = 2", "ids = 2").replace("[10, 20, 30]", "[10, 20]"))
    assert problems(path) == (
        "class 1: colour is [10, 20]; allowed: [red, green, blue], each 0 to 255, where labels is 'ids'",
        "'ids' is no key of class 3; did you mean id? allowed: name, id, colour",
        "class 3: id is missing; allowed: an integer from 0 to 65535, where labels is 'ids'",
    )
    path.write_text(whole.replace("class2", "class1").replace("[200, 0, 0]", "[10, 20, 30]"))
    assert problems(path) == (
        "name class1 is given twice, in the classes; give it once",
        "colour [10, 20, 30] is given twice, in the classes; give it once",
    )
    path.write_text(whole.split("[[classes]]")[0])
    assert problems(path) == ("there are no [[classes]]; give each a name, and an id or a colour",)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dataset.toml"
    (problem,) = problems(path)
    assert problem.startswith("no such file; python -m segtrain data init FOLDER writes ")
    for text in ("name =", "x = " + "[" * 5000, "\xff"):
        path.write_bytes(text.encode("latin-1"))
        (problem,) = problems(path)
        assert problem.startswith("is not valid TOML (")
