"""Small results that take seconds, made once per machine: a JSON file each in the cache, which may be deleted at any
time."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from segtrain import records
from segtrain.fields import Kind
from segtrain.machine.array_store import cache_root

Result = dict[str, Any]


def remembered(folder: str, key: object, kinds: Mapping[str, Kind], make: Callable[[], Result]) -> Result:
    """What `make` gave for this `key`, a JSON value, whenever that was. What is stored there and is not of `kinds`
    counts as not made yet."""
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = cache_root() / folder / f"{digest}.json"
    try:
        found = records.read_json(path)
        records.check(path, found, kinds)
        return found
    except (OSError, records.RecordError):
        pass  # not made yet, or torn
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(path, made)
    except OSError:
        pass  # a full disk costs the next command a few seconds, and this one nothing
    return made
