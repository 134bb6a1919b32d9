"""Own code that has changed since trials were trained: who is asked about, and what each answer does."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from segtrain import own_code, records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import CodeChoice
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlanError, make_plan
from sweeps.engine.plan.earlier.code_changes import choose_again, move_away

PARENT = TrialConfig(arch="changing:Net", dataset="scenes_source", init="scratch")
CHILD = TrialConfig(arch="changing:Net", dataset="scenes", init="parent", parent=PARENT.trial_id)
OTHER = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")
TRIALS = [Trial(PARENT, "pretrain", "pretrain"), Trial(CHILD, "child", "trial"), Trial(OTHER, "other", "trial")]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "changing.py"
    path.write_text("class Net:\n    pass\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(path.parent)])
    importlib.invalidate_caches()
    yield path
    sys.modules.pop("changing", None)
    own_code.sources.cache_clear()


def put(out: Path, config: TrialConfig, state: records.State, source: Path | None) -> Path:
    """The folder of a trial that was trained with what stands in `source` now."""
    folder = records.trial_dir(out, config.trial_id)
    folder.mkdir(parents=True)
    records.write_status(folder, records.Status(state=state, epoch=0, epochs=30, runtime_s=1.0))
    digest = None if source is None else own_code.digest({source.name: source.read_bytes()})
    code = {"sha256": digest, "files": ["changing.py"], "earlier": []}
    records.write_json(folder / records.ENV_FILE, {} if source is None else {records.CODE_KEY: code})
    return folder


def test_unchanged_code_and_no_code_need_no_choice(tmp_path: Path, source: Path) -> None:
    put(tmp_path, PARENT, "finished", source)
    put(tmp_path, OTHER, "finished", None)
    assert choose_again(TRIALS, tmp_path, None) == set()
    assert choose_again(TRIALS, tmp_path, "changed=rerun") == set()


def test_changed_code_is_asked_about(tmp_path: Path, source: Path) -> None:
    put(tmp_path, PARENT, "finished", source)
    source.write_text("class Net:\n    other = 1\n")
    sentence = (
        f"the code of changing:Net has changed since 1 of the trials were trained ({PARENT.trial_id}); type --code "
        "changed=rerun to train them again, or --code changed=keep to let them stand"
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        choose_again(TRIALS, tmp_path, None)
    assert choose_again(TRIALS, tmp_path, "changed=keep") == set()


def test_a_parent_that_is_trained_again_takes_its_children_along(tmp_path: Path, source: Path) -> None:
    put(tmp_path, PARENT, "finished", source)
    source.write_text("class Net:\n    other = 1\n")
    put(tmp_path, CHILD, "finished", source)
    put(tmp_path, OTHER, "finished", None)
    again = choose_again(TRIALS, tmp_path, "changed=rerun")
    assert again == {PARENT.trial_id, CHILD.trial_id}
    planned = make_plan(TRIALS[:2], tmp_path, again=again)
    assert [(one.action, one.epoch, one.status) for one in planned] == [("run", 0, None), ("wait", 0, None)]


def test_a_trial_that_failed_before_its_first_checkpoint_is_just_tried_again(tmp_path: Path, source: Path) -> None:
    folder = put(tmp_path, PARENT, "failed", source)
    source.write_text("class Net:\n    other = 1\n")
    assert choose_again(TRIALS, tmp_path, None) == set()
    (folder / records.LAST_FILE).touch()
    with pytest.raises(PlanError, match=r"^the code of changing:Net has changed"):
        choose_again(TRIALS, tmp_path, None)


def test_what_is_trained_again_is_moved_aside(tmp_path: Path, source: Path) -> None:
    for _ in range(2):
        put(tmp_path, PARENT, "finished", source)
        move_away([PARENT.trial_id, CHILD.trial_id], tmp_path)
    assert not records.trial_dir(tmp_path, PARENT.trial_id).exists()
    aside = sorted(path.name for path in (tmp_path / "replaced").iterdir())
    assert aside == [f"{PARENT.trial_id}-1", f"{PARENT.trial_id}-2"]
    assert (tmp_path / "replaced" / aside[0] / records.ENV_FILE).exists()


def test_what_another_process_trains_stays(tmp_path: Path, source: Path) -> None:
    folder = put(tmp_path, PARENT, "running", source)
    with FileLock(folder / records.LOCK_FILE), pytest.raises(PlanError, match=r"is being trained by another process"):
        move_away([PARENT.trial_id], tmp_path)
    assert folder.exists()


def test_code_that_changed_since_a_shorter_trial_is_asked_about_as_if_it_were_half_done(
    tmp_path: Path, source: Path
) -> None:
    put(tmp_path, PARENT, "finished", source)
    source.write_text("class Net:\n    other = 1\n")
    longer = PARENT.edit(epochs=60)

    def choose(choice: CodeChoice | None, shorter: TrialConfig | None) -> set[str]:
        return choose_again([Trial(longer, "longer", "trial")], tmp_path, choice, lambda config: shorter)

    assert choose(None, None) == set()
    with pytest.raises(PlanError, match=r"^the code of changing:Net has changed since 1 of the trials"):
        choose(None, PARENT)
    assert choose("changed=keep", PARENT) == set()
    assert choose("changed=rerun", PARENT) == {longer.trial_id}
    put(tmp_path, longer, "finished", source)
    assert choose(None, PARENT) == set(), "its own code is what counts, once it has ended"
