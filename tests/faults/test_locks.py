"""A lock that cannot be taken is told with its folder, costs that trial alone, and is never waited for."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine.disk import DiskError
from segtrain.training.trial import train
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.run.queue.trial_queue import TrialQueue

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")
SICK, SOUND = Trial(BASE, "sick", "trial"), Trial(BASE.edit(lr=0.5), "sound", "trial")


def make_queue(out: Path) -> TrialQueue:
    costs = {SICK.trial_id: 2.0, SOUND.trial_id: 1.0}
    plan = make_plan([SICK, SOUND], out)
    return TrialQueue(plan, costs, out, lambda: 2, lambda trial: {"name": trial.run_name})


def test_a_folder_in_place_of_a_lock_fails_its_trial_and_the_next_one_runs(tmp_path: Path) -> None:
    folder = records.trial_dir(tmp_path, SICK.trial_id)
    (folder / records.LOCK_FILE).mkdir(parents=True)
    queue = make_queue(tmp_path)
    assert queue.suggest("a") == {"name": "sound"}
    status = records.read_status(folder)
    assert status is not None
    assert status.state == "failed"
    sentence = f"{folder} cannot be locked (.lock: Is a directory); make it yours to write, or choose a folder that is"
    assert status.reason is not None
    assert status.reason.startswith(sentence)
    queue.on_trial_complete(trial_id="a", result={"outcome": "ended"})
    assert queue.suggest("b") == Searcher.FINISHED
    assert queue.unwritten == {}


def test_a_read_only_folder_fails_its_trial_and_is_told(small_disk: Callable[[int], Path]) -> None:
    out = small_disk(100)
    folder = records.trial_dir(out, SICK.trial_id)
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
    queue = make_queue(out)
    assert queue.suggest("a") == Searcher.FINISHED
    assert queue.unwritten[SICK.trial_id].startswith(f"{folder} cannot be locked (.lock: Read-only file system)")
    assert "Read-only file system" in queue.unwritten[SOUND.trial_id]


def test_a_worker_says_what_it_cannot_lock(tmp_path: Path, tiny: Callable[..., TrialConfig]) -> None:
    (tmp_path / "trial" / records.LOCK_FILE).mkdir(parents=True)
    with pytest.raises(DiskError, match=f"^{re.escape(str(tmp_path / 'trial'))} cannot be locked"):
        list(train(tiny(), tmp_path / "trial", tmp_path, 1))
