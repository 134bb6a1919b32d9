"""Which files of a folder are images, which are their masks, and the patterns that say so."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, takewhile
from pathlib import Path

import numpy as np
from PIL import Image

from segtrain.data.own.patterns import Pattern
from segtrain.data.spec import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
LOSSY = (".jpg", ".jpeg")
SAMPLES = 4
MOST_COLOURS = 64
"""A picture with more is no mask."""
MOST_CANDIDATES = 40
MASK_WORDS = re.compile("mask|label|annot|seg|gt|truth|trimap", re.IGNORECASE)
_TAIL = re.compile(rf"[_-](?:\w*(?:{MASK_WORDS.pattern})\w*|L|\w*(?:image|img)\w*)$", re.IGNORECASE)
"""Of a stem: what says whether it is an image or a mask, and is not in the name of the other."""


@dataclass(frozen=True)
class Found:
    """Two patterns and what fits them, by what their stars stand for; `keys` have both."""

    folder: Path
    image_files: str
    mask_files: str
    images: Mapping[tuple[str, ...], Path]
    masks: Mapping[tuple[str, ...], Path]

    @property
    def keys(self) -> list[tuple[str, ...]]:
        return sorted(self.images.keys() & self.masks.keys())


def find_files(folder: Path) -> Found:
    """The two patterns that give the most pairs. Raises DataError when there are none."""
    kinds = _kinds(folder)
    masks = {pattern for pattern, paths in kinds.items() if all(map(_may_be_mask, paths[:SAMPLES]))}

    @cache
    def find(pattern: str) -> dict[tuple[str, ...], Path]:
        return dict(Pattern(pattern).find(folder)) if Pattern.fits(pattern) else {}

    def rate(pair: tuple[str, str]) -> tuple[int, bool, bool, int]:
        image, mask = pair
        images, found = find(image), find(mask)
        common = [key for key in images.keys() & found.keys() if images[key] != found[key]]
        return len(common), image not in masks, bool(MASK_WORDS.search(mask)), -image.count("*")

    def best(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        rated = {pair: rate(pair) for pair in pairs}
        return sorted((pair for pair in rated if rated[pair][0]), key=lambda pair: rated[pair], reverse=True)

    candidates = best((image, mask) for mask in sorted(masks) for image in sorted(kinds) if image != mask)
    for _ in range(2):  # over the folders of splits, then over those within
        few = candidates[:MOST_CANDIDATES]
        joined = {pair for one, other in combinations(few, 2) if (pair := _join_both(one, other)) is not None}
        candidates = best({*few, *joined})
    if not candidates:
        raise DataError(
            f"{folder}: no images with masks were found among {sum(map(len, kinds.values()))} pictures; a mask has the "
            "name of its image in another folder or with another ending, and is no JPEG: write a dataset.toml by hand"
        )
    image_files, mask_files = candidates[0]
    found = find(mask_files)
    taken = set(found.values())
    images = {key: path for key, path in find(image_files).items() if path not in taken}
    return Found(folder, image_files, mask_files, images, found)


def _kinds(folder: Path) -> dict[str, list[Path]]:
    """Pattern of the files of one folder and one ending -> these files, in order."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                tail = _TAIL.search(path.stem)
                pattern = f"*{tail[0] if tail else ''}{path.suffix}"
                kinds[path.with_name(pattern).relative_to(folder).as_posix()].append(path)
    return dict(kinds)


def _may_be_mask(path: Path) -> bool:
    if path.suffix.lower() in LOSSY:
        return False
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    values = pixels.reshape(-1, pixels.shape[2]) if pixels.ndim == 3 else pixels.reshape(-1, 1)
    return len(np.unique(values, axis=0)) <= MOST_COLOURS


def _join_both(one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str] | None:
    images, masks = _join(one[0], other[0]), _join(one[1], other[1])
    return None if images is None or masks is None or images == masks else (images, masks)


def _join(one: str, other: str) -> str | None:
    """The pattern that both fit into: what differs between the names of two folders becomes a star."""
    mine, others = one.split("/"), other.split("/")
    if len(mine) != len(others) or mine[-1] != others[-1]:
        return None
    return "/".join(a if a == b else _join_part(a, b) for a, b in zip(mine, others, strict=True))


def _join_part(one: str, other: str) -> str:
    (before, _, after), (others_before, _, others_after) = one.partition("*"), other.partition("*")
    after, others_after = after or ("" if "*" in one else one), others_after or ("" if "*" in other else other)
    head = _common(before, others_before)
    tail = _common(after[::-1], others_after[::-1])[::-1]
    room = min(len(one.replace("*", "")), len(other.replace("*", ""))) - len(head)
    return f"{head}*{tail[max(0, len(tail) - room) :]}"


def _common(one: str, other: str) -> str:
    """The beginning that both have."""
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
