"""What a dataset.toml says, checked. It may be somebody else's: nothing in it is imported or run, and it names no file
outside its own folder."""

import colorsys
import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias, get_args

from segtrain import fields
from segtrain.config import OWN_NAME
from segtrain.data.own.patterns import GROUP, MOST_STARS, Pattern, is_group_pattern
from segtrain.data.spec import IGNORE, SPLITS, DataError, Split
from segtrain.fields import Kind, find_wrong, or_none, shown

Labels = Literal["ids", "palette", "colours"]
SplitBy = Literal["lists", "folders", "shares"]
Colour: TypeAlias = tuple[int, int, int]

MOST_BYTES = 2**20
MOST_CLASSES = IGNORE
MOST_ID = 2**16 - 1
NEAR_ONE = 1e-6


@dataclass(frozen=True)
class Class:
    """`label` is the id, or None where colours say which class it is."""

    name: str
    label: int | None
    colour: Colour


@dataclass(frozen=True)
class Description:
    """A dataset.toml at `path`. `parts` says where each split is from: a list file, a folder's name, or a share of the
    images (beside lists and folders: of those of train). `group` is a pattern over names of files."""

    path: Path
    name: str
    images: tuple[Pattern, ...]
    masks: tuple[Pattern, ...]
    bits: int
    labels: Labels
    ignore: tuple[int, ...] | tuple[Colour, ...]
    classes: tuple[Class, ...]
    split_by: SplitBy
    parts: Mapping[Split, str | float]
    seed: int
    group: str | None

    @property
    def folder(self) -> Path:
        return self.path.parent


def _is_byte(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_ID


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1


def _is_below(value: Any) -> bool:
    """Whether it names something below the folder, and hides nothing."""
    return (
        isinstance(value, str)
        and bool(value.strip("/ "))
        and fields.printable(value) == value
        and not PurePosixPath(value).is_absolute()
        and not any(part.startswith("..") or "\\" in part for part in PurePosixPath(value).parts)
    )


def _is_files(value: Any) -> bool:
    return _is_below(value) and Pattern.fits(value)


COLOUR = Kind(
    "[red, green, blue], each 0 to 255",
    lambda value: isinstance(value, list) and len(value) == 3 and all(map(_is_byte, value)),
)
ID = Kind(f"an integer from 0 to {MOST_ID}", _is_id)
FILES = Kind(
    'a path below the folder of this file, such as "images/*.png", with at most one * between two / and up to '
    f"{MOST_STARS} of them, or a list of such",
    lambda value: _is_files(value) or (isinstance(value, list) and bool(value) and all(map(_is_files, value))),
)
PART = Kind("a path below the folder of this file, or a share between 0 and 1",
            lambda value: _is_below(value) or _is_share(value))  # fmt: skip
SHARE = Kind("a share between 0 and 1", _is_share)
CLASS_NAME = Kind(
    "a text of 1 to 100 characters", lambda value: isinstance(value, str) and 0 < len(value.strip()) <= 100
)
DATASET_NAME = Kind(
    "letters, digits, '.', '_' and '-', up to 64", lambda v: isinstance(v, str) and bool(re.fullmatch(OWN_NAME, v))
)
GROUP_PATTERN = Kind(f'a pattern over the names of the images with {GROUP} once, such as "{GROUP}_*"', is_group_pattern)
TABLES: dict[str, dict[str, Kind]] = {
    "images": {
        "files": FILES,
        "bits": or_none(Kind("8 or 16", lambda value: type(value) is int and value in (8, 16))),
        "channels": or_none(Kind("3 (grey images count as such; others cannot be trained on yet)",
                                 lambda value: type(value) is int and value == 3)),
    },
    "masks": {"files": FILES, "labels": fields.one_of(*get_args(Labels)), "ignore": or_none(fields.ANY_LIST)},
    "split": {
        "by": fields.one_of(*get_args(SplitBy)),
        **dict.fromkeys(SPLITS, PART),
        "seed": or_none(Kind("an integer from 0", lambda value: type(value) is int and 0 <= value < 2**32)),
        "group": or_none(GROUP_PATTERN),
    },
}  # fmt: skip
CLASS_KEYS = ("name", "id", "colour")


def read_description(path: Path) -> Description:
    """Raises DataError naming every mistake in the file."""
    values = _read_toml(path)
    problems = [f"{path}: {problem}" for problem in _problems(values)]
    if problems:
        raise DataError(*problems)
    images, masks, split = values["images"], values["masks"], values["split"]
    labels = masks["labels"]
    ignore = masks.get("ignore", [])
    return Description(
        path=path.absolute(),
        name=values["name"],
        images=_patterns(images["files"]),
        masks=_patterns(masks["files"]),
        bits=images.get("bits", 8),
        labels=labels,
        ignore=tuple(map(tuple, ignore)) if labels == "colours" else tuple(ignore),
        classes=tuple(_classes(values["classes"], labels)),
        split_by=split["by"],
        parts={part: split[part] for part in SPLITS},
        seed=split.get("seed", 0),
        group=split.get("group"),
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; python -m segtrain data init FOLDER writes a dataset.toml for a folder of "
                "images and masks"
            )
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} has {path.stat().st_size} bytes; a dataset.toml has up to {MOST_BYTES}")
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid TOML ({error})") from None
    cleaned: dict[str, Any] = fields.clean(values)
    return cleaned


def _patterns(files: str | list[str]) -> tuple[Pattern, ...]:
    return tuple(map(Pattern, [files] if isinstance(files, str) else files))


def _problems(values: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(values, ["name", *TABLES, "classes"], "")
    if wrong := find_wrong(values, {"name": DATASET_NAME}):
        yield wrong
    whole = True
    for name, kinds in TABLES.items():
        table = values.get(name)
        if not isinstance(table, dict):
            yield f"there is no table [{name}]; it holds {', '.join(kinds)}"
            whole = False
            continue
        yield from _unknown(table, list(kinds), f" of [{name}]")
        if wrong := find_wrong(table, kinds):
            yield f"[{name}] {wrong}"
            whole = False
    if whole:
        yield from _problems_of_files(values)
        yield from _problems_of_split(values["split"])
        yield from _problems_of_classes(values.get("classes"), values["masks"])


def _unknown(table: Mapping[str, Any], allowed: list[str], where: str) -> Iterator[str]:
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            yield f"{shown(key)} is no key{where}; {hint}allowed: {', '.join(allowed)}"


def _problems_of_files(values: Mapping[str, Any]) -> Iterator[str]:
    patterns = [*_patterns(values["images"]["files"]), *_patterns(values["masks"]["files"])]
    if len({pattern.stars for pattern in patterns}) > 1:
        yield (
            f"the files are {', '.join(f'{pattern.text!r} with {pattern.stars} *' for pattern in patterns)}; images "
            "and masks are paired by what each * stands for: give all as many"
        )
    if 0 in {pattern.stars for pattern in patterns}:
        yield "the files of [images] and [masks] need a *, which stands for what an image and its mask have in common"


def _problems_of_split(split: Mapping[str, Any]) -> Iterator[str]:
    shares = {part: split[part] for part in SPLITS if not isinstance(split[part], str)}
    if split["by"] == "shares":
        if wrong := find_wrong(split, dict.fromkeys(SPLITS, SHARE)):
            yield f"[split] {wrong}, since by is 'shares'"
        elif abs(sum(shares.values()) - 1) > NEAR_ONE:
            yield f"[split] train, val and test are shares that add up to {sum(shares.values()):g}; they have to give 1"
    elif "train" in shares:
        yield f'[split] train is {split["train"]}, and by is {split["by"]!r}; name a path, or set by = "shares"'
    elif sum(shares.values()) >= 1:
        yield f"[split] {' and '.join(shares)} take all images of train; give smaller shares"


def _problems_of_classes(classes: Any, masks: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(classes, list) or not classes or not all(isinstance(one, dict) for one in classes):
        yield "there are no [[classes]]; give each a name, and an id or a colour"
        return
    if len(classes) > MOST_CLASSES:
        yield f"there are {len(classes)} classes; allowed: up to {MOST_CLASSES}"
    by_colour = masks["labels"] == "colours"
    kinds = {"name": CLASS_NAME, "colour": COLOUR if by_colour else or_none(COLOUR)}
    kinds |= {} if by_colour else {"id": ID}
    sound = True
    for number, one in enumerate(classes, start=1):
        yield from _unknown(one, [key for key in CLASS_KEYS if key in kinds], f" of class {number}")
        if wrong := find_wrong(one, kinds):
            yield f"class {number}: {wrong}, where labels is {masks['labels']!r}"
            sound = False
    label, kind = ("colour", COLOUR) if by_colour else ("id", ID)
    ignore = masks.get("ignore", [])
    for value in ignore:
        if not kind.holds(value):
            yield f"[masks] ignore holds {shown(value)}; allowed: a list, each {kind.allowed}"
            sound = False
    if not sound:
        return
    for key in ("name", "colour", "id"):
        given = [str(one[key]) for one in classes if one.get(key) is not None]
        given += [str(value) for value in ignore] if key == label else []
        for twice in dict.fromkeys(value for value in given if given.count(value) > 1):
            yield f"{key} {twice} is given twice, in the classes{' and ignore' * (key == label)}; give it once"


def _classes(classes: list[dict[str, Any]], labels: Labels) -> Iterator[Class]:
    taken = {tuple(one["colour"]) for one in classes if one.get("colour")}
    number = 0
    for one in classes:
        if one.get("colour"):
            red, green, blue = one["colour"]
        else:
            while (spare := _spare_colour(number)) in taken:
                number += 1
            taken.add(spare)
            red, green, blue = spare
        yield Class(one["name"], None if labels == "colours" else one["id"], (red, green, blue))


def _spare_colour(number: int) -> Colour:
    """Of a class that was given none: hues a golden section apart, never twice the same."""
    hue = number * 0.6180339887 % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85 - 0.3 * (number % 3) / 2, 0.95 - 0.35 * (number // 3 % 3) / 2)
    return round(255 * red), round(255 * green), round(255 * blue)
