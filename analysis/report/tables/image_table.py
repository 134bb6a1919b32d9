"""The test images that go worst, and the one in the middle, by number: which to look at first."""

import numpy as np

from analysis.read.frames import Study
from analysis.read.image_errors import image_counts, wrong_shares
from analysis.report.tables.table import Table, numbers, words
from analysis.statistics import cells

_WORST = 5


def image_table(study: Study) -> Table | None:
    """The share of wrong pixels per model and freeze of the images with the most of them in the mean over the models;
    None where no model kept a matrix per image, or they were tested on different images."""
    found = {}
    truth = None
    for model in cells.shown(study).to_dict("records"):
        counts = image_counts(study, model["trial_id"])
        if counts is None:
            continue
        truth = counts.sum(2) if truth is None else truth
        if np.array_equal(truth, counts.sum(2)):
            found[model["name"]] = wrong_shares(counts)
    if not found:
        return None
    mean = np.mean(list(found.values()), axis=0)
    order = [int(index) for index in np.argsort(-mean, kind="stable") if not np.isnan(mean[index])]
    if not order:
        return None
    median = order[len(order) // 2]
    chosen = {index: f"worst {rank}" for rank, index in enumerate(order[:_WORST], 1)}
    chosen |= {median: "median", order[-1]: "best"} if len(order) > _WORST + 1 else {}
    columns = [
        words("rank", "rank", chosen.values()),
        numbers("test image", "image", chosen, "d"),
        *(
            numbers(name, name, [float(shares[index]) for index in chosen], ".1f", 100)
            for name, shares in found.items()
        ),
    ]
    note = (
        f"Share of wrong pixels in percent. Of {len(mean)} test images, numbered from 0 in the order of the split: "
        "those with the most wrong pixels in the mean over the models, the one in the middle, and the best."
    )
    return Table("test_images", "The same test images by their wrong pixels", note, columns)
