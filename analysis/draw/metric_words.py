"""What a metric of a claim is called, and in which unit its differences are shown, on the page and in its pictures."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.read import dynamics
from analysis.read.frames import SCORES
from analysis.read.trial_folder import SIZE_NUMBERS
from analysis.statistics import claim_metrics
from segtrain import records


@dataclass(frozen=True)
class Unit:
    """A difference is shown as `value * scale` in the format `form`, with `name` behind it."""

    name: str
    scale: float = 1.0
    form: str = "+.3g"


POINTS = Unit("points", 100, "+.2f")
_FRACTIONS = {
    *(name for name in SCORES if name != records.TEST_LOSS),
    *(records.TRAIN_MEAN_IOU, records.VAL_MEAN_IOU, "early_val_mean_iou", "val_unsteadiness", "late_fall"),
    *("iou", "confusion"),
}
_UNITS = {
    **dict.fromkeys(_FRACTIONS, POINTS),
    **dict.fromkeys((records.TRAIN_LOSS, records.VAL_LOSS, records.TEST_LOSS, "loss_gap"), Unit("nats")),
    **dict.fromkeys((records.EPOCH_S, "runtime_s"), Unit("s")),
    records.IMAGES_PER_S: Unit("images/s"),
    records.PEAK_MEMORY_BYTES: Unit("MiB", 2.0**-20),
    "epochs_to_90": Unit("epochs", 1.0, "+.1f"),
}
_WORDS = {
    records.TRAIN_LOSS: "training loss",
    records.VAL_LOSS: "validation loss",
    records.TEST_LOSS: "test loss",
    records.TRAIN_MEAN_IOU: "training mean IoU",
    records.VAL_MEAN_IOU: "validation mean IoU",
    records.TEST_MEAN_IOU: "test mean IoU",
    records.EPOCH_S: "time of an epoch",
    records.IMAGES_PER_S: "training speed",
    records.PEAK_MEMORY_BYTES: "peak memory",
    "runtime_s": "time of a trial",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "frequency_weighted_iou": "frequency-weighted IoU",
    "mean_auc": "mean AUC",
    "mean_boundary_iou": "mean boundary IoU",
    "epochs_to_90": "epochs to 90 % of the best",
    "early_val_mean_iou": "early validation mean IoU",
    "val_unsteadiness": "unsteadiness of validation",
    "loss_gap": "gap between validation and training loss",
    "late_fall": "late fall of validation mean IoU",
    **{name: f"IoU of {size} objects" for name, size in zip(SIZE_NUMBERS, records.OBJECT_SIZES, strict=True)},
}
assert set(dynamics.COLUMNS) <= set(_WORDS), "a claim may be about each of them"


def _without_task(key: str) -> str:
    """`test/pixel_accuracy` -> `pixel_accuracy`: only losses and mean IoUs are of a split by name."""
    return key if key in _WORDS else key.partition("/")[2]


def unit_of(metric: str) -> Unit:
    """Of a class's, a cell's, a task's and an epoch's metric, too; of one that is not known, its own number."""
    if (task := records.named_task(metric)) is not None:
        return unit_of(_without_task(task[1]))
    return _UNITS.get(metric.partition("[")[0], Unit(""))


def words_of(metric: str) -> str:
    """`test mean IoU`, `pixel accuracy (geometric)`, `IoU of Fences`, `truth border predicted as pet`, `validation mean
    IoU at epoch 3`, `IoU of pet minus IoU of border`."""
    if len(parts := claim_metrics.terms_of(metric) if " - " in metric else ()) > 1:
        return " minus ".join(map(words_of, parts))
    if (task := records.named_task(metric)) is not None:
        return f"{words_of(_without_task(task[1]))} ({task[0]})"
    found = re.fullmatch(r"([^\[\]]+)\[([^\[\]]+)\]", metric)
    if found is None:
        return _WORDS.get(metric, metric)
    kind, inside = found[1], [part.strip() for part in found[2].split(",")]
    if kind == "iou":
        return f"IoU of {inside[0]}"
    if kind == "confusion" and len(inside) == 2:
        return f"truth {inside[0]} predicted as {inside[1]}"
    return f"{_WORDS.get(kind, kind)} at epoch {inside[0]}"


def counted_words(counted: Iterable[tuple[str, str]]) -> str:
    """What a caption says of means over fewer classes than the data have, of (name, "12 of 13" or blank for all)."""
    found = dict(counted)
    few = {name: text for name, text in found.items() if text}
    if not few:
        return ""
    if len(few) == len(found) and len(set(few.values())) == 1:
        return (
            f" Every mean counts {next(iter(few.values()))} classes: the others occur in neither truth nor prediction."
        )
    listed = "; ".join(f"{name} ({text} classes)" for name, text in few.items())
    return f" Over fewer classes than the others, and so not quite comparable: {listed}."
