"""Folders that appear whole or not at all, once."""

import subprocess
import sys
from pathlib import Path

import pytest

from segtrain.machine.disk import write_once


def fill(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "file").write_text("whole")


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_filled_once_and_others_can_read_it(tmp_path: Path) -> None:
    root = tmp_path / "missing" / "folder"
    for _ in range(2):
        write_once(root, fill)
    assert (root / "inside" / "file").read_text() == "whole"
    assert root.stat().st_mode == (tmp_path / "missing").stat().st_mode
    assert entries(root.parent) == ["folder", "folder.lock"]


def test_one_that_exists_is_left_as_it_is_and_needs_no_lock(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    write_once(root, fill)
    assert entries(tmp_path) == ["folder"]
    assert entries(root) == []


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_once(tmp_path / "folder", fail)
    assert entries(tmp_path) == ["folder.lock"]


KILLED = """
import os, signal, sys
from pathlib import Path
from segtrain.machine.disk import write_once

def fill(folder):
    (folder / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)

write_once(Path(sys.argv[1]), fill)
"""


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    assert subprocess.run([sys.executable, "-c", KILLED, str(root)]).returncode == -9
    (stray,) = [name for name in entries(tmp_path) if name.endswith(".tmp")]
    assert not root.exists()
    other = tmp_path / ".folder2.0.tmp"  # of a writer of another folder, which may be alive
    other.mkdir()
    write_once(root, fill)
    assert stray not in entries(tmp_path)
    assert other.exists()
    assert entries(root) == ["inside"]
