"""Folders that appear whole or not at all, once, however many processes want them."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def write_once(folder: Path, fill: Callable[[Path], None]) -> None:
    """Lets `fill(temporary)` write into a new folder that then becomes `folder`; one that exists is left as it is.

    Of several processes that call this at once one writes, and the others wait for it. What `fill` raises is passed on.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock, a mere file, would outlive a writer that was killed.
    with FileLock(f"{folder}.lock", fallback_to_soft=False):
        for stray in folder.parent.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(stray)  # of a writer that was killed
        if folder.exists():
            return
        temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
        temporary.mkdir()
        try:
            fill(temporary)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
