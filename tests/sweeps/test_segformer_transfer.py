"""The transfer study: what its strategies differ in, and that a kill anywhere in it changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segtrain import records
from sweeps.engine.ask.study import Study
from sweeps.engine.plan.actions import make_plan
from sweeps.segformer_transfer import DEMO, STUDY
from tests.sweeps.harness import Sweep, finished, half_done, kill, modified

TINY = (
    "--demo", "--set", "image_height=32", "--set", "image_width=32", "--set", "epochs=3", "--set", "val_every=1",
    "--wandb", "disabled",
)  # fmt: skip


def test_the_strategies_differ_in_what_the_report_says_and_in_nothing_else() -> None:
    for study in (STUDY, DEMO):
        trials = {trial.variant: trial for trial in study.expand()}
        parent = trials.pop(None)
        base, configs = study.base.to_dict(), {name: trial.config.to_dict() for name, trial in trials.items()}
        differing = {name: {k: v for k, v in c.items() if v != base[k]} for name, c in configs.items()}
        from_parent = {"init": "parent", "parent": parent.trial_id}
        assert differing == {
            "scratch": {},
            "fine-tuned": from_parent,
            "fine-tuned-half-lr": {**from_parent, "lr": study.base.lr / 2},
            "frozen": {**from_parent, "freeze": "encoder"},
        }
        assert study.base.init == "scratch"
        assert parent.config == study.base.edit(**study.pretrain)
        assert set(study.pretrain) == {"dataset"}


def test_the_recipe_is_that_of_the_report() -> None:
    recipe = STUDY.base
    assert (recipe.image_height, recipe.image_width, recipe.batch_size, recipe.epochs) == (64, 64, 64, 30)
    assert (recipe.lr, recipe.lr_gamma, recipe.val_every, recipe.dataset) == (0.001, 0.98, 2, "pets")


def results(out: Path) -> dict[str, bytes]:
    """What must not depend on interruptions, by path."""
    names = (records.TEST_FILE, records.BEST_FILE, records.IMAGE_CONFUSION_FILE, records.ROC_FILE)
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in out.glob(f"trials/*/{name}")}


def writing_checkpoint(out: Path) -> bool:
    return any(out.glob(f"trials/*/.{records.LAST_FILE}.*{records.TEMPORARY_SUFFIX}"))


@pytest.mark.soak
def test_killed_in_both_stages_it_ends_with_the_bytes_of_an_undisturbed_run(
    start: Callable[..., Sweep], tmp_path: Path
) -> None:
    calm, out = tmp_path / "calm", tmp_path / "killed"

    def run(folder: Path) -> Sweep:
        return start(*TINY, "--out", str(folder), script="sweeps/segformer_transfer.py")

    assert run(calm).wait() == 0

    # The driver alone, in the middle of the first stage.
    first = run(out)
    first.wait_until(lambda: half_done(out, "*-streets-*"))
    first.kill_driver()

    # Everything, while a checkpoint is being written: its temporary file is left behind, or we were too late.
    for _ in range(5):
        second = run(out)
        second.wait_until(lambda: writing_checkpoint(out))
        second.kill_everything()
        if writing_checkpoint(out):
            break
    else:
        raise AssertionError("no kill fell into the writing of a checkpoint")

    # Everything, between trials: right after one has finished.
    before = finished(out)
    between = run(out)
    between.wait_until(lambda: len(finished(out)) > len(before))
    between.kill_everything()

    # A worker, in the middle of the second stage; the sweep itself goes on and ends well.
    third = run(out)
    third.wait_until(
        lambda: len(list(out.glob("trials/*-animals-*/status.json"))) > 1 and half_done(out, "*-animals-*")
    )
    kept = finished(out)
    times = modified(kept)
    kill(third.workers()[0])
    assert third.wait() == 0, third.text()
    assert "its process died; trying again" in third.text()

    # The first stage had ended, as its children were running, and stayed as it was.
    assert {folder.name.split("-")[1] for folder in kept} >= {"streets"}
    assert modified(kept) == times, "a finished trial was touched"
    expected = results(calm)
    assert len(expected) == 4 * 5
    assert results(out) == expected
    for folder in finished(out):
        assert [line[records.EPOCH] for line in records.read_metrics(folder)] == [1, 2, 3]


def test_a_second_study_that_needs_the_same_first_stage_reuses_it(tmp_path: Path) -> None:
    trials = DEMO.expand()
    parent = next(trial for trial in trials if trial.stage == "pretrain")
    other = Study(
        name="other", title="Other", base=DEMO.base, pretrain=DEMO.pretrain, axes={"weight_decay": (0.0, 0.1)}
    )
    children = [trial for trial in other.expand() if trial.stage == "trial"]
    assert {trial.config.parent for trial in children} == {parent.trial_id}
    assert not {trial.trial_id for trial in children} & {trial.trial_id for trial in trials}
    assert [planned.action for planned in make_plan(other.expand(), tmp_path)] == ["run", "wait", "wait"]
