"""Every setting that was tried, whatever became of its seeds."""

from analysis.read.frames import Study
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Column, Table, numbers, spread, words
from analysis.statistics import cells, selection
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU


def settings_table(study: Study) -> Table:
    """A row per architecture, freeze and setting: its scores, and how its seeds ended."""
    ended = cells.endings(study)
    title = "Settings"
    if ended.empty:
        return Table("settings", title, "No setting is known yet: no trial has a readable config.")
    scores = selection.settings(study).drop(
        columns=[*selection.CELL, "setting_name", "planned", "lr", "diverged", "failed", "unfinished"]
    )
    rows = ended.merge(scores, on="setting", how="left", validate="one_to_one")
    of_seeds = [f"{name}_n" for name in (VAL_MEAN_IOU, TEST_MEAN_IOU)]
    rows[of_seeds] = rows[of_seeds].fillna(0)
    rows = rows.astype(dict.fromkeys(of_seeds, "int64"))
    chosen = set(selection.best_cells(study)["setting"])
    seeds = zip(rows["finished"], rows["planned"], strict=True)
    columns = [
        words("model", "model", rows["model"]),
        words("freeze", "freeze", rows["freeze"]),
        words("setting", "setting", rows["setting_name"]),
        words("chosen", "chosen", ["✓" if setting in chosen else None for setting in rows["setting"]]),
        spread("val mIoU %", rows, VAL_MEAN_IOU, ".2f", 100),
        spread("test mIoU %", rows, TEST_MEAN_IOU, ".2f", 100),
        Column(
            "seeds finished",
            [f"{done} of {planned}" for done, planned in seeds],
            {"finished": list(rows["finished"]), "planned": list(rows["planned"])},
            numeric=True,
        ),
        *(numbers(state, state, rows[state], "d") for state in ("diverged", "failed", "other")),
    ]
    note = (
        f"{INTERVAL}. Chosen is what validates best for its model and freeze; the means are of the seeds that "
        "finished, and those that diverged or failed are counted beside them. Other: running, stopped, skipped or not "
        "started."
    )
    return Table("settings", title, note[0].upper() + note[1:], columns)
