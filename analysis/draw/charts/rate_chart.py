"""Learning rates -> their scores, as a chart."""

from typing import Any

import numpy as np

from analysis.draw.chart import LABELS, Axis, Chart, Facet, Series, style_of
from analysis.draw.metric_words import counted_words
from analysis.inference.estimates import interval_text
from analysis.read.frames import Study
from analysis.statistics import selection
from analysis.statistics.counted import COUNTED, in_brackets
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU


def learning_rates(study: Study) -> Chart | None:
    """None unless some model was tried at two rates."""
    best = selection.best_settings(study, [*selection.CELL, "lr"]).sort_values("lr")
    if best.empty or best.groupby(selection.CELL)["lr"].nunique().max() == 1:
        return None
    facets = []
    rates = sorted(float(rate) for rate in best["lr"].unique())
    span = (best["lr"].min() / 1.2, best["lr"].max() * 1.2)
    for column, title in ((VAL_MEAN_IOU, "validation"), (TEST_MEAN_IOU, "test")):
        series = []
        for cell in selection.best_cells(study).to_dict("records"):
            line = best[(best["model"] == cell["model"]) & (best["freeze"] == cell["freeze"])]
            mean, low, high = ((100 * line[f"{column}{part}"]).tolist() for part in ("", "_low", "_high"))
            hover = [
                f"{cell['name']}, lr {lr:g}: {interval_text(m, h - m, n, scale=1)}{in_brackets(few)}"
                for lr, m, h, n, few in zip(
                    line["lr"], mean, high, line[f"{column}_n"], line[COUNTED[column]], strict=True
                )
            ]
            shared: dict[str, Any] = {"name": cell["name"], "group": cell["name"], "marked": True, "hover": hover}
            if not np.isnan(low).any():
                shared |= {"low": low, "high": high}
            look = style_of(study, cell["model"], cell["freeze"])
            series.append(Series(style=look, x=line["lr"].tolist(), y=mean, **shared))
        x, y = (
            Axis(title="learning rate", log=True, range=span, ticks=rates if len(rates) <= 6 else None),
            Axis(title=LABELS[column]),
        )
        facets.append(Facet(title=title, x=x, y=y, series=series))
    caption = (
        "Each rate's best setting: the mean over seeds, in the band of its 95 % interval where every rate has two "
        "seeds. The rates were chosen by validation."
    )
    names = [selection.cell_name(study, *pair) for pair in zip(best["model"], best["freeze"], strict=True)]
    counted = [
        (f"{name} at {lr:g}, {title}", few)
        for column, title in ((VAL_MEAN_IOU, "validation"), (TEST_MEAN_IOU, "test"))
        for name, lr, few in zip(names, best["lr"], best[COUNTED[column]], strict=True)
    ]
    caption += counted_words(counted)
    return Chart(name="learning_rate", title="Learning rate against score", caption=caption, facets=facets)
