"""What the data hold: the classes of each split, and the groups that a split is of."""

from collections.abc import Sequence

from analysis.draw.training_samples import TrainingSamples
from analysis.read.trial_files.data_counts import SPLITS, DataCounts
from analysis.report.tables.table import Table, numbers, words


def data_tables(samples: Sequence[TrainingSamples]) -> list[Table]:
    """`class_shares` of the first dataset, `class_shares_2` of the next, ...; and `groups`, if any."""
    known = [(one.dataset, one.counts) for one in samples if one.counts is not None]
    tables = [
        _class_shares(f"class_shares_{number}" if number > 1 else "class_shares", dataset, counts)
        for number, (dataset, counts) in enumerate(known, 1)
    ]
    return tables + ([_groups(known)] if any(counts.splits[s].groups for _, counts in known for s in SPLITS) else [])


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
    size = "files" if counts.width is None else f"training, {counts.width} × {counts.height}"
    note = (
        f"At the size of the {size}: the share of all pixels, and in how many images a class occurs. "
        f"{'; '.join(notes)}. A score of a class with few pixels hangs on few mistakes."
    )
    return Table(name, f"Classes of {dataset}", note, columns)


def _groups(known: Sequence[tuple[str, DataCounts]]) -> Table:
    """A row per dataset and group, a column per split."""
    rows = [
        (dataset, group, [counts.splits[split].groups.get(group) for split in SPLITS])
        for dataset, counts in known
        for group in dict.fromkeys(group for split in SPLITS for group in counts.splits[split].groups)
    ]
    columns = [
        words("data", "dataset", [dataset for dataset, _, _ in rows]),
        words("group", "group", [group for _, group, _ in rows]),
        *(numbers(f"{s} images", f"{s}_images", [held[i] for _, _, held in rows], "d") for i, s in enumerate(SPLITS)),
    ]
    shared = sum(sum(images is not None for images in held) > 1 for _, _, held in rows)
    note = (
        "Drives, sequences or cities. Images of one group are alike, so the intervals draw whole groups of the test "
        f"set. In more than one split: {f'{shared} of {len(rows)}' if shared else 'none'}."
    )
    return Table("groups", "Groups of the splits", note, columns)
