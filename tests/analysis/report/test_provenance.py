from typing import Any

import pytest

from analysis.read.frames import load
from analysis.report import provenance
from segtrain import records
from tests.analysis.conftest import ENV, scores


def column(table: Any, title: str) -> list[str]:
    (found,) = [column for column in table.columns if column.title == title]
    return list(found.texts)


def test_the_recipe_tells_what_is_shared_from_what_varies(builder: Any) -> None:
    builder.trial(arch="fcn32s", stage="pretrain", lr=0.7)
    builder.trial(lr=0.1)
    builder.trial(lr=0.2)
    shared, varied = provenance.recipe(load(builder.write()))
    assert varied == {"lr": [0.1, 0.2]}
    assert (shared["arch"], shared["epochs"], "lr" in shared) == ("fcn8s", 30, False)


def test_environments_are_counted_and_none_is_left_out(builder: Any) -> None:
    builder.trial(lr=0.1, env=ENV | {"git_dirty": True})
    builder.trial(lr=0.2, env=ENV)
    builder.trial(lr=0.3)
    builder.enter(builder.config(lr=0.4))
    facts = dict(provenance.environments(load(builder.write())))
    assert facts["git commit"] == [("c0ffee, with uncommitted changes", 1), ("c0ffee", 1), ("not recorded", 1)]
    assert facts["torch"] == [("2.15.0", 2), ("not recorded", 1)]
    assert facts["threads"] == [("2", 2), ("not recorded", 1)]


def test_what_makes_trials_less_comparable_is_said(builder: Any) -> None:
    builder.trial(lr=0.1, env=ENV)
    builder.trial(lr=0.2, env=ENV)
    assert provenance.warnings(load(builder.write())) == []
    builder.trial(lr=0.3, env=ENV | {"data_fingerprint": "d2", "git_commit": "beef" * 10, "git_dirty": True})
    builder.trial(dataset="animals", env=ENV | {"data_fingerprint": "d3"})
    assert provenance.warnings(load(builder.write())) == [
        "The compared trials differ in data: d1 (2), d2 (1), d3 (1).",
        "The compared trials differ in git commit: c0ffee (3), beefbeefbeef (1).",
        "Trials ran from a tree with uncommitted changes, so the commit does not say exactly what ran.",
    ]


def test_a_shared_pretraining_is_said(builder: Any) -> None:
    parent = builder.config(arch="fcn16s")
    builder.trial(arch="fcn16s", stage="pretrain")
    for seed in range(2):
        builder.trial(init="parent", parent=parent.trial_id, seed=seed)
    assert provenance.warnings(load(builder.write())) == [
        "Several seeds start from one pretrained encoder, so its randomness is not in the intervals over seeds."
    ]


def test_a_command_makes_the_parent_first_and_keeps_the_data_root(builder: Any) -> None:
    parent = builder.config(arch="fcn16s")
    builder.trial(arch="fcn16s", stage="pretrain")
    child = builder.trial(init="parent", parent=parent.trial_id)
    study = load(builder.write(command="python sweeps/grid.py --data-root 'my data'"))
    start = "python -m segtrain OUT/trials"
    assert provenance.command(study, child.name) == (
        f"{start}/{parent.trial_id}/config.json --data-root 'my data' --out again && "
        f"{start}/{child.name}/config.json --data-root 'my data' --out again"
    )
    assert provenance.command(study, "unknown") is None
    assert provenance.command(load(builder.write(command="a 'torn")), parent.trial_id) == (
        f"{start}/{parent.trial_id}/config.json --out again"
    )


def test_the_table_has_every_trial_with_its_state_and_what_it_ran_on(builder: Any) -> None:
    builder.trial(lr=0.1, env=ENV)
    builder.trial([0.1], lr=0.2, state="failed", reason="no memory")
    table = provenance.table(load(builder.write()))
    assert column(table, "state") == ["finished", "failed"]
    assert column(table, "reason") == ["", "no memory"]
    assert column(table, "git commit") == ["c0ffee", ""]
    assert column(table, "uncommitted changes") == ["False", ""]


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        ((2, 2), None),
        ((1, 1), "counts 1 of 2 classes: the others are neither in the test set nor predicted."),
        ((1, 2), "counts 1 to 2 of 2 classes: one that a trial neither has nor predicts is left out of its mean"),
    ],
)
def test_a_mean_over_fewer_classes_than_the_data_have_is_said(
    builder: Any, counted: tuple[int, int], said: str | None
) -> None:
    for seed, number in enumerate(counted):
        folder = builder.trial(seed=seed)
        records.write_test_scores(folder, scores(counted_classes=number))
    found = [line for line in provenance.warnings(load(builder.write())) if "classes" in line]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
