"""Whether it is the same data: a hash over what the files hold and how it is read, not over names, places or times."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from segtrain import records
from segtrain.data.spec import SPLITS, DataError, Pair, Split

READERS = 8  # threads; hashing lets go of the interpreter, and a network drive wants several requests at once
BATCH = 64  # files a task; one task each would weigh more than the files' hashes
SETTLED_NS = 2 * 10**9
"""A file that changed this shortly before it was read may change again within the same tick of its clock, unseen."""


def fingerprint(pairs: Mapping[Split, list[Pair]], decoding: Mapping[str, Any], index: Path) -> str:
    """`records.FINGERPRINT_DIGITS` hex digits over the content of every image and mask, its place in its split, and
    `decoding`, plain values that say how files become arrays.

    `index` is a file that remembers the hash of each file by its size, times and inode: an unchanged file is not read
    again. It may be deleted at any time. Raises DataError naming every file that cannot be read.
    """
    paths = [path for split in SPLITS for pair in pairs[split] for path in (*pair.images, *pair.masks)]
    hashes = _hash_files(dict.fromkeys(paths), index)
    digest = hashlib.sha256(json.dumps(decoding, sort_keys=True).encode())
    for split in SPLITS:
        for pair in pairs[split]:
            digest.update(f"{split} {' '.join(hashes[path] for path in (*pair.images, *pair.masks))}\n".encode())
    return digest.hexdigest()[: records.FINGERPRINT_DIGITS]


def stderr_progress() -> Progress:
    """A bar for whoever watches, and nothing in a log."""
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal, transient=True)


def _hash_files(paths: Iterable[Path], index: Path) -> dict[Path, str]:
    known, began = _read_index(index), time.time_ns()
    hashes: dict[Path, str] = {}
    marks: dict[Path, list[int]] = {}
    problems: list[str] = []

    for path in paths:
        try:
            stat = os.stat(path)
        except OSError as error:
            problems.append(f"{path}: cannot be read ({error.strerror})")
            continue
        marks[path] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        mark, hashed = known.get(str(path), (None, ""))
        if mark == marks[path]:
            hashes[path] = hashed
    unread = [path for path in marks if path not in hashes]
    batches = [unread[start : start + BATCH] for start in range(0, len(unread), BATCH)]
    with stderr_progress() as progress, ThreadPoolExecutor(READERS) as pool:
        for found in progress.track(pool.map(_hash_batch, batches), len(batches), description="reading the files"):
            for path, hashed in found.items():
                if isinstance(hashed, OSError):
                    problems.append(f"{path}: cannot be read ({hashed.strerror})")
                else:
                    hashes[path] = hashed
    if problems:
        raise DataError(*problems)
    if unread:
        last = began - SETTLED_NS
        settled = {str(path): [mark, hashes[path]] for path, mark in marks.items() if max(mark[1:3]) < last}
        with suppress(OSError):  # a full disk costs the next command a moment, and this one nothing
            index.parent.mkdir(parents=True, exist_ok=True)
            records.write_json(index, settled)
    return hashes


def _hash_batch(paths: list[Path]) -> dict[Path, str | OSError]:
    found: dict[Path, str | OSError] = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                found[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            found[path] = error
    return found


def _read_index(index: Path) -> dict[str, Any]:
    """Path -> [[size, mtime_ns, ctime_ns, inode], hash]; empty when there is none, or a torn one."""
    try:
        return records.read_json(index)
    except (OSError, records.RecordError):
        return {}
