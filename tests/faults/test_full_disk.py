"""A full disk is a sentence and a trial that can go on, never a signal, a traceback or half a file."""

import errno
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.cache import open_cache
from segtrain.data.roads import ROADS
from segtrain.machine.array_store import GB, Array, ArrayStore, Layout
from segtrain.machine.disk import DiskError, is_full
from segtrain.training import checkpoint
from segtrain.training.trial import train

SmallDisk = Callable[[int], Path]
MEGABYTE = {"pixels": Layout((1_000_000,), np.uint8)}


def ones(arrays: Mapping[str, Array]) -> None:
    arrays["pixels"][:] = 1


def test_a_set_that_the_disk_cannot_hold_is_refused_before_a_byte_is_written(small_disk: SmallDisk) -> None:
    """Written without room, a page of a mapped file ends the process: SIGBUS."""
    store = ArrayStore(small_disk(512), GB)
    sentence = f"no space left on {store.root}: large needs 0.001 GB and .+ GB are free (No space left on device); free"
    with pytest.raises(DiskError, match="^" + re.escape(sentence).replace(r"\.\+", ".+")):
        store.open("large", MEGABYTE, lambda arrays: pytest.fail("had no room"))
    assert {path.name for path in store.root.iterdir()} == {"large.lock", "room.lock"}


def test_unused_sets_make_room_on_a_full_disk(small_disk: SmallDisk) -> None:
    store = ArrayStore(small_disk(2_500), GB)
    for time, name in enumerate(("old", "new")):
        store.open(name, MEGABYTE, ones)
        os.utime(store.root / name / "used", (time, time))
    assert store.open("third", MEGABYTE, ones)["pixels"].all()
    assert {path.name for path in store.root.iterdir() if path.is_dir()} == {"new", "third"}


def test_images_that_do_not_fit_are_a_sentence(
    small_disk: SmallDisk, roads_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk(256)
    monkeypatch.setenv("SEGTRAIN_CACHE", str(disk))
    with pytest.raises(DiskError, match=rf"^no space left on {re.escape(str(disk))}: roads-256x192-[0-9a-f]+ needs "):
        open_cache(ROADS, roads_root, 192, 256)
    assert not [path for path in disk.iterdir() if path.is_dir()]


def test_a_disk_that_fills_up_fails_the_trial_which_goes_on_when_there_is_room(
    small_disk: SmallDisk,
    fill: Callable[[Path], Path],
    roads_root: Path,
    tiny: Callable[..., TrialConfig],
    tmp_path: Path,
    status: Callable[[Path], records.Status],
    run_trial: Callable[..., list[dict[str, Any]]],
    outcome: Callable[[Path], dict[str, Any]],
) -> None:
    config, folder = tiny(), small_disk(24_000) / "trial"
    epochs = train(config, folder, roads_root, 1)
    next(epochs)
    next(epochs)  # the checkpoint of the first is whole
    filler = fill(folder.parent)
    with pytest.raises(DiskError, match=f"^no space left on {re.escape(str(folder))}$"):
        list(epochs)
    failed = status(folder)
    assert (failed.state, failed.reason) == ("failed", f"no space left on {folder}")
    assert not list(folder.glob(f".*{records.TEMPORARY_SUFFIX}"))
    last = checkpoint.load_last(folder)
    assert last is not None
    assert last["progress"]["epoch"] >= 1
    assert list(epochs) == []
    filler.unlink()
    run_trial(config, folder, roads_root)
    whole = tmp_path / "whole"
    run_trial(config, whole, roads_root)
    assert outcome(folder) == outcome(whole)
    assert not (folder / records.ROOM_FILE).exists()


def test_a_trial_without_a_byte_of_room_says_so(
    small_disk: SmallDisk, fill: Callable[[Path], Path], roads_root: Path, tiny: Callable[..., TrialConfig]
) -> None:
    folder = small_disk(500) / "trial"
    folder.mkdir()
    (folder / records.LOCK_FILE).touch()
    fill(folder)
    with pytest.raises(DiskError, match=f"^no space left on {re.escape(str(folder))}$"):
        list(train(tiny(), folder, roads_root, 1))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """Where nothing can be mounted: torch.save, which may raise an error of its own on top."""

    class Full:
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self) -> None: ...

    path = tmp_path / records.LAST_FILE
    records.write_atomic(path, b"old")
    with pytest.raises((OSError, RuntimeError)) as caught, records.atomic_file(path):
        torch.save({"weight": torch.zeros(9)}, Full())  # type: ignore[arg-type]
    assert is_full(caught.value)
    assert not is_full(RuntimeError("another"))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {records.LAST_FILE: b"old"}
