"""Counting in a process of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segtrain.config import TrialConfig
from segtrain.training import operation_counts
from segtrain.training.operation_counts import counting, flops_per_image

Tiny = Callable[..., TrialConfig]


@pytest.fixture(autouse=True)
def nothing_counted(isolated: None) -> None:
    operation_counts._found.cache_clear()


def refuse(*args: object) -> None:
    raise AssertionError("counted here")


def test_what_another_process_counted_is_not_counted_here(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [tiny(arch=arch) for arch in ("fcn32s", "unet")]
    expected = [operation_counts._make(config, 13, (3,)) for config in configs]
    with counting((config, 13, (3,)) for config in configs) as counted:
        counted()
    monkeypatch.setattr(operation_counts, "_make", refuse)
    found = [flops_per_image(config, 13) for config in configs]
    assert found == [(result["training"], result["evaluation"]) for result in expected]
    with counting((config, 13, (3,)) for config in configs) as counted:
        assert counted() is None, "nothing is left to count, so there is no process"


def test_what_another_process_could_not_count_is_counted_here(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with counting([(tiny(arch="unet"), 13, (3,))]) as counted:
        assert counted() == 1
    assert flops_per_image(tiny(arch="unet"), 13)[0] > 0


def test_a_block_that_is_left_ends_its_process(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    with pytest.raises(KeyboardInterrupt), counting([(tiny(arch="unet"), 13, (3,))]) as counted:
        raise KeyboardInterrupt
    assert counted() == -9
