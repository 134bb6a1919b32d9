"""Where the best model gains and loses: its IoU less that of the others, class by class, with intervals."""

from typing import Any

import numpy as np

from analysis.draw.chart import Axis, Chart, Facet, Series, style_of
from analysis.read.frames import Study
from analysis.statistics import cells


def class_differences(study: Study) -> Chart | None:
    """A facet for each of the others, in its colour."""
    found = cells.class_differences(study)
    found = found[found["mean"].notna()]
    if found.empty:
        return None
    shown = cells.shown(study).set_index("name")
    classes = list(dict.fromkeys(found.sort_values("class_index")["class_name"]))
    ends = 100 * found[["mean", "low", "high"]].to_numpy(dtype="float64")
    low, high = min(0.0, float(np.nanmin(ends))), max(0.0, float(np.nanmax(ends)))
    room = 0.05 * (high - low) or 1.0
    best, facets = str(found["best"].iloc[0]), []
    for name in dict.fromkeys(found["name"]):
        look = style_of(study, shown.loc[name, "model"], shown.loc[name, "freeze"])
        series = []
        for row in found[found["name"] == name].to_dict("records"):
            mean, at, to = (100 * row[key] for key in ("mean", "low", "high"))
            reach = "" if np.isnan(at) else f" [{at:+.1f}, {to:+.1f}]"
            told: dict[str, Any] = {"hover": [f"{row['class_name']}: {mean:+.1f}{reach} (n={row['n']})"]}
            one: dict[str, Any] = {"x": [mean], "y": [row["class_name"]], "low": [at], "high": [to], "across": True}
            series.append(Series(name=name, group=name, style=look, joined=False, marked=True, **one, **told))
        x = Axis(title="points of IoU", range=(low - room, high + room), zero=True)
        facets.append(Facet(title=f"{best} less {name}", x=x, y=Axis(categories=classes), series=series))
    caption = (
        f"Test IoU of {best}, which validates best, less that of the other, paired over seeds, with 95 % intervals "
        "over them. Left of 0 the model that is best on the whole is the worse one in that class."
    )
    return Chart(name="class_differences", title="Gains and losses by class", caption=caption, facets=facets)
