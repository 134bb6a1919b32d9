"""What a disk may refuse, said in one line: locks that cannot be taken, no space left; and folders that appear whole
or not at all, once, however many processes want them."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from segtrain.errors import UserError
from segtrain.records import sync_folder

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


NO_SPACE_LEFT = "no space left on"


class DiskError(UserError):
    """A folder cannot be locked, or has no space left."""


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk or an exhausted quota is behind `error`; libraries raise errors of their own on top."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def locked(path: Path, timeout_s: float = -1) -> Iterator[None]:
    """Holds the lock `path`, a file beside what it guards; the default waits for it as long as it takes.

    Raises Timeout when another process holds it for longer, and DiskError when nobody could take it: another user's
    file, a folder in its place, a read-only folder, a file system without locks.
    """
    # A soft lock, a mere file, would outlive an owner that was killed.
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise
    except OSError as error:
        raise DiskError(
            f"{path.parent} cannot be locked ({path.name}: {error.strerror or error}); make it yours to write, or "
            "choose a folder that is, on a file system with locks"
        ) from None
    try:
        yield
    finally:
        lock.release()


def write_once(folder: Path, fill: Callable[[Path], None]) -> None:
    """Lets `fill(temporary)` write into a new folder that then becomes `folder`; one that exists is left as it is.

    Of several processes that call this at once one writes, and the others wait for it. What `fill` raises is passed on.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{folder}.lock")):
        for stray in folder.parent.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(stray)  # of a writer that was killed
        if folder.exists():
            return
        temporary = temporary_folder(folder)
        try:
            fill(temporary)
            put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(folder: Path) -> Path:
    """A new folder beside `folder`, hidden: `.<name>.<random>.tmp`."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    return temporary


def put_in_place(temporary: Path, folder: Path) -> None:
    """Renames `temporary` once all that it holds is on the disk: after a power cut too, `folder` is whole or absent."""
    for place, _, names in os.walk(temporary):
        for name in names:
            with open(Path(place) / name, "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))
    os.replace(temporary, folder)
    sync_folder(folder.parent)
