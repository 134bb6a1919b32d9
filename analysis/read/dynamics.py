"""How a trial learned, as numbers: "learns faster at first", "less stable" and "over-fits". Pure functions.

All of them look at validations alone, so they see no test score; a number that a curve is too short for is missing.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from segtrain.records import EPOCH, TRAIN_LOSS, VAL_LOSS, VAL_MEAN_IOU

COLUMNS = {
    "epochs_to_90": "the first validated epoch at which val/mean_iou reached 90 % of the trial's own best",
    "early_val_mean_iou": "val/mean_iou at the first validation after a quarter of the planned epochs",
    "val_unsteadiness": "the mean fall of val/mean_iou from one validation to the next, a rise counting as no fall",
    "loss_gap": "val/loss - train/loss at the last validation; training loss is the mean over its epoch, with dropout "
    "and augmentation",
    "late_fall": "how far val/mean_iou lies below its best at the last validation",
}
"""Column -> what it is."""


def describe(epochs: Sequence[Mapping[str, Any]], planned: int, *, finished: bool) -> dict[str, float | None]:
    """COLUMNS of one trial. `epochs` are the lines of metrics.jsonl in order, `planned` is how many there will be.

    Of a trial that has not finished only the early score is there: the others would change with every epoch.
    """
    validated = [line for line in epochs if line.get(VAL_MEAN_IOU) is not None]
    numbers: dict[str, float | None] = dict.fromkeys(COLUMNS)
    late_enough = (line[VAL_MEAN_IOU] for line in validated if 4 * line[EPOCH] >= planned)
    numbers["early_val_mean_iou"] = next(late_enough, None)
    if not validated or not finished:
        return numbers
    curve = [line[VAL_MEAN_IOU] for line in validated]
    best, last = max(curve), validated[-1]
    numbers["epochs_to_90"] = next(line[EPOCH] for line in validated if line[VAL_MEAN_IOU] >= 0.9 * best)
    numbers["late_fall"] = best - curve[-1]
    if len(curve) > 1:
        numbers["val_unsteadiness"] = sum(max(0.0, before - after) for before, after in pairwise(curve)) / (
            len(curve) - 1
        )
    if last.get(VAL_LOSS) is not None and last.get(TRAIN_LOSS) is not None:
        numbers["loss_gap"] = last[VAL_LOSS] - last[TRAIN_LOSS]
    return numbers
