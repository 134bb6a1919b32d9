"""What an image goes through in a model: how many operations it costs, and by which layers. Found once per machine: it
takes seconds, for torch and the model's library have to be imported for it. Imports neither by itself."""

import dataclasses
import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segtrain
from segtrain.architectures import library_of
from segtrain.config import TrialConfig
from segtrain.fields import COUNT, OBJECT, list_of
from segtrain.machine.remembered import Result, remembered

SHAPE = (
    "arch", "image_height", "image_width", "width_mult", "gate", "freeze", "upsampling", "skip_scale", "fusion",
)  # fmt: skip
"""The fields that the way of one image depends on."""
KINDS = {**dict.fromkeys(("training", "evaluation"), COUNT), "layers": list_of(OBJECT)}


def flops_per_image(config: TrialConfig, num_classes: int, streams: tuple[int, ...] = (3,)) -> tuple[int, int]:
    """(training, evaluation) floating-point operations for one image; two per multiply-add. Frozen layers need no
    backward. Raises ArchError and CodeError for a model that cannot be built, or gives no logits."""
    found = _found(_shape_of(config), num_classes, streams)
    return found["training"], found["evaluation"]


def layers_of(config: TrialConfig, num_classes: int, streams: tuple[int, ...] = (3,)) -> list[dict[str, Any]]:
    """The fields of each `segtrain.models.layers.Layer`. Raises as `flops_per_image`."""
    layers: list[dict[str, Any]] = _found(_shape_of(config), num_classes, streams)["layers"]
    return layers


def _shape_of(config: TrialConfig) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in SHAPE)


@functools.cache
def _found(shape: tuple[object, ...], num_classes: int, streams: tuple[int, ...]) -> Result:
    fields = {f.name: f.default for f in dataclasses.fields(TrialConfig) if f.default is not dataclasses.MISSING}
    fields |= {"dataset": "roads", "init": "parent", "parent": "any"} | dict(zip(SHAPE, shape, strict=True))
    config = TrialConfig(**fields)
    # To count is how a model that is not the program's is tried, and its code may be another the next time.
    if library_of(config.arch) is not None:
        return _make(config, num_classes, streams)
    key = [shape, num_classes, streams, models_code()]
    return remembered("operations", key, KINDS, lambda: _make(config, num_classes, streams))


def _make(config: TrialConfig, num_classes: int, streams: tuple[int, ...]) -> Result:
    """Both at once: the imports are what takes long, and who asks for one will soon ask for the other."""
    from segtrain.models.layers import list_layers
    from segtrain.models.operations import count_flops

    training, evaluation = count_flops(config, num_classes, streams)
    layers = [dataclasses.asdict(layer) for layer in list_layers(config, num_classes, streams)]
    return {"training": training, "evaluation": evaluation, "layers": layers}


@functools.cache
def models_code() -> list[str]:
    """What may change a count: the models, and the library that counts."""
    sources = sorted((Path(segtrain.__file__).parent / "models").glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return [digest, *(version(name) for name in ("torch", "torchvision", "transformers"))]
