"""A folder of images and masks -> the dataset.toml that describes it, with what was found, for the user to correct."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from segtrain.data.own.find_channels import FoundChannels, find_channels
from segtrain.data.own.find_files import Found, find_files
from segtrain.data.own.find_labels import FoundLabels, find_labels
from segtrain.data.own.patterns import GROUP, group_of
from segtrain.data.spec import SPLITS, DataError, Split
from segtrain.records import write_atomic

FILE = "dataset.toml"
SHARES: dict[Split, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
FOLDER_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def write_description(folder: Path) -> list[str]:
    """Writes `folder`/dataset.toml and gives what there is to say. Raises DataError when there is one already, and when
    no images with masks are found."""
    path = folder / FILE
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name the one that holds the images and the masks")
    if path.exists():
        raise DataError(f"{path} is there already; edit it, or move it away to have it written anew")
    found = find_files(folder)
    channels = find_channels([found.images[key] for key in found.keys])
    labels = find_labels([found.masks[key] for key in found.keys])
    split, groups = _split(folder, found)
    write_atomic(path, _text(found, channels, labels, split).encode())
    return [
        f"{path}: {len(found.keys)} pairs of {found.image_files!r} and {found.mask_files!r}",
        f"images of {_shape(channels)}, from {channels.looked_at} of them",
        f"{len(labels.classes)} classes, from {labels.looked_at} of the masks; labels: {labels.kind}",
        f"split by {split['by']}, in {groups} groups" if "group" in split else f"split by {split['by']}",
        "Correct it: names of classes, what is ignored, what belongs together. Then see what it makes of the files:",
        f"  python -m analysis data --dataset {path}",
    ]


def _split(folder: Path, found: Found) -> tuple[dict[str, str | float], int]:
    """The table [split], and how many groups there are."""
    split = _lists(folder) or _folders(found) or {"by": "shares", **_with_shares({}), "seed": 0}
    pattern, groups = _group_pattern([path.name for path in found.images.values()])
    return split | ({"group": pattern} if pattern else {}), groups


def _lists(folder: Path) -> dict[str, str | float] | None:
    lists = {split: f"{split}.txt" for split in SPLITS if (folder / f"{split}.txt").is_file()}
    return {"by": "lists", **_with_shares(lists)} if "train" in lists else None


def _folders(found: Found) -> dict[str, str | float] | None:
    present = {part for path in found.images.values() for part in path.relative_to(found.folder).parent.parts}
    chosen = {split: name for split, names in FOLDER_NAMES.items() for name in names if name in present}
    return {"by": "folders", **_with_shares(chosen)} if "train" in chosen else None


def _with_shares(named: Mapping[Split, str]) -> dict[str, str | float]:
    return {split: named.get(split, SHARES[split]) for split in SPLITS}


def _group_pattern(names: Sequence[str]) -> tuple[str | None, int]:
    """A beginning that several names share, up to its first `_` or `-`, where there are enough such."""
    for mark in "_-":
        groups = Counter(group_of(f"{GROUP}{mark}*", name) for name in names)
        if None not in groups and len(SPLITS) <= len(groups) <= len(names) / 2:
            return f"{GROUP}{mark}*", len(groups)
    return None, len(names)


def _text(found: Found, channels: FoundChannels, labels: FoundLabels, split: Mapping[str, str | float]) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", found.folder.absolute().name).strip("-._")[:64] or "own"
    lines = [
        "# Written by looking at this folder; correct it. docs/own-data.md says what each line means.",
        f"name = {_value(name)}  # in the names of trials and in reports; another one makes other trials",
        "",
        "[images]  # every * stands for what an image and its mask have in common",
        f"files = {_value(found.image_files)}",
        f"bits = {channels.bits}",
        f"channels = {channels.count}  # {_channel_words(channels)}",
        "",
        "[masks]",
        f"files = {_value(found.mask_files)}",
        f"labels = {_value(labels.kind)}",
        f"ignore = {_value(labels.ignore)}  # pixels that enter neither loss nor score",
        "",
        "[split]",
        *(f"{key} = {_value(value)}" for key, value in split.items()),
    ]
    if "group" not in split:
        lines.append(f'# group = "{GROUP}_*"  # a drive or a patient, which no share cuts in two')
    for one in labels.classes:
        lines += ["", "[[classes]]", f"name = {_value(one.name)}  # in {one.share:.2%} of the pixels looked at"]
        lines += [f"id = {one.label}"] if one.label is not None else []
        lines += [f"colour = {_value(one.colour)}"] if one.colour is not None else []
    return "\n".join(lines) + "\n"


def _shape(channels: FoundChannels) -> str:
    return f"{channels.count} channel{'s' * (channels.count > 1)}, {channels.bits} bits each"


def _channel_words(channels: FoundChannels) -> str:
    if channels.transparent:
        return "red, green, blue; transparency is left out: 4 where it is a channel like the others"
    if channels.count == 1:
        return "grey; 3 repeats it as red, green and blue"
    return "red, green, blue" if channels.count == 3 else "as the files have them; names, mean and std can say more"


def _value(value: object) -> str:
    """JSON's texts, numbers and lists are TOML's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
