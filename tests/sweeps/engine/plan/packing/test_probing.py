"""Processes that train beside one another: a real one, and one that dies."""

import subprocess
from pathlib import Path

import pytest

from segtrain.config import TrialConfig
from sweeps.engine.plan.packing import probing
from sweeps.engine.plan.packing.probing import Measured, Packing, measure, probe, recall

TINY = TrialConfig(
    arch="fcn8s", dataset="scenes", init="scratch", image_height=32, image_width=32, width_mult=0.0625, batch_size=2
)


@pytest.fixture(autouse=True)
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(probing, "MEASURED_S", 0.1)


def test_what_was_measured_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recall(TINY, Packing(1, 1)) is None
    first = measure(TINY, Packing(1, 1))
    assert first.images_per_s > 0
    assert 0 < first.free_share < 1
    monkeypatch.setattr(probing, "probe", lambda *_: pytest.fail("it was measured"))
    assert measure(TINY.edit(seed=3, lr=0.5, epochs=7), Packing(1, 1)) == first, "trials of one shape"
    assert recall(TINY, Packing(1, 1)) == first
    for other, packing in ((TINY.edit(batch_size=4), Packing(1, 1)), (TINY, Packing(2, 1)), (TINY, Packing(1, 2))):
        assert recall(other, packing) is None


def test_one_that_dies_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "COMMAND", ("/bin/false",))
    assert probe(TINY, Packing(2, 1)) == Measured(0.0, 0.0)


def test_one_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = probing._start

    def watched(*words: object) -> subprocess.Popen[bytes]:
        started.append(start(*words))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(probing, "_start", watched)
    monkeypatch.setattr(probing, "COMMAND", ("/bin/sleep", "60"))
    monkeypatch.setattr(probing, "LONGEST_S", 0.05)
    assert probe(TINY, Packing(1, 1)) == Measured(0.0, 0.0)
    assert [process.returncode for process in started] == [-9]
