"""Sets of arrays that are made once per machine and memory-mapped by every process that needs them, within a bound.

    <root>/<name>/<array>.npy    one set, whole; `name` says what is in it (a hash of what it was made from)
    <root>/<name>/used           empty; its time is that of the last use, and who uses the set holds a shared lock on it
    <root>/<name>.lock           held by the process that makes the set
    <root>/room.lock             held while room is made for one

All of it may be deleted at any time without changing a result. The least recently used sets go when a new one would
exceed the bound or finds the disk full, never one that a living process has open.
"""

import fcntl
import math
import os
import shutil
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from filelock import Timeout

from segtrain.errors import UserError
from segtrain.machine.disk import NO_SPACE, DiskError, locked, put_in_place, temporary_folder

ROOT_VARIABLE = "SEGTRAIN_CACHE"
BOUND_VARIABLE = "SEGTRAIN_CACHE_GB"
DEFAULT_BOUND_GB = 100.0
GB = 10**9
USED_FILE = "used"
ROOM_LOCK = "room.lock"

Array = npt.NDArray[Any]


class Layout(NamedTuple):
    """What an array will be, known before it is made."""

    shape: tuple[int, ...]
    dtype: npt.DTypeLike

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


Fill: TypeAlias = Callable[[Mapping[str, Array]], None]
"""Writes every array of a set."""


class SetRecipe(NamedTuple):
    """How a set is made where it is absent."""

    layouts: Mapping[str, Layout]
    fill: Fill


class StoredArrays:
    """Read-only memory maps of one set, by name. While this object lives, the set is in use and is not evicted."""

    def __init__(self, arrays: Mapping[str, Array], used: int) -> None:
        """`used` is a descriptor that holds the shared lock; it is closed with this object."""
        self.arrays = arrays
        weakref.finalize(self, os.close, used)

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


class ArrayStore:
    """The sets under `root`, which together take at most `bound_bytes`."""

    def __init__(self, root: Path, bound_bytes: int) -> None:
        self.root, self.bound_bytes = root, bound_bytes

    def open(self, name: str, layouts: Mapping[str, Layout], fill: Fill) -> StoredArrays:
        """The set `name`, made first when it is absent or damaged: `fill(arrays)` writes every array of `layouts`.

        Of several processes that open a set at once one makes it, and the others wait for it. Its space is reserved
        before `fill` is called. Raises DiskError when it does not fit; what `fill` raises is passed on.
        """
        return self.open_all({name: SetRecipe(layouts, fill)})[name]

    def open_all(self, sets: Mapping[str, SetRecipe]) -> dict[str, StoredArrays]:
        """Likewise several sets. Processes that open the same ones at once share the work: each makes what no other is
        making, and waits for those sets at the end."""
        needed = sum(layout.nbytes for recipe in sets.values() for layout in recipe.layouts.values())
        if needed > self.bound_bytes:
            verb = "needs" if len(sets) == 1 else "need"
            raise DiskError(
                f"{', '.join(sets)} {verb} {_gb(needed)} in {self.root}, but {BOUND_VARIABLE} allows "
                f"{_gb(self.bound_bytes)}; set it higher"
            )
        opened: dict[str, StoredArrays] = {}
        for timeout_s in (0, -1):
            for name in [name for name in sets if name not in opened]:
                with suppress(Timeout):
                    opened[name] = self._open(name, *sets[name], timeout_s)
        return opened

    def _open(self, name: str, layouts: Mapping[str, Layout], fill: Fill, timeout_s: float) -> StoredArrays:
        """Raises Timeout when another process has been making it for longer."""
        found = self._open_whole(name, layouts)
        if found is None:
            self.root.mkdir(parents=True, exist_ok=True)
            with locked(self.root / f"{name}.lock", timeout_s):
                found = self._open_whole(name, layouts) or self._make(name, layouts, fill)
        return found

    def _open_whole(self, name: str, layouts: Mapping[str, Layout]) -> StoredArrays | None:
        """None when there is no such set, or one that is not what `layouts` say, such as a truncated one."""
        folder = self.root / name
        try:
            used = os.open(folder / USED_FILE, os.O_RDONLY)
        except FileNotFoundError:
            return None
        arrays: dict[str, Array] = {}
        held = StoredArrays(arrays, used)
        fcntl.flock(used, fcntl.LOCK_SH)  # waits for who is just removing the set
        try:
            if not os.path.samestat(os.fstat(used), os.stat(folder / USED_FILE)):
                return None
            for array, layout in layouts.items():
                mapped = np.load(folder / f"{array}.npy", mmap_mode="r")
                if (mapped.shape, mapped.dtype) != (layout.shape, np.dtype(layout.dtype)):
                    return None
                arrays[array] = mapped
        except (FileNotFoundError, ValueError, EOFError):
            return None
        with suppress(OSError):  # somebody else's store, or a read-only one
            os.utime(used)
        return held

    def _make(self, name: str, layouts: Mapping[str, Layout], fill: Fill) -> StoredArrays:
        """Called by the one process that holds the lock of `name`."""
        folder = self.root / name
        with locked(self.root / ROOM_LOCK):
            self._remove_strays(name)
            if folder.exists():
                print(f"{folder} is damaged; it is made again", file=sys.stderr)
                shutil.rmtree(folder)
            temporary = self._reserve(folder, layouts)
        try:
            used = os.open(temporary / USED_FILE, os.O_RDONLY | os.O_CREAT, 0o666)
            held = StoredArrays({}, used)
            fcntl.flock(used, fcntl.LOCK_SH)  # so that nobody removes the set between the next lines
            arrays = {array: np.load(temporary / f"{array}.npy", mmap_mode="r+") for array in layouts}
            fill(arrays)
            for mapped in arrays.values():
                mapped.flush()
            del arrays
            with locked(self.root / ROOM_LOCK):  # so that nobody who counts meets it under neither name
                put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        opened = self._open_whole(name, layouts)
        if opened is None:
            raise DiskError(f"{folder} was removed while it was made; let one command at a time clear {self.root}")
        del held
        return opened

    def _reserve(self, folder: Path, layouts: Mapping[str, Layout]) -> Path:
        """A temporary folder with every array at its full size, for which the disk has the room. Called under the lock
        of the room, so that two processes do not reckon with the same space."""
        needed = sum(layout.nbytes for layout in layouts.values())
        what = f"{folder.name} needs {_gb(needed)} in {self.root}"
        total, freed = sum(map(_size, [*self._sets(), *self._unfinished()])), self._evict_unused()
        while total + needed > self.bound_bytes:
            size = next(freed, None)
            if size is None:
                raise DiskError(
                    f"{what}, but {BOUND_VARIABLE} allows {_gb(self.bound_bytes)} and {_gb(total)} are in use; set it "
                    "higher, or wait for the other commands"
                )
            total -= size
        while True:
            temporary = temporary_folder(folder)
            try:
                for array, layout in layouts.items():
                    _reserve_file(temporary / f"{array}.npy", layout)
                return temporary
            except OSError as error:
                shutil.rmtree(temporary)
                if error.errno in NO_SPACE and next(freed, None) is not None:
                    continue
                free = shutil.disk_usage(self.root).free
                raise DiskError(
                    f"no space left on {self.root}: {folder.name} needs {_gb(needed)} and {_gb(free)} are free "
                    f"({error.strerror}); free some, or name a folder on another disk with {ROOT_VARIABLE}"
                ) from None

    def _sets(self) -> list[Path]:
        """Every whole set, the least recently used first, and no other folder that somebody keeps here."""
        marks = [mark for mark in self.root.glob(f"*/{USED_FILE}") if not mark.parent.name.startswith(".")]
        return [mark.parent for mark in sorted(marks, key=lambda mark: mark.stat().st_mtime_ns)]

    def _unfinished(self) -> list[Path]:
        """Sets that are being made, or were when their maker was killed."""
        return [path for path in self.root.glob(".*.tmp") if path.is_dir()]

    def _evict_unused(self) -> Iterator[int]:
        """Removes a set at each step, the least recently used first, and gives the bytes that it had."""
        for folder in self._sets():
            try:
                used = os.open(folder / USED_FILE, os.O_RDONLY)
            except OSError:
                continue
            try:
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = _size(folder)
                # Renamed first: killed while it removes, it leaves a stray, never half a set.
                stray = temporary_folder(folder)
                os.replace(folder, stray)
            except OSError:  # in use, or another user's
                continue
            finally:
                os.close(used)
            shutil.rmtree(stray, ignore_errors=True)
            yield size

    def _remove_strays(self, name: str) -> None:
        """What was left by processes that were killed: of `name`, whose lock the caller holds, and of every set that
        nobody is making."""
        for stray in self._unfinished():
            owner = stray.name[1:].rsplit(".", 2)[0]
            if owner == name:
                shutil.rmtree(stray, ignore_errors=True)
                continue
            with suppress(Timeout, DiskError), locked(self.root / f"{owner}.lock", timeout_s=0):
                shutil.rmtree(stray, ignore_errors=True)


def machine_store() -> ArrayStore:
    """The store of this machine. Raises UserError when its bound is no number of gigabytes."""
    text = os.environ.get(BOUND_VARIABLE, str(DEFAULT_BOUND_GB))
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if not 0 < bound < math.inf:
        raise UserError(f"{BOUND_VARIABLE} is {text!r}; allowed: a number of gigabytes > 0, such as 50")
    return ArrayStore(cache_root(), int(bound * GB))


def cache_root() -> Path:
    """`$SEGTRAIN_CACHE`, else the user's cache folder. It belongs to one machine: never on a network drive."""
    if ROOT_VARIABLE in os.environ:
        return Path(os.environ[ROOT_VARIABLE])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "segtrain"


def _reserve_file(path: Path, layout: Layout) -> None:
    """Writes the header of an array and takes the space of the rest: a full disk is an error here, and not a signal
    that ends the process (SIGBUS) when a page of the mapped file is written."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(layout.dtype)), "fortran_order": False}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": layout.shape})
        file.flush()
        os.posix_fallocate(file.fileno(), 0, file.tell() + layout.nbytes)


def _size(folder: Path) -> int:
    """In bytes; what vanishes meanwhile counts nothing."""
    size = 0
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            size += path.stat().st_size
    return size


def _gb(size: int) -> str:
    return f"{size / GB:.3g} GB"
