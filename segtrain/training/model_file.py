"""`model.json`: what goes into a trial's model and what comes out of it, so that its folder is enough to use it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.spec import Dataset
from segtrain.fields import NUMBER, TEXT, Kind, list_of
from segtrain.training.inputs.batches import MEAN, STD

CHANNELS = 3


@dataclass(frozen=True)
class ModelFile:
    """`classes` in the order of the logits, with a colour each. An image's channels, as numbers in [0, 1], enter the
    model less `mean`, by `std`."""

    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def _is_colour(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value)


_NUMBERS = list_of(NUMBER)
KINDS = {
    "classes": list_of(TEXT),
    "palette": list_of(Kind("three integers from 0 to 255", _is_colour)),
    "mean": Kind(f"{CHANNELS} numbers", lambda value: _NUMBERS.holds(value) and len(value) == CHANNELS),
    "std": Kind(
        f"{CHANNELS} numbers above 0",
        lambda value: _NUMBERS.holds(value) and len(value) == CHANNELS and min(value) > 0,
    ),
}


def of_dataset(dataset: Dataset) -> ModelFile:
    return ModelFile(dataset.classes, dataset.palette, MEAN, STD)


def write_model_file(folder: Path, dataset: Dataset) -> None:
    records.write_json(folder / records.MODEL_FILE, asdict(of_dataset(dataset)))


def read_model_file(folder: Path, config: TrialConfig) -> ModelFile:
    """Folders of versions before model.json are those of datasets that the program has. Raises RecordError."""
    path = folder / records.MODEL_FILE
    try:
        found = records.read_json(path)
    except FileNotFoundError:
        if config.dataset in DATASETS:
            return of_dataset(DATASETS[config.dataset])
        raise records.RecordError(
            f"{path} is missing, and dataset {config.dataset!r} is none of the program's own; restore it, or train the "
            "trial again"
        ) from None
    records.check(path, found, KINDS)
    classes, palette = tuple(found["classes"]), tuple(tuple(colour) for colour in found["palette"])
    if not 0 < len(classes) == len(palette):
        raise records.RecordError(
            f"{path} has {len(palette)} colours for {len(classes)} classes; allowed: one each; {records.REMEDY}"
        )
    return ModelFile(classes, palette, tuple(found["mean"]), tuple(found["std"]))
