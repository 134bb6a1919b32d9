"""A trial that cannot even begin in a worker: it has failed, once, with its reason, and the worker takes the next."""

from pathlib import Path
from typing import Any

import pytest

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.run.trainable import OUTCOME, REASON, TrialTrainable
from tests.sweeps.harness import NO_TRACKING

GOOD = TrialConfig(arch="fcn8s", dataset="roads", init="scratch")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a worker gets for a trial whose architecture this installation does not know."""
    monkeypatch.chdir(tmp_path)
    return {
        "trial": {**GOOD.to_dict(), "arch": "from_tomorrow"}, "trial_id": "from_tomorrow-1", "run_name": "run",
        "study": "study", "out": str(tmp_path / "out"), "data_root": str(tmp_path), "import_path": [],
        "data_places": {}, "directory": str(tmp_path), "tracking": NO_TRACKING, "cpus": 1, "gpus": 0,
        "shorter": None, "extendable": False,
    }  # fmt: skip


def test_a_trial_that_cannot_begin_has_failed_at_once(settings: dict[str, Any], tmp_path: Path) -> None:
    trainable = TrialTrainable(settings)
    result = trainable.step()
    assert result["done"]
    assert result[OUTCOME] == "ended"
    assert result[REASON].startswith("ConfigError: arch is 'from_tomorrow'; ")
    status = records.read_status(records.trial_dir(tmp_path / "out", "from_tomorrow-1"))
    assert status is not None
    assert (status.state, status.reason) == ("failed", result[REASON])


def test_the_worker_takes_the_next_trial(settings: dict[str, Any], tmp_path: Path) -> None:
    trainable = TrialTrainable(settings)
    trainable.step()
    assert trainable.reset_config({**settings, "trial": GOOD.to_dict(), "trial_id": GOOD.trial_id})
    result = trainable.step()  # there is no data at that data root
    assert result[REASON] is not None
    assert "from_tomorrow" not in result[REASON]
    trainable.cleanup()
