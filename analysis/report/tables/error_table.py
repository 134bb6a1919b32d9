"""Wrong pixels of the models, by what is wrong with them."""

import pandas as pd

from analysis.read.frames import Study
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Table, spread, words
from analysis.statistics.error_split import PARTS, error_splits

TITLES = {"wrong": "wrong %", "region": "wrong region %", "label": "wrong label %", "absent": "of an absent class %"}


def error_table(study: Study) -> Table | None:
    """None where no trial kept a matrix per image."""
    found = error_splits(study)
    if not found:
        return None
    rows = {}
    for part in PARTS:
        estimates = [split.parts[part] for split in found]
        for key, values in (
            ("", [e.mean for e in estimates]),
            ("_low", [e.low for e in estimates]),
            ("_high", [e.high for e in estimates]),
            ("_n", [e.n for e in estimates]),
        ):
            rows[f"{part}{key}"] = values
    frame = pd.DataFrame(rows)
    columns = [
        words("model", "model", [split.name for split in found]),
        words("setting", "setting", [split.setting_name for split in found]),
        *(spread(TITLES[part], frame, part, ".2f", 100, best="lowest") for part in PARTS),
    ]
    note = (
        "Test pixels that differ from the truth, in percent of all. Wrong region: the image has as much of the class, "
        "elsewhere; wrong label: it has more or less of it (allocation and quantity disagreement of Pontius and "
        "Millones 2011, image by image; they add up to what is wrong). Of an absent class: predicted as one that the "
        f"image does not have; {INTERVAL}."
    )
    return Table("error_split", "What is wrong with the wrong pixels", note, columns)
