from typing import Any

import numpy as np

from analysis.read.frames import load
from analysis.read.score_check import check_scores
from segtrain import records


def test_a_score_that_its_matrix_does_not_give_is_named(builder: Any) -> None:
    matrix = np.array([[6, 2, 0], [0, 4, 0], [0, 0, 0]])  # IoU 6 / 8 and 4 / 6; the third class does not occur
    for lr, test in ((0.1, (6 / 8 + 4 / 6) / 2), (0.2, 0.5)):
        np.save(builder.trial(test=test, lr=lr) / records.CONFUSION_FILE, matrix)
    builder.trial(lr=0.3)  # without a matrix
    np.save(builder.trial(lr=0.4) / records.CONFUSION_FILE, np.zeros(3))
    (builder.trial(lr=0.5) / records.CONFUSION_FILE).write_bytes(b"torn")
    (sentence,) = check_scores(load(builder.write()))
    assert sentence == (
        "fcn8s-unfreeze-lr0.2: test.json says a mean IoU of 50.000 %, its confusion.npy gives 70.833 %; "
        "delete its folder to start over"
    )
