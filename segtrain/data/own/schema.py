"""What a dataset.toml may hold, key by key, and what is wrong with one."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias, get_args

from segtrain import fields
from segtrain.config import OWN_NAME
from segtrain.data.own.patterns import GROUP, MOST_STARS, Pattern, is_group_pattern
from segtrain.data.spec import IGNORE, SPLITS
from segtrain.fields import Kind, find_wrong, shown

Labels = Literal["ids", "palette", "colours"]
SplitBy = Literal["lists", "folders", "shares"]
Colour: TypeAlias = tuple[int, int, int]

MOST_CLASSES = IGNORE
MOST_ID = 2**16 - 1
NEAR_ONE = 1e-6
MOST_CHANNELS = 64
OF_CHANNELS = ("channels", "names", "mean", "std")


def _is_byte(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_ID


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1


def _is_below(value: Any) -> bool:
    """Whether it names something below the folder."""
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
LEVEL = Kind("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1)
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
        "bits": Kind("8 or 16", lambda value: type(value) is int and value in (8, 16)),
        "channels": Kind(f"an integer from 1 to {MOST_CHANNELS}; 3 for red, green and blue, grey files among them",
                         lambda value: type(value) is int and 1 <= value <= MOST_CHANNELS),
        "names": Kind("a list of texts, one for each channel", fields.list_of(CLASS_NAME).holds),
        "mean": Kind("a list of numbers from 0 to 1, one for each channel", fields.list_of(LEVEL).holds),
        "std": Kind("a list of numbers above 0, up to 1, one for each channel",
                    fields.list_of(Kind("", lambda value: LEVEL.holds(value) and value > 0)).holds),
    },
    "masks": {"files": FILES, "labels": fields.one_of(*get_args(Labels)), "ignore": fields.ANY_LIST},
    "split": {
        "by": fields.one_of(*get_args(SplitBy)),
        **dict.fromkeys(SPLITS, PART),
        "seed": Kind("an integer from 0", lambda value: type(value) is int and 0 <= value < 2**32),
        "group": GROUP_PATTERN,
    },
}  # fmt: skip
OPTIONAL = ("bits", *OF_CHANNELS, "ignore", "seed", "group")
CLASS_KEYS = ("name", "id", "colour")


def patterns_of(files: str | list[str]) -> tuple[Pattern, ...]:
    return tuple(map(Pattern, [files] if isinstance(files, str) else files))


def find_mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each, without the name of the file."""
    yield from _unknown(values, ["name", *TABLES, "classes"], "")
    if wrong := _wrong(values, {"name": DATASET_NAME}, ()):
        yield wrong
    whole = True
    for name, kinds in TABLES.items():
        table = values.get(name)
        if not isinstance(table, dict):
            yield f"there is no table [{name}]; it holds {', '.join(kinds)}"
            whole = False
            continue
        yield from _unknown(table, list(kinds), f" of [{name}]")
        if wrong := _wrong(table, kinds, OPTIONAL):
            yield f"[{name}] {wrong}"
            whole = False
    if whole:
        yield from _problems_of_files(values)
        yield from _problems_of_channels(values["images"])
        yield from _problems_of_split(values["split"])
        yield from _problems_of_classes(values.get("classes"), values["masks"])


def _wrong(table: Mapping[str, Any], kinds: Mapping[str, Kind], optional: Iterable[str]) -> str | None:
    for key in kinds:
        if key not in table and key not in optional:
            return f"{key} is missing; allowed: {kinds[key].allowed}"
    return find_wrong(table, {key: kind for key, kind in kinds.items() if key in table})


def _unknown(table: Mapping[str, Any], allowed: list[str], where: str) -> Iterator[str]:
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            yield f"{shown(key)} is no key{where}; {hint}allowed: {', '.join(allowed)}"


def _problems_of_files(values: Mapping[str, Any]) -> Iterator[str]:
    patterns = [*patterns_of(values["images"]["files"]), *patterns_of(values["masks"]["files"])]
    if len({pattern.stars for pattern in patterns}) > 1:
        yield (
            f"the files are {', '.join(f'{pattern.text!r} with {pattern.stars} *' for pattern in patterns)}; images "
            "and masks are paired by what each * stands for: give all as many"
        )
    if 0 in {pattern.stars for pattern in patterns}:
        yield "the files of [images] and [masks] need a *, which stands for what an image and its mask have in common"


def _problems_of_channels(images: Mapping[str, Any]) -> Iterator[str]:
    count = images.get("channels", 3)
    for key in ("names", "mean", "std"):
        if key in images and len(images[key]) != count:
            yield f"[images] {key} has {len(images[key])} entries and channels is {count}; give one for each channel"


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
    kinds = {"name": CLASS_NAME, "colour": COLOUR}
    kinds |= {} if by_colour else {"id": ID}
    sound = True
    for number, one in enumerate(classes, start=1):
        yield from _unknown(one, [key for key in CLASS_KEYS if key in kinds], f" of class {number}")
        if wrong := _wrong(one, kinds, () if by_colour else ("colour",)):
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
