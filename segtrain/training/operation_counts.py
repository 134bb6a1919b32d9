"""What an image goes through in a model: how many operations it costs, and by which layers. Found once per machine: it
takes seconds, for torch and the model's library have to be imported for it. Imports neither by itself."""

import dataclasses
import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segtrain
from segtrain.architectures import library_of
from segtrain.config import TrialConfig
from segtrain.fields import COUNT, OBJECT, list_of
from segtrain.machine.remembered import Result, recalled, remembered

SHAPE = (
    "arch", "image_height", "image_width", "width_mult", "gate", "freeze", "upsampling", "skip_scale", "fusion",
)  # fmt: skip
"""The fields that the way of one image depends on."""
FOLDER = "operations"
"""Of the cache."""
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


@contextmanager
def counting(models: Iterable[tuple[TrialConfig, int, tuple[int, ...]]]) -> Iterator[Callable[[], object]]:
    """Counts what is not known yet of the models (config, number of classes, streams) in a process of its own, so that
    this one goes on and need not import torch. Gives a function that waits for it. What cannot be counted there is
    counted when it is asked for, as anything."""
    ours = ((_shape_of(config), *rest) for config, *rest in models if library_of(config.arch) is None)
    unknown = [model for model in dict.fromkeys(ours) if recalled(FOLDER, _key(*model), KINDS) is None]
    if not unknown:
        yield lambda: None
        return
    command = [sys.executable, "-P", "-c", f"from {__name__} import count_given; count_given()"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True) as process:
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as given:
                json.dump(unknown, given)
            yield process.wait
        finally:
            process.kill()


def count_given() -> None:
    """In the process of its own: counts the models on its standard input, a JSON list, and remembers them."""
    for shape, num_classes, streams in json.load(sys.stdin):
        _found(tuple(shape), num_classes, tuple(streams))


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
    return remembered(FOLDER, _key(shape, num_classes, streams), KINDS, lambda: _make(config, num_classes, streams))


def _key(*model: object) -> list[object]:
    return [*model, models_code()]


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
