"""`model.json`: what goes into a trial's model and what comes out of it, so that its folder is enough to use it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.spec import RGB, Channels, Dataset
from segtrain.fields import COUNT, NAME, NUMBER, OBJECT, TEXT, Kind, list_of


@dataclass(frozen=True)
class ModelTask:
    """A further task, whose logits follow those before it."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ModelFile:
    """`classes` in the order of the logits, with a colour each. An image's `channels`, values of `bits` bits, enter the
    model as numbers in [0, 1] less `mean`, by `std`; `streams` as in segtrain.data.spec.Channels, or all in one.
    `further` tasks are in the file only where there are some."""

    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: tuple[str, ...] = RGB.names
    bits: int = RGB.bits
    streams: tuple[int, ...] = (len(RGB),)
    further: tuple[ModelTask, ...] = field(default=(), repr=False)  # its text is part of what predictions are marked by

    def to_channels(self) -> Channels:
        return Channels(self.channels, self.mean, self.std, self.bits, self.streams)

    @property
    def tasks(self) -> tuple[ModelTask, ...]:
        return (ModelTask("", self.classes, self.palette), *self.further)

    @property
    def outputs(self) -> tuple[int, ...]:
        """How many classes each task has."""
        return tuple(len(task.classes) for task in self.tasks)

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        return values if self.further else {name: value for name, value in values.items() if name != "further"}


def _is_colour(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value)


_NUMBERS = list_of(NUMBER)
KINDS = {
    "classes": list_of(TEXT),
    "palette": list_of(Kind("three integers from 0 to 255", _is_colour)),
    "mean": _NUMBERS,
    "std": Kind("numbers above 0", lambda value: _NUMBERS.holds(value) and all(number > 0 for number in value)),
    "channels": list_of(TEXT),
    "bits": Kind("8 or 16", lambda value: value in (8, 16)),
    "streams": list_of(COUNT),
    "further": list_of(OBJECT),
}
TASK_KINDS = {"name": NAME, "classes": KINDS["classes"], "palette": KINDS["palette"]}


def of_dataset(dataset: Dataset) -> ModelFile:
    channels = dataset.channels
    return ModelFile(
        dataset.classes, dataset.palette, channels.mean, channels.std, channels.names, channels.bits, dataset.streams,
        tuple(ModelTask(task.name, task.classes, task.palette) for task in dataset.further),
    )  # fmt: skip


def write_model_file(folder: Path, dataset: Dataset) -> None:
    records.write_json(folder / records.MODEL_FILE, of_dataset(dataset).to_dict())


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
    # Trials of before there were others are of RGB.
    found = dict[str, Any]({"channels": [*RGB.names], "bits": RGB.bits, "streams": [len(RGB)], "further": []} | found)
    records.check(path, found, KINDS)
    classes, palette = _classes(path, found)
    further = []
    for task in found["further"]:
        records.check(path, task, TASK_KINDS, ", further")
        further.append(ModelTask(task["name"], *_classes(path, task)))
    mean, std, channels, streams = (tuple(found[name]) for name in ("mean", "std", "channels", "streams"))
    if not 0 < len(channels) == len(mean) == len(std) == sum(streams):
        raise records.RecordError(
            f"{path} has {len(mean)} numbers in mean, {len(std)} in std and {sum(streams)} channels in streams for "
            f"{len(channels)} channels; allowed: as many; {records.REMEDY}"
        )
    return ModelFile(classes, palette, mean, std, channels, found["bits"], streams, tuple(further))


def _classes(path: Path, found: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    classes, palette = tuple(found["classes"]), tuple(tuple(colour) for colour in found["palette"])
    if not 0 < len(classes) == len(palette):
        raise records.RecordError(
            f"{path} has {len(palette)} colours for {len(classes)} classes; allowed: one each; {records.REMEDY}"
        )
    return classes, palette
