"""What a dataset.toml says, checked. It may be somebody else's: nothing in it is imported or run, and it names no file
outside its own folder."""

import colorsys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segtrain import fields
from segtrain.data.own.patterns import Pattern
from segtrain.data.own.schema import Colour, Labels, SplitBy, find_mistakes, patterns_of
from segtrain.data.spec import RGB, SPLITS, Channels, DataError, Split

MOST_BYTES = 2**20
OTHER_MEAN, OTHER_STD = (round(sum(values) / len(RGB), 3) for values in (RGB.mean, RGB.std))


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
    channels: Channels
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


def read_description(path: Path) -> Description:
    """Raises DataError naming every mistake in the file."""
    values = _read_toml(path)
    problems = [f"{path}: {problem}" for problem in find_mistakes(values)]
    if problems:
        raise DataError(*problems)
    images, masks, split = values["images"], values["masks"], values["split"]
    labels = masks["labels"]
    ignore = masks.get("ignore", [])
    return Description(
        path=path.absolute(),
        name=values["name"],
        images=patterns_of(images["files"]),
        masks=patterns_of(masks["files"]),
        bits=images.get("bits", 8),
        channels=_channels(images),
        labels=labels,
        ignore=tuple(map(tuple, ignore)) if labels == "colours" else tuple(ignore),
        classes=tuple(_classes(values["classes"], labels)),
        split_by=split["by"],
        parts={part: split[part] for part in SPLITS},
        seed=split.get("seed", 0),
        group=split.get("group"),
    )


def _channels(images: Mapping[str, Any]) -> Channels:
    """As said, or else normalised as ImageNet is: by its colours, and other channels by the mean of these. Of images of
    16 bits with three channels the upper 8 are taken (`to_upper_byte`)."""
    count = images.get("channels", len(RGB))
    rgb = count == len(RGB)
    names = RGB.names if rgb else ("grey",) if count == 1 else tuple(f"channel {n + 1}" for n in range(count))
    mean, std = (RGB.mean, RGB.std) if rgb else ((OTHER_MEAN,) * count, (OTHER_STD,) * count)
    return Channels(
        names=tuple(images.get("names", names)),
        mean=tuple(images.get("mean", mean)),
        std=tuple(images.get("std", std)),
        bits=8 if rgb else images.get("bits", 8),
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
