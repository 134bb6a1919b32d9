"""How rare the classes are, in each split of a dataset."""

from analysis.draw.chart import COLOURS, Axis, Chart, Facet, Series, Style
from analysis.draw.training_samples import TrainingSamples
from analysis.read.trial_files.data_counts import SPLITS

STYLES = {
    "train": Style(COLOURS[0], "solid", "circle"),
    "val": Style(COLOURS[4], "solid", "square"),
    "test": Style(COLOURS[1], "solid", "triangle-up"),
}


def class_balance(samples: TrainingSamples) -> Chart | None:
    counts = samples.counts
    if counts is None:
        return None
    series, ends = [], []
    for split in SPLITS:
        held = counts.splits[split]
        pixels = sum(held.pixels) + held.ignored
        rows = [(name, 100 * count / pixels) for name, count in zip(counts.classes, held.pixels, strict=True) if count]
        x, y = [share for _, share in rows], [name for name, _ in rows]
        hover = [f"{split}, {name}: {share:.3g} %" for name, share in rows]
        series.append(
            Series(name=split, group=split, style=STYLES[split], x=x, y=y, joined=False, marked=True, hover=hover)
        )
        ends += x
    if not ends:
        return None
    axis = Axis(title="share of the pixels [%]", log=True, range=(min(ends) / 1.5, min(100.0, max(ends) * 1.5)))
    caption = "Share of the pixels of each split, on a logarithmic axis. A class without a mark is not in that split."
    facet = Facet(title="", x=axis, y=Axis(categories=list(counts.classes)), series=series)
    return Chart(
        name="class_balance", title=f"How rare the classes of {samples.dataset} are", caption=caption, facets=[facet]
    )
