"""A trial's folder to an object store and back. The order of copying makes of a copy that was cut short, or was made
while the trial ran, a folder that one can go on from: like one whose process was killed."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from segtrain import records
from segtrain.mirror.object_store import ObjectStore

ENDS = (records.LAST_FILE, records.STATUS_FILE)
"""Copied after all others, in this order: what `last.pt` counts as finished is there before it, and what a status says
has been copied."""


def push_trial(store: ObjectStore, folder: Path, same: Callable[[Path], bool] = lambda path: False) -> bytes | None:
    """Copies a trial as it is now, which may be running, and removes what it does not have any more. Gives the status
    that was copied. `same(path)` says of a file that it is there already. Raises StoreError, and OSError when the
    folder cannot be read."""
    place = f"{records.TRIALS_DIR}/{folder.name}"
    status = _read(folder / records.STATUS_FILE)
    with _as_it_is(folder / records.LAST_FILE) as last:  # before the others, which may then only be further than it
        pushed = push_files(store, folder, place, same, but_not=ENDS)
        if last is not None:
            store.put(last, f"{place}/{records.LAST_FILE}")
            pushed.add(records.LAST_FILE)
    if status is not None:
        store.write(f"{place}/{records.STATUS_FILE}", status)
        pushed.add(records.STATUS_FILE)
    for gone in set(store.list(place)) - pushed:
        store.remove(f"{place}/{gone}")
    return status


def push_files(
    store: ObjectStore,
    folder: Path,
    place: str,
    same: Callable[[Path], bool] = lambda path: False,
    but_not: tuple[str, ...] = (),
) -> set[str]:
    """Copies the files of a folder, at any depth, and gives their paths in it; without hidden ones, which are locks and
    files that are being written."""
    pushed = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in but_not or any(part.startswith(".") for part in name.split("/")) or not path.is_file():
            continue
        try:
            if not same(path):
                store.put(path, f"{place}/{name}")
        except FileNotFoundError:
            continue
        pushed.add(name)
    return pushed


def fetch_trial(store: ObjectStore, folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Copies a trial from the store into `folder`, its status last. Raises StoreError, OSError."""
    place = f"{records.TRIALS_DIR}/{folder.name}"
    names = [name for name in store.list(place) if wanted(name)]
    for name in sorted(names, key=lambda name: ENDS.index(name) if name in ENDS else -1):
        store.get(f"{place}/{name}", folder / name)


def _read(path: Path) -> bytes | None:
    try:
        return records.read_bytes(path)
    except FileNotFoundError:
        return None


@contextmanager
def _as_it_is(path: Path) -> Iterator[Path | None]:
    """Another name of a file that may be replaced or removed meanwhile; None when there is none."""
    kept = path.with_name(f".{path.name}.{uuid.uuid4().hex}{records.TEMPORARY_SUFFIX}")
    try:
        try:
            os.link(path, kept)
        except OSError:
            if path.exists():  # on a file system without links
                shutil.copyfile(path, kept)
        yield kept if kept.exists() else None
    finally:
        kept.unlink(missing_ok=True)
