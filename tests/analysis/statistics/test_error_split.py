"""Wrong regions and wrong labels."""

from typing import Any

import numpy as np
import pytest

from analysis.read.frames import load
from analysis.report.tables.error_table import error_table
from analysis.statistics.error_split import split_errors

SWAPPED = [[6, 2], [2, 0]]  # as much of each class as there is, four pixels elsewhere
GROWN = [[7, 0], [3, 0]]  # three pixels of the second class are not there
ABSENT = [[8, 2], [0, 0]]  # two of a class that the image does not have


@pytest.mark.parametrize(
    ("counts", "wrong", "region", "label", "absent"),
    [
        ([SWAPPED], 0.4, 0.4, 0.0, 0.0),
        ([GROWN], 0.3, 0.0, 0.3, 0.0),
        ([ABSENT], 0.2, 0.0, 0.2, 0.2),
        # Image by image: over both, what one lacks of the second class the other has too much of.
        ([GROWN, ABSENT], 0.25, 0.0, 0.25, 0.1),
    ],
)
def test_by_hand(counts: list[Any], wrong: float, region: float, label: float, absent: float) -> None:
    found = split_errors(np.array(counts))
    assert found == pytest.approx({"wrong": wrong, "region": region, "label": label, "absent": absent})


def test_the_table_has_the_mean_over_seeds_and_is_not_there_without_matrices(builder: Any) -> None:
    assert error_table(load(builder.write())) is None
    builder.trial(seed=0, counts=np.array([SWAPPED]))
    builder.trial(seed=1, counts=np.array([GROWN]))
    table = error_table(load(builder.write()))
    assert table is not None
    texts = {column.title: column.texts for column in table.columns}
    assert texts["wrong %"] == ["35.00 [0.00, 98.53] (n=2)"]
    assert texts["wrong region %"] == ["20.00 [0.00, 100.00] (n=2)"]
