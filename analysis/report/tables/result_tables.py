"""The tables of a report. CSV columns hold fractions and seconds; what is shown is percent and words."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from analysis.draw.metric_words import words_of
from analysis.inference.estimates import estimate
from analysis.read import dynamics
from analysis.read.frames import Study
from analysis.read.trial_folder import SIZE_NUMBERS
from analysis.report.tables.table import ANYTHING, Column, Part, Table, numbers, part, spread, with_counted, words
from analysis.report.tables.trials_table import nothing_yet, trials_table
from analysis.statistics import cells as cells_of
from analysis.statistics import selection
from analysis.statistics.counted import COUNTED, counted, counted_among
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, TRAIN_LOSS, VAL_LOSS, VAL_MEAN_IOU

INTERVAL = "mean ± half of its 95 % interval (Student's t over n seeds; one seed has none)"
FOUR_METRICS = {
    "pixel_accuracy": "pixel acc. %",
    "mean_accuracy": "mean acc. %",
    TEST_MEAN_IOU: "mean IoU %",
    "frequency_weighted_iou": "f.w. IoU %",
}


def all_tables(study: Study) -> list[Table]:
    tables = [trials_table(study), best_models(study), four_metrics(study), details(study)]
    tables += [training_dynamics(study), cost(study)]
    return [*([] if study.variants else [architecture_by_freeze(study)]), *tables]


def architecture_by_freeze(study: Study) -> Table:
    """Test mean IoU per architecture and freeze, of the setting that validates best, and the paired difference."""
    cells = selection.best_cells(study)
    title = "Architecture by freeze"
    if cells.empty:
        return Table("architecture_by_freeze", title, nothing_yet(study))
    models, freezes = selection.order(study, "model"), selection.order(study, "freeze")
    by_cell: dict[tuple[str, str], Mapping[Any, Any]] = {
        (cell["model"], cell["freeze"]): cell for cell in cells.to_dict("records")
    }
    columns = [words("architecture", "architecture", models)]
    endings = cells_of.endings(study).set_index("setting")
    for freeze in freezes:
        found = [by_cell.get((model, freeze), {}) for model in models]
        keys = {"": TEST_MEAN_IOU, **{part: f"{TEST_MEAN_IOU}{part}" for part in ("_low", "_high", "_n")}}
        keys |= {"_setting": "setting_name", "_settings_done": "settings_done", "_settings_known": "settings_known"}
        values = {f"{freeze}{part}": [cell.get(key) for cell in found] for part, key in keys.items()}
        parts = [_part(cell, endings) for cell in found]
        texts = [_text(part) for part in parts]
        columns.append(Column(f"{freeze} %", texts, values, numeric=True, parts=parts, best="highest"))
    if {"freeze", "unfreeze"} <= set(freezes):
        columns.append(_difference(study, models, by_cell))
    note = (
        f"Test mean IoU in percent, {INTERVAL}, of the setting that validates best (mean over its seeds). No test "
        "score takes part in the choice. The difference is paired over the seeds that both have."
    )
    return Table("architecture_by_freeze", title, note, columns)


def _difference(study: Study, models: Sequence[str], by_cell: Mapping[tuple[str, str], Mapping[Any, Any]]) -> Column:
    trials = selection.usable(study)
    found, counts = [], []
    for model in models:
        sides = [by_cell.get((model, freeze)) for freeze in ("unfreeze", "freeze")]
        settings = [side["setting"] for side in sides if side]
        scores = [trials[trials["setting"] == setting].set_index("seed")[TEST_MEAN_IOU] for setting in settings]
        found.append(estimate((scores[0] - scores[1]).to_numpy() if len(scores) == 2 else []))
        counts.append(counted_among(trials[trials["setting"].isin(settings)], TEST_MEAN_IOU))
    name = "unfreeze_minus_freeze"
    values = {name: [e.mean for e in found], f"{name}_low": [e.low for e in found]}
    values |= {f"{name}_high": [e.high for e in found], f"{name}_n": [e.n for e in found]}
    parts = [part(e.mean, e.low, e.high, e.n, form="+.2f") for e in found]
    parts = [with_counted(p, few) for p, few in zip(parts, counts, strict=True)]
    return Column("unfreeze − freeze", [_text(part) for part in parts], values, numeric=True, parts=parts)


def _part(cell: Mapping[Any, Any], endings: pd.DataFrame) -> Part | None:
    """A cell of the table with what is short of it: seeds that did not finish are counted, never left out unsaid."""
    if not cell:
        return None
    ends = (cell[f"{TEST_MEAN_IOU}_low"], cell[f"{TEST_MEAN_IOU}_high"])
    found = part(cell[TEST_MEAN_IOU], *ends, cell["n"], form=".2f", within=(0, 1))
    assert found  # a usable setting has a score
    lost = endings.loc[cell["setting"]]
    short = [f"n={cell['n']} of {cell['planned']}"] if cell["n"] < cell["planned"] else list(found.remarks)
    short += [f"{few} classes"] if (few := cell[COUNTED[TEST_MEAN_IOU]]) else []
    short += [cells_of.ending_text(lost["diverged"], lost["failed"])] if lost["diverged"] + lost["failed"] else []
    done = cell["settings_done"]
    partly = [f"{done} of {cell['settings_known']} settings done"] if done < cell["settings_known"] else []
    return found._replace(remarks=(*short, cell["setting_name"], *partly))


def _text(found: Part | None) -> str:
    """`62.00 ± 25.41 (n=2), lr 0.2`; blank when missing."""
    if found is None:
        return ""
    first, *others = found.remarks
    return ", ".join([" ".join(filter(None, (found.mean, found.around, f"({first})"))), *others])


def best_models(study: Study) -> Table:
    """The best setting of each model, ranked by validation."""
    models = cells_of.of_first_task(study, selection.best_models(study))
    if models.empty:
        return Table("best_models", "Best models", nothing_yet(study))
    lost = cells_of.endings(study).set_index("setting").loc[models["setting"]]
    columns = [
        numbers("rank", "rank", range(1, len(models) + 1), "d"),
        words("model", "model", models["model"]),
        words("freeze", "freeze", models["freeze"]),
        words("setting", "setting", models["setting_name"]),
        words("seeds", "seeds", models["seeds"]),
        spread("val mIoU %", models, VAL_MEAN_IOU, ".2f", 100),
        spread("test mIoU %", models, TEST_MEAN_IOU, ".2f", 100),
        numbers("diverged", "diverged", lost["diverged"], "d"),
        numbers("failed", "failed", lost["failed"], "d"),
        numbers("best epoch", "best_epoch", models["best_epoch"], "d"),
        words("trial", "folder", models["folder"]),
    ]
    note = f"Ranked by validation mean IoU; {INTERVAL}. Best epoch and trial are those of the seed that validates best."
    return Table("best_models", "Best models", note, columns)


def four_metrics(study: Study) -> Table:
    cells = _cells(study)
    alike = len(cells_of.of_first_task(study, cells)) == len(cells)
    best: Literal["highest"] | None = "highest" if alike else None
    columns = [spread(title, cells, name, ".2f", 100, best=best) for name, title in FOUR_METRICS.items()]
    note = (
        "The four metrics of Long et al. 2015 on the test set, from one confusion matrix over all its "
        f"pixels; {INTERVAL}."
    )
    return _of_cells(study, "four_metrics", "The four metrics of the FCN paper", note, columns)


def details(study: Study) -> Table:
    cells = _cells(study)
    columns = [spread("boundary IoU %", cells, "mean_boundary_iou", ".2f", 100, best="highest")]
    columns += [
        spread(f"{size} %", cells, name, ".2f", 100, best="highest")
        for size, name in zip(records.OBJECT_SIZES, SIZE_NUMBERS, strict=True)
    ]
    columns += [spread("AUC %", cells, "mean_auc", ".2f", 100, best="highest")]
    note = (
        "Boundary IoU (Cheng et al. 2021) counts pixels within 2 % of the image diagonal of an edge; IoU by object "
        f"size counts objects below 1/300 of the image, up to 3 % of it, and above; means over classes; {INTERVAL}."
    )
    return _of_cells(study, "boundary_and_size", "Edges and small objects", note, columns)


def training_dynamics(study: Study) -> Table:
    cells = _cells(study)
    columns = [
        spread("epochs to 90 %", cells, "epochs_to_90", ".1f"),
        spread("early val mIoU %", cells, "early_val_mean_iou", ".2f", 100),
        spread("unsteadiness %", cells, "val_unsteadiness", ".2f", 100),
        spread("loss gap", cells, "loss_gap", "+.3f", within=ANYTHING),
        spread("late fall %", cells, "late_fall", ".2f", 100),
    ]
    meaning = "; ".join(
        f"{column.title.removesuffix(' %')}: {dynamics.COLUMNS[next(iter(column.values))]}" for column in columns
    )
    for name in (VAL_MEAN_IOU, VAL_LOSS, TRAIN_LOSS):
        meaning = meaning.replace(name, words_of(name))
    chosen = selection.usable(study)
    few = counted(study, chosen.loc[chosen["setting"].isin(cells["setting"]), "trial_id"], "early_val_mean_iou")
    note = f"{meaning}. Each a {INTERVAL}." + (f" The epochs' mean IoUs count {few} classes." if few else "")
    return _of_cells(study, "training_dynamics", "Training dynamics", note, columns)


def cost(study: Study) -> Table:
    cells = _cells(study)
    columns = [
        numbers("parameters M", "parameters", cells["parameters"], ".2f", 1e-6),
        numbers("trained M", "trained_parameters", cells["trained_parameters"], ".2f", 1e-6),
        numbers("multiply-adds G", "multiply_adds", cells["multiply_adds"], ".2f", 1e-9),
        spread("images/s", cells, records.IMAGES_PER_S, ".1f"),
        spread("memory GiB", cells, records.PEAK_MEMORY_BYTES, ".2f", 2**-30),
        spread("hours", cells, "runtime_s", ".3f", 1 / 3600),
    ]
    machines = sorted(set(selection.usable(study)["device_name"].dropna()))
    note = (
        "Multiply-adds are of the forward pass of one image; images/s is the training speed, the median over epochs; "
        f"memory is the peak; hours are of one trial, evaluation included; {INTERVAL}. Measured on "
        f"{', '.join(machines) or 'unknown hardware'}: times of trials that shared a machine depend on each other."
    )
    return _of_cells(study, "cost", "Cost", note, columns)


def _cells(study: Study) -> pd.DataFrame:
    return selection.best_cells(study)


def _of_cells(study: Study, name: str, title: str, note: str, columns: Sequence[Column]) -> Table:
    """A table with a row per model and freeze, of the settings that validate best; columns without a number go."""
    cells = _cells(study)
    if cells.empty:
        return Table(name, title, nothing_yet(study))
    filled = [column for column in columns if any(column.texts)]
    labels = [words("model", "model", cells["name"]), words("setting", "setting", cells["setting_name"])]
    if not filled:
        return Table(name, title, f"None of the {len(cells)} models recorded these numbers.")
    return Table(name, title, note, [*labels, *filled])
