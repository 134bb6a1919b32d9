"""data.json of a trial -> how many pixels and images each class has in each split, and the groups of the splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segtrain import records
from segtrain.fields import COUNT, OBJECT, TEXT, list_of, or_none
from segtrain.records import RecordError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitCounts:
    """`pixels` and `images_with` of each class; `groups`: the drive, sequence or city -> its images."""

    images: int
    pixels: Sequence[int]
    images_with: Sequence[int]
    ignored: int
    groups: Mapping[str, int]


@dataclass(frozen=True)
class DataCounts:
    """Counted at `height` x `width`; at the size of each file where they are None."""

    classes: Sequence[str]
    height: int | None
    width: int | None
    splits: Mapping[str, SplitCounts]


_KINDS = {
    "classes": list_of(TEXT),
    **dict.fromkeys(("height", "width"), or_none(COUNT)),
    **dict.fromkeys(SPLITS, OBJECT),
}
_SPLIT_KINDS = {
    **dict.fromkeys(("images", "ignored"), COUNT),
    **dict.fromkeys(("pixels", "images_with"), list_of(COUNT)),
    "groups": OBJECT,
}
_REMEDY = "what it says is left out"


def read_data_counts(folder: Path) -> DataCounts | None:
    """None of a trial from before data.json. Raises RecordError."""
    path = folder / records.DATA_FILE
    try:
        found = records.read_json(path)
    except FileNotFoundError:
        return None
    records.check(path, found, _KINDS, remedy=_REMEDY)
    splits = {}
    for split in SPLITS:
        values = found[split]
        records.check(path, values, _SPLIT_KINDS, f", {split}", _REMEDY)
        records.check(path, values["groups"], dict.fromkeys(values["groups"], COUNT), f", {split}, groups", _REMEDY)
        splits[split] = SplitCounts(**{name: values[name] for name in _SPLIT_KINDS})
        if {len(splits[split].pixels), len(splits[split].images_with)} != {len(found["classes"])}:
            raise RecordError(f"{path}, {split} has other classes than {len(found['classes'])}; {_REMEDY}")
    return DataCounts(found["classes"], found["height"], found["width"], splits)
