"""`model.json`: what goes into a trial's model and what comes out of it, so that its folder is enough to use it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.spec import RGB, Channels, Dataset
from segtrain.fields import COUNT, NUMBER, TEXT, Kind, list_of


@dataclass(frozen=True)
class ModelFile:
    """`classes` in the order of the logits, with a colour each. An image's `channels`, values of `bits` bits, enter the
    model as numbers in [0, 1] less `mean`, by `std`; `streams` as in segtrain.data.spec.Channels, or all in one."""

    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: tuple[str, ...] = RGB.names
    bits: int = RGB.bits
    streams: tuple[int, ...] = (len(RGB),)

    def to_channels(self) -> Channels:
        return Channels(self.channels, self.mean, self.std, self.bits, self.streams)


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
}


def of_dataset(dataset: Dataset) -> ModelFile:
    channels = dataset.channels
    return ModelFile(
        dataset.classes, dataset.palette, channels.mean, channels.std, channels.names, channels.bits, dataset.streams
    )


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
    # Trials of before there were others are of RGB.
    found = dict[str, Any]({"channels": [*RGB.names], "bits": RGB.bits, "streams": [len(RGB)]} | found)
    records.check(path, found, KINDS)
    classes, palette = tuple(found["classes"]), tuple(tuple(colour) for colour in found["palette"])
    if not 0 < len(classes) == len(palette):
        raise records.RecordError(
            f"{path} has {len(palette)} colours for {len(classes)} classes; allowed: one each; {records.REMEDY}"
        )
    mean, std, channels, streams = (tuple(found[name]) for name in ("mean", "std", "channels", "streams"))
    if not 0 < len(channels) == len(mean) == len(std) == sum(streams):
        raise records.RecordError(
            f"{path} has {len(mean)} numbers in mean, {len(std)} in std and {sum(streams)} channels in streams for "
            f"{len(channels)} channels; allowed: as many; {records.REMEDY}"
        )
    return ModelFile(classes, palette, mean, std, channels, found["bits"], streams)
