"""What the data hold: the classes of each split, and the groups that a split is of."""

from collections.abc import Sequence

from analysis.draw.training_samples import TrainingSamples
from analysis.read.data_counts import SPLITS, DataCounts
from analysis.report.tables.table import Table, numbers, words


def data_tables(samples: Sequence[TrainingSamples]) -> list[Table]:
    """`class_shares` of the first dataset, `class_shares_2` of the next, ...; and `groups`, if any."""
    known = [(one.dataset, one.counts) for one in samples if one.counts is not None]
    tables = [
        _class_shares(f"class_shares_{number}" if number > 1 else "class_shares", dataset, counts)
        for number, (dataset, counts) in enumerate(known, 1)
    ]
    rows = [
        (dataset, split, group, images)
        for dataset, counts in known
        for split in SPLITS
        for group, images in counts.splits[split].groups.items()
    ]
    return tables + ([_groups(rows)] if rows else [])


def _class_shares(name: str, dataset: str, counts: DataCounts) -> Table:
    columns = [words("class", "class", counts.classes)]
    notes = []
    for split in SPLITS:
        held = counts.splits[split]
        pixels = sum(held.pixels) + held.ignored
        shares = [count / pixels if pixels else None for count in held.pixels]
        columns.append(numbers(f"{split} pixels %", f"{split}_pixel_share", shares, ".2f", 100))
        columns.append(numbers(f"{split} images", f"{split}_images", held.images_with, "d"))
        absent = [label for label, count in zip(counts.classes, held.images_with, strict=True) if not count]
        ignored = f", {100 * held.ignored / pixels:.1f} % of its pixels ignored" if held.ignored else ""
        lacking = f", none with {', '.join(absent)}" if absent else ""
        notes.append(f"{split}: {held.images} images{ignored}{lacking}")
    note = (
        f"At the size of the training, {counts.width} × {counts.height}: the share of all pixels, and in how many "
        f"images a class occurs. {'; '.join(notes)}. A score of a class with few pixels hangs on few mistakes."
    )
    return Table(name, f"Classes of {dataset}", note, columns)


def _groups(rows: Sequence[tuple[str, str, str, int]]) -> Table:
    datasets, splits, groups, images = zip(*rows, strict=True)
    columns = [
        words("data", "dataset", datasets),
        words("split", "split", splits),
        words("group", "group", groups),
        numbers("images", "images", images, "d"),
    ]
    places: dict[tuple[str, str], set[str]] = {}
    for dataset, split, group, _ in rows:
        places.setdefault((dataset, group), set()).add(split)
    shared = [group for (_, group), found in places.items() if len(found) > 1]
    both = f" In more than one split: {', '.join(shared)}." if shared else " No group is in two splits."
    note = (
        "Drives, sequences or cities. Images of one group are alike, so the intervals draw whole groups of the test "
        f"set.{both}"
    )
    return Table("groups", "Groups of the splits", note, columns)
