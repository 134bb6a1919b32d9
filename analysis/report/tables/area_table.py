"""The areas under the curves of the classes, as numbers."""

from collections.abc import Mapping

from analysis.draw.charts.class_charts import areas
from analysis.read.frames import Study
from analysis.report.tables.table import Column, Table, words


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
        columns.append(Column(name, [_text(*pair) for pair in pairs], values, numeric=True))
    note = (
        "Area under the ROC curve / average precision, which is that under precision over recall, in percent; of the "
        "seed that validates best of each model and freeze. Chance gives 50 / the share of the class."
    )
    return Table("class_areas", "Areas under the curves", note, columns)


def _text(auc: float, precision: float) -> str:
    """`98.1 / 87.2`; blank where both are missing."""
    shown = [f"{100 * value:.1f}" if value == value else "–" for value in (auc, precision)]
    return "" if shown == ["–", "–"] else " / ".join(shown)
