"""How many operations an image costs, counted once per machine: a count takes seconds, for torch and the model's
library have to be imported for it. Imports neither by itself."""

import dataclasses
import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import segtrain
from segtrain import records
from segtrain.config import TrialConfig, library_of
from segtrain.machine.array_store import cache_root

COUNTS_FOLDER = "operations"
SHAPE = ("arch", "image_height", "image_width", "width_mult", "gate", "freeze")
"""The fields that the operations of one image depend on."""


def flops_per_image(config: TrialConfig, num_classes: int) -> tuple[int, int]:
    """(training, evaluation) floating-point operations for one image; two per multiply-add. Frozen layers need no
    backward. Raises ArchError and CodeError for a model that cannot be built, or gives no logits."""
    shape = tuple(getattr(config, name) for name in SHAPE)
    # To count is how a model that is not the program's is tried, and its code may be another the next time.
    return _remembered(shape, num_classes) if library_of(config.arch) is None else _counted(shape, num_classes)


@functools.cache
def _remembered(shape: tuple[object, ...], num_classes: int) -> tuple[int, int]:
    key = hashlib.sha256(json.dumps([shape, num_classes, models_code()]).encode()).hexdigest()[:16]
    path = cache_root() / COUNTS_FOLDER / f"{key}.json"
    try:
        found = records.read_json(path)
        return int(found["training"]), int(found["evaluation"])
    except (OSError, records.RecordError, KeyError, TypeError, ValueError):
        pass  # not counted yet, or torn
    counts = _counted(shape, num_classes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(path, dict(zip(("training", "evaluation"), counts, strict=True)))
    except OSError:
        pass  # a full disk costs the next command a few seconds, and this one nothing
    return counts


@functools.cache
def _counted(shape: tuple[object, ...], num_classes: int) -> tuple[int, int]:
    from segtrain.models.operations import count_flops

    fields = {f.name: f.default for f in dataclasses.fields(TrialConfig) if f.default is not dataclasses.MISSING}
    fields |= {"dataset": "roads", "init": "parent", "parent": "any"} | dict(zip(SHAPE, shape, strict=True))
    return count_flops(TrialConfig(**fields), num_classes)


@functools.cache
def models_code() -> list[str]:
    """What may change a count: the models, and the library that counts."""
    sources = sorted((Path(segtrain.__file__).parent / "models").glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return [digest, *(version(name) for name in ("torch", "torchvision", "transformers"))]
