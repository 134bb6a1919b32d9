"""What is in masks: ids, numbers of a palette or colours, and how often each is there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.data.own.decoding import split_codes, to_codes
from segtrain.data.own.schema import MOST_CLASSES, Colour, Labels
from segtrain.data.spec import IGNORE, DataError

MOST_MASKS = 200


@dataclass(frozen=True)
class FoundClass:
    """`share` is of the pixels looked at; `label` is None where colours say which class it is."""

    name: str
    label: int | None
    colour: Colour | None
    share: float


@dataclass(frozen=True)
class FoundLabels:
    kind: Labels
    classes: list[FoundClass]
    ignore: list[int]
    looked_at: int


def find_labels(masks: Sequence[Path]) -> FoundLabels:
    """Of up to MOST_MASKS of the masks, evenly spaced. Raises DataError on one that cannot be read and on more labels
    than there may be."""
    chosen = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, MOST_MASKS).round().astype(int))]
    counts: Counter[int] = Counter()
    modes, palette = set(), dict[int, Colour]()
    for path in chosen:
        try:
            with Image.open(path) as mask:
                modes.add(mask.mode)
                pixels = _labels(mask)
                palette = palette or _palette(mask)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from None
        counts.update(dict(zip(*(found.tolist() for found in np.unique(pixels, return_counts=True)), strict=True)))
        if len(counts) > MOST_CLASSES + 1:
            raise DataError(
                f"{path}: with it the masks have {len(counts)} labels; allowed: up to {MOST_CLASSES}. Are they masks, "
                "saved without loss?"
            )
    in_colour = bool(modes & {"RGB", "RGBA"})
    if in_colour and modes - {"RGB", "RGBA"}:
        raise DataError(f"the masks are of several kinds (modes {', '.join(sorted(modes))}); save them all as one")
    kind: Labels = "colours" if in_colour else "palette" if modes == {"P"} else "ids"
    ignore = [] if in_colour else [label for label in (IGNORE,) if label in counts and len(counts) > 2]
    total = counts.total()
    classes = []
    for code in sorted(counts.keys() - set(ignore)):
        colour = split_codes(code) if in_colour else palette.get(code)
        name = "colour " + " ".join(map(str, split_codes(code))) if in_colour else f"class {code}"
        classes.append(FoundClass(name, None if in_colour else code, colour, counts[code] / total))
    if len({one.colour for one in classes}) < len(classes):  # a palette that has a colour twice
        classes = [FoundClass(one.name, one.label, None, one.share) for one in classes]
    return FoundLabels(kind, classes, ignore, len(chosen))


def _labels(mask: Image.Image) -> npt.NDArray[np.integer]:
    if mask.mode in ("RGB", "RGBA"):
        return to_codes(np.asarray(mask.convert("RGB")))
    labels = np.asarray(mask)
    if labels.ndim != 2 or mask.mode == "F":
        raise ValueError(f"mode {mask.mode} is neither ids nor colours")
    return labels.astype(np.int32)


def _palette(mask: Image.Image) -> dict[int, Colour]:
    found = mask.getpalette("RGB") if mask.mode == "P" else None
    return {i: (found[3 * i], found[3 * i + 1], found[3 * i + 2]) for i in range(len(found) // 3)} if found else {}
