"""Small results that take seconds, made once per machine: a JSON file each in the cache, which may be deleted at any
time."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.fields import Kind
from segtrain.machine.array_store import cache_root

Result = dict[str, Any]


def remembered(folder: str, key: object, kinds: Mapping[str, Kind], make: Callable[[], Result]) -> Result:
    """What `make` gave for this `key`, a JSON value, whenever that was. What is stored there and is not of `kinds`
    counts as not made yet."""
    path = _place(folder, key)
    found = recalled(folder, key, kinds)
    if found is not None:
        return found
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(path, made)
    except OSError:
        pass  # a full disk costs the next command a few seconds, and this one nothing
    return made


def recalled(folder: str, key: object, kinds: Mapping[str, Kind]) -> Result | None:
    """What was remembered for this `key`; None where it was not made yet, or is torn."""
    path = _place(folder, key)
    try:
        found = records.read_json(path)
        records.check(path, found, kinds)
    except (OSError, records.RecordError):
        return None
    return found


def _place(folder: str, key: object) -> Path:
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_root() / folder / f"{digest}.json"
