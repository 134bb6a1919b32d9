"""Which trials start from which."""

from typing import Any
from xml.etree import ElementTree

from analysis.draw.diagrams.stage_diagram import draw_stages, stage_groups
from analysis.read.frames import load


def test_a_chain_of_trials_is_a_row_of_groups_over_settings_and_seeds(builder: Any) -> None:
    first = builder.trial(stage="pretrain", dataset="scenes_source", arch="fcn32s")
    for seed in range(2):
        second = builder.trial(init="parent", parent=first.name, arch="fcn16s", seed=seed)
        builder.trial(init="parent", parent=second.name, arch="fcn8s", seed=seed)
    groups = list(stage_groups(load(builder.write())).values())
    assert [(group.label, group.data, group.trials, group.depth) for group in groups] == [
        ("pretraining of fcn32s", "scenes_source", 1, 0),
        ("fcn16s", "scenes", 2, 1),
        ("fcn8s", "scenes", 2, 2),
    ]
    assert [list(group.parents.values()) for group in groups] == [[], ["encoder"], ["encoder"]]
    drawn = draw_stages(load(builder.write()))
    assert drawn is not None
    tree = ElementTree.fromstring(drawn)
    assert len(list(tree.iter("rect"))) == 3
    assert tree.get("aria-label") == (
        "pretraining of fcn32s on scenes_source, 1 trial; fcn16s on scenes, 2 trials, from the encoder of pretraining "
        "of fcn32s; fcn8s on scenes, 2 trials, from the encoder of fcn16s"
    )


def test_trials_that_start_from_nothing_have_no_picture(builder: Any) -> None:
    builder.trial()
    assert draw_stages(load(builder.write())) is None


def test_a_parent_that_the_study_does_not_know_is_none(builder: Any) -> None:
    builder.trial(init="parent", parent="elsewhere")
    assert draw_stages(load(builder.write())) is None
