"""network.json of a trial -> the layers of its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segtrain import records
from segtrain.fields import COUNT, FLAG, TEXT, Kind, list_of, or_none
from segtrain.records import RecordError

MOST_LAYERS = 5000
IMAGE = -1
"""Among the inputs of a layer: the image."""


@dataclass(frozen=True)
class Layer:
    """As `segtrain.models.layers.Layer`: `shape` is (C, H, W) of maps, (L, C) of tokens; `inputs` are numbers of layers
    before it, or IMAGE."""

    name: str
    kind: str
    kernel: int | None
    stride: int | None
    shape: Sequence[int]
    parameters: int
    trained: bool | None
    inputs: Sequence[int]


_SIZES = list_of(Kind("a count up to a million", lambda value: COUNT.holds(value) and 0 < value <= 10**6))
_KINDS = {
    "name": TEXT,
    "kind": TEXT,
    "kernel": or_none(COUNT),
    "stride": or_none(COUNT),
    "shape": _SIZES,
    "parameters": COUNT,
    "trained": or_none(FLAG),
    "inputs": list_of(Kind("a layer's number", lambda value: value == IMAGE or COUNT.holds(value))),
}


def read_layers(folder: Path) -> list[Layer]:
    """In the order in which an image meets them; none of a trial from before network.json. Raises RecordError."""
    path = folder / records.NETWORK_FILE
    try:
        found = records.read_json(path).get("layers")
    except FileNotFoundError:
        return []
    if not isinstance(found, list) or len(found) > MOST_LAYERS:
        raise RecordError(f"{path} holds no list of up to {MOST_LAYERS} layers; its picture is left out")
    layers = []
    for number, entry in enumerate(found):
        values = entry if isinstance(entry, dict) else {}
        records.check(path, values, _KINDS, f", layer {number}", "its picture is left out")
        layers.append(Layer(**{name: values[name] for name in _KINDS}))
        if not all(source < number for source in layers[-1].inputs):
            raise RecordError(f"{path}, layer {number} takes what comes after it; its picture is left out")
    return layers
