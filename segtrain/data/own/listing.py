"""The files of a dataset.toml -> the pairs of every split."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from segtrain.data.own.description import Description
from segtrain.data.own.patterns import Pattern, group_of
from segtrain.data.own.shares import draw
from segtrain.data.spec import SPLITS, DataError, Pair, Split
from segtrain.records import read_bytes

Files = Mapping[tuple[str, ...], Path]
"""What the stars of a pattern stand for -> file."""


def list_pairs(data_root: Path, description: Description) -> dict[Split, list[Pair]]:
    """`data_root` is not looked at: the files lie below the folder of the description. Raises DataError naming every
    file that has no partner, or no place in the splits."""
    images, masks = (_find(description, patterns) for patterns in (description.images, description.masks))
    masked = set(masks.values())
    images = {key: path for key, path in images.items() if path not in masked}  # `*.png` beside `*_mask.png`
    by_lists = description.split_by == "lists"
    if not by_lists:  # a list says which files matter
        _require_partners(images, masks)
    keys = sorted(images.keys() & masks.keys())
    parts: dict[Split, list[tuple[str, ...]]] = {}
    for split, place in description.parts.items():
        if isinstance(place, str):
            read = _read_list if by_lists else _in_folder
            parts[split] = read(description, place, images, masks)
    if description.split_by == "shares":
        parts["train"] = keys
    else:
        _require_disjoint(description, parts, images)
    groups = _groups(description, {key: images[key] for part in parts.values() for key in part})
    _draw_shares(description, parts, groups)
    empty = [split for split in SPLITS if not parts.get(split)]
    if empty:
        raise DataError(
            f"{description.path}: no image and mask pairs for {', '.join(empty)}; {len(images)} images, {len(masks)} "
            f"masks and {len(keys)} pairs fit the files of [images] and [masks], in {len(set(groups.values()))} groups"
        )
    named = description.group is not None
    return {
        split: [Pair(images[key], masks[key], groups[key] if named else None) for key in parts[split]]
        for split in SPLITS
    }


def _find(description: Description, patterns: Iterable[Pattern]) -> Files:
    files: dict[tuple[str, ...], Path] = {}
    problems = []
    for pattern in patterns:
        for key, path in pattern.find(description.folder):
            if files.setdefault(key, path) != path:
                problems.append(f"{path}: has the same name as {files[key]}; keep one of them")
    if problems:
        raise DataError(*sorted(problems))
    return files


def _require_partners(images: Files, masks: Files) -> None:
    alone = [f"{images[key]}: image without a mask" for key in sorted(images.keys() - masks.keys())]
    alone += [f"{masks[key]}: mask without an image" for key in sorted(masks.keys() - images.keys())]
    if alone:
        raise DataError(*alone)


def _read_list(description: Description, name: str, images: Files, masks: Files) -> list[tuple[str, ...]]:
    """A line names an image by its path below the folder, its file name or its stem, alone on the line or followed by
    its mask. The order is that of the list."""
    path = description.folder / name
    if not path.is_file():
        raise DataError(f"{path}: no such list; {description.path} names it in [split]")
    known = _by_every_name(description.folder, images)
    keys: dict[tuple[str, ...], int] = {}
    problems = []
    for number, line in enumerate(read_bytes(path).decode("utf-8", "surrogateescape").splitlines(), start=1):
        text, words = line.strip(), line.split()
        if not text:
            continue
        key = known.get(text) or known.get(words[0])
        where = f"{path}, line {number}"
        if key is None:
            why = "more than one image" if {text, words[0]} & known.keys() else "no image"
            problems.append(f"{where}: {text!r} names {why} that fits the files of [images]")
        elif key not in masks:
            problems.append(f"{where}: {images[key]} has no mask that fits the files of [masks]")
        elif text not in known and len(words) > 1 and description.folder / words[1] != masks[key]:
            problems.append(f"{where}: {words[1]!r} is not the mask that [masks] pairs with it, {masks[key]}")
        elif key in keys:
            problems.append(f"{where}: {text!r} was listed in line {keys[key]}; list every image once")
        else:
            keys[key] = number
    if problems:
        raise DataError(*problems)
    return list(keys)


def _by_every_name(folder: Path, images: Files) -> dict[str, tuple[str, ...] | None]:
    """None for a name that several have."""
    known: dict[str, tuple[str, ...] | None] = {}
    for key, path in images.items():
        for name in {path.name, path.stem}:
            known[name] = None if name in known else key
    for key, path in images.items():
        known[path.relative_to(folder).as_posix()] = key
    return known


def _in_folder(description: Description, name: str, images: Files, masks: Files) -> list[tuple[str, ...]]:
    """The pairs whose image lies in a folder of that name, or below the path."""
    parts = Path(name).parts

    def holds(path: Path) -> bool:
        folders = path.relative_to(description.folder).parent.parts
        return any(folders[start : start + len(parts)] == parts for start in range(len(folders)))

    return sorted(key for key, path in images.items() if key in masks and holds(path))


def _require_disjoint(description: Description, parts: Mapping[Split, list[tuple[str, ...]]], images: Files) -> None:
    first: dict[tuple[str, ...], Split] = {}
    problems = [
        f"{description.path}: {images[key]} is in {first[key]} and in {split}; take it out of one"
        for split, keys in parts.items()
        for key in keys
        if first.setdefault(key, split) != split
    ]
    if problems:
        raise DataError(*problems)


def _groups(description: Description, images: Files) -> dict[tuple[str, ...], str]:
    """Without a pattern every image is a group of its own."""
    if description.group is None:
        return {key: "/".join(key) for key in images}
    found = {key: group_of(description.group, path.name) for key, path in images.items()}
    problems = [
        f"{images[key]}: has no group, since group is {description.group!r}; correct the pattern or rename the file"
        for key, group in found.items()
        if group is None
    ]
    if problems:
        raise DataError(*problems)
    return {key: group for key, group in found.items() if group is not None}


def _draw_shares(
    description: Description, parts: dict[Split, list[tuple[str, ...]]], groups: Mapping[tuple[str, ...], str]
) -> None:
    """Takes the splits that are shares out of what is in train."""
    shares = {split: share for split, share in description.parts.items() if not isinstance(share, str)}
    if not shares:
        return
    shares["train"] = 1 - sum(share for split, share in shares.items() if split != "train")
    pool = parts["train"]
    sizes: dict[str, int] = {}
    for key in pool:
        sizes[groups[key]] = sizes.get(groups[key], 0) + 1
    drawn = draw(sizes, shares, description.seed)
    for split in shares:
        parts[split] = [key for key in pool if drawn[groups[key]] == split]
