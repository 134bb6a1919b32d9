"""The classes: scores, areas under curves, where the best model is worse than another, and what the test set holds."""

from collections.abc import Mapping

import pandas as pd

from analysis.draw.charts.class_charts import areas
from analysis.draw.ticks import minus
from analysis.read.frames import Study
from analysis.read.image_errors import image_counts
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Column, Table, numbers, part, spread, words
from analysis.report.tables.trials_table import nothing_yet
from analysis.statistics import cells

_MOST_NAMED = 6


def class_tables(study: Study) -> list[Table]:
    return [class_iou(study), class_differences(study)]


def class_iou(study: Study) -> Table:
    """Test IoU: a row per class, a column per model and freeze."""
    scores = cells.class_scores(study)
    title = "IoU per class"
    if scores.empty:
        return Table("class_iou", title, nothing_yet(study))
    classes = list(dict.fromkeys(scores["class_name"]))
    columns = [words("class", "class", classes)]
    for name in dict.fromkeys(scores["name"]):
        found = scores[scores["name"] == name].drop_duplicates("class_name").set_index("class_name")
        named = found.reindex(classes).rename(
            columns={"mean": name, **{part: f"{name}_{part}" for part in ("low", "high", "n")}}
        )
        named[f"{name}_n"] = named[f"{name}_n"].fillna(0).astype(int)
        columns.append(spread(f"{name} %", named, name, ".1f", 100))
    note = (
        f"Test IoU of each model and freeze at the setting that validates best; {INTERVAL}. A class that does not "
        "occur is blank."
    )
    return Table("class_iou", title, note, columns)


def class_differences(study: Study) -> Table:
    """The IoU of the cell that validates best minus each other's, class by class."""
    found = cells.class_differences(study)
    title = "Class by class: the best on validation against each other"
    if found.empty:
        return Table("class_differences", title, "It takes two models with scores to compare their classes.")
    best = found["best"].iloc[0]
    classes = list(dict.fromkeys(found["class_name"]))
    columns = [words("class", "class", classes)]
    for name in dict.fromkeys(found["name"]):
        rows = found[found["name"] == name].set_index("class_name").reindex(classes)
        rows["n"] = rows["n"].fillna(0).astype(int)
        parts = [part(*numbers, form=".1f") for numbers in rows[["mean", "low", "high", "n"]].itertuples(index=False)]
        parts = [
            each and each._replace(mean=f"{100 * mean:+.1f}") for each, mean in zip(parts, rows["mean"], strict=True)
        ]
        texts = [f"{each.mean} {each.around} ({each.remarks[0]})".replace("  ", " ") if each else "" for each in parts]
        values = {
            f"{name}{key}": rows[column].tolist()
            for key, column in (("", "mean"), ("_low", "low"), ("_high", "high"), ("_n", "n"))
        }
        columns.append(Column(f"minus {name}", texts, values, numeric=True, parts=parts))
    note = (
        f"Points of IoU of {best} minus those of the other, paired over the seeds that both have; {INTERVAL}. "
        f"{_where_worse(found)} With many classes some intervals leave 0 by chance: about one in twenty."
    )
    return Table("class_differences", title, note, columns)


def _where_worse(found: pd.DataFrame) -> str:
    """Where the best model loses: what a mean over the classes hides."""
    worse = found[found["high"] < 0].sort_values("mean")
    if worse.empty:
        return "In no class does it lie below another by more than its interval."
    told = [
        f"{row['class_name']} against {row['name']} ({minus(format(100 * row['mean'], '+.1f'))})"
        for row in worse.head(_MOST_NAMED).to_dict("records")
    ]
    more = f" and {len(worse) - _MOST_NAMED} more" if len(worse) > _MOST_NAMED else ""
    return f"It is worse, with its whole interval, in {'; '.join(told)}{more}."


def class_shares(study: Study) -> Table | None:
    """What the test set holds of each class, by the matrices of its images; None where no trial kept them. For folders
    from before data.json, which says it of every split."""
    for model in cells.shown(study).to_dict("records"):
        names = study.classes.loc[study.classes["trial_id"] == model["trial_id"], "class_name"].tolist()
        counts = image_counts(study, model["trial_id"])
        if counts is not None and counts.shape[1] == len(names):
            truth = counts.sum(2)
            shares = truth.sum(0) / max(1, truth.sum())
            columns = [
                words("class", "class", names),
                numbers("test pixels %", "test_pixel_share", shares.tolist(), ".2f", 100),
                numbers("test images with it", "test_images", (truth > 0).sum(0).tolist(), "d"),
            ]
            note = (
                f"Of the {len(truth)} test images at the size they were tested at; ignored pixels are not counted. A "
                "class of few pixels or images has an IoU that a few mistakes move."
            )
            return Table("class_shares", "The test set", note, columns)
    return None


def area_table(study: Study) -> Table | None:
    """A row per class, a column per model and freeze; None where no trial kept its curves."""
    found: Mapping[str, Mapping[str, tuple[float, float]]] = areas(study)
    if not found:
        return None
    classes = list(dict.fromkeys(label for by_class in found.values() for label in by_class))
    columns = [words("class", "class", classes)]
    for name, by_class in found.items():
        pairs = [by_class.get(label, (float("nan"), float("nan"))) for label in classes]
        values = {f"{name}_auc": [auc for auc, _ in pairs], f"{name}_ap": [precision for _, precision in pairs]}
        columns.append(Column(name, [_areas_text(*pair) for pair in pairs], values, numeric=True))
    note = (
        "Area under the ROC curve / average precision, which is that under precision over recall, in percent; of the "
        "seed that validates best of each model and freeze. Chance gives 50 / the share of the class."
    )
    return Table("class_areas", "Areas under the curves", note, columns)


def _areas_text(auc: float, precision: float) -> str:
    """`98.1 / 87.2`; blank where both are missing."""
    shown = [f"{100 * value:.1f}" if value == value else "–" for value in (auc, precision)]
    return "" if shown == ["–", "–"] else " / ".join(shown)
