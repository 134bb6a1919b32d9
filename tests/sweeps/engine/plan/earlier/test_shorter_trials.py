"""Which finished trial a longer one goes on from, and what is said of those that are no use."""

from pathlib import Path

import pytest

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial, make_plan
from sweeps.engine.plan.earlier.shorter_trials import ShorterTrials, starting_folders, without_state
from tests.sweeps.engine.plan.test_actions import made_from, put

LONG = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=60)
SHORT, SHORTER = LONG.edit(epochs=30), LONG.edit(epochs=20)
THEN, NOW = "a" * 16, "b" * 16


def look(out: Path, config: TrialConfig, fingerprint: str | None = None) -> tuple[TrialConfig | None, list[str]]:
    """The longest, and what was said; looked for twice, since nothing is to be said twice."""
    said: list[str] = []
    shorter = ShorterTrials(out, lambda name: fingerprint, said.append)
    assert shorter.longest(config) == shorter.longest(config)
    return shorter.longest(config), said


def plan(out: Path, *configs: TrialConfig, **how: object) -> list[PlannedTrial]:
    longest = ShorterTrials(out, lambda name: None, lambda text: None).longest
    trials = [Trial(config, config.run_name, "trial") for config in configs]
    return make_plan(trials, out, longest=longest, **how)  # type: ignore[arg-type]


def test_the_plan_names_the_longest_and_counts_what_is_left(tmp_path: Path) -> None:
    for config in (SHORT, SHORTER, LONG.edit(epochs=90), SHORT.edit(lr=0.5)):
        put(tmp_path, config, "finished", epoch=config.epochs)
    planned = plan(tmp_path, SHORT, LONG)
    assert [each.describe() for each in planned] == [
        "skip, finished",
        f"continue at epoch 31 from {SHORT.trial_id}",
    ]
    assert [each.epochs_left for each in planned] == [0, 30]
    assert look(tmp_path, LONG) == (SHORT, [])


def test_what_has_a_checkpoint_of_its_own_or_is_to_begin_anew_goes_on_from_none(tmp_path: Path) -> None:
    put(tmp_path, SHORT, "finished", epoch=30)
    assert [each.describe() for each in plan(tmp_path, LONG, again={LONG.trial_id})] == ["run"]
    put(tmp_path, LONG, "running", epoch=40)
    assert [each.describe() for each in plan(tmp_path, LONG)] == ["resume at epoch 41"]


def test_a_child_needs_the_same_parent_and_then_none(tmp_path: Path) -> None:
    parent = LONG.edit(dataset="scenes_source", epochs=2)
    child = LONG.edit(init="parent", parent=parent.trial_id)
    other = child.edit(parent=parent.edit(epochs=4).trial_id, epochs=30)
    put(tmp_path, other, "finished", epoch=30)
    assert [each.describe() for each in plan(tmp_path, parent, child)] == ["run", "wait for parent"]
    put(tmp_path, child.edit(epochs=30), "finished", epoch=30)
    assert plan(tmp_path, parent, child)[1].action == "continue"


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_rates_that_depend_on_the_number_of_epochs_begin_anew(tmp_path: Path, schedule: str) -> None:
    put(tmp_path, SHORT.edit(schedule=schedule), "finished", epoch=30)
    assert look(tmp_path, LONG.edit(schedule=schedule)) == (None, [])


def test_a_last_epoch_that_was_evaluated_out_of_turn_is_none_of_a_longer_trial(tmp_path: Path) -> None:
    put(tmp_path, LONG.edit(epochs=31), "finished", epoch=31)
    assert look(tmp_path, LONG) == (None, [])


@pytest.mark.parametrize("state", ["running", "failed", "diverged"])
def test_one_that_has_not_finished_is_none(tmp_path: Path, state: records.State) -> None:
    put(tmp_path, SHORT, state, epoch=29)
    assert look(tmp_path, LONG) == (None, [])


def test_a_trial_that_starts_goes_on_where_the_plan_says_so_or_does_not_know_it(tmp_path: Path) -> None:
    folder = put(tmp_path, SHORT, "finished", epoch=30)
    longest = ShorterTrials(tmp_path, lambda name: None, lambda text: None).longest
    trial = Trial(LONG, "long", "trial")
    for planned, expected in (
        (plan(tmp_path, LONG), str(folder)),
        (plan(tmp_path, LONG, again={LONG.trial_id}), None),
        ([], str(folder)),  # one that follows from how others ended
    ):
        assert starting_folders(planned, tmp_path, longest)(trial) == expected
    planned = plan(tmp_path, LONG)
    (folder / records.LAST_FILE).unlink()
    assert starting_folders(planned, tmp_path, longest)(trial) is None


def test_one_that_did_not_keep_its_state_is_none(tmp_path: Path) -> None:
    (put(tmp_path, SHORT, "finished", epoch=30) / records.LAST_FILE).unlink()
    assert look(tmp_path, LONG) == (None, [])
    put(tmp_path, SHORTER, "finished", epoch=20)
    assert without_state(plan(tmp_path, SHORT, SHORTER, LONG), tmp_path) == 1


@pytest.mark.parametrize("harm", ["torn checkpoint", "torn scores", "another config", "other data", "archived"])
def test_one_that_is_no_use_is_told_once_and_the_next_is_taken(tmp_path: Path, harm: str) -> None:
    for config in (SHORT, SHORTER):
        made_from(put(tmp_path, config, "finished", epoch=config.epochs), NOW)
    folder = records.trial_dir(tmp_path, SHORT.trial_id)
    if harm == "torn checkpoint":
        (folder / records.LAST_FILE).write_bytes(b"PK")
        why = f"{folder / records.LAST_FILE} is torn"
    elif harm == "torn scores":
        (folder / records.TEST_FILE).write_text("{")
        why = f"{folder / records.TEST_FILE} is not valid JSON"
    elif harm == "another config":
        records.write_json(folder / records.CONFIG_FILE, SHORT.edit(lr=0.5).to_dict())
        why = f"{folder / records.CONFIG_FILE} belongs to another config: it differs in lr"
    elif harm == "other data":
        made_from(folder, THEN)
        why = "it was trained on other data"
    else:
        records.archived(folder).parent.mkdir(parents=True)
        folder.rename(records.archived(folder))
        why = f"it is archived, in {records.archived(folder)}; restore takes it back"
    found, said = look(tmp_path, LONG, NOW)
    assert found == SHORTER
    assert len(said) == 1
    assert said[0].startswith(f"{LONG.trial_id} does not go on from {SHORT.trial_id}: {why}")


def test_a_finished_trial_with_a_torn_state_is_finished_all_the_same(tmp_path: Path) -> None:
    (put(tmp_path, SHORT, "finished", epoch=30) / records.LAST_FILE).write_bytes(b"PK")
    assert [each.describe() for each in plan(tmp_path, SHORT)] == ["skip, finished"]
