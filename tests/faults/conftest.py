"""Disks that are small, full or read-only, and the recipes and commands that meet them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.segtrain.conftest import isolated, outcome, roads_root, run_trial, status, tiny, write_roads
from tests.sweeps.conftest import call, data_root, environment

__all__ = ["call", "data_root", "environment", "isolated", "outcome", "roads_root", "run_trial", "status", "tiny"]
__all__ += ["write_roads"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """small_disk(kilobytes) -> the root of a file system of that size; skips where mounting is not allowed."""
    mounted: list[Path] = []

    def mount(kilobytes: int) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mounting a file system is not allowed here")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def fill() -> Callable[[Path], Path]:
    """fill(folder) -> a file that takes what its disk has left."""

    def write(folder: Path) -> Path:
        path = folder / "filler"
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return path

    return write
