"""Studies: expansion, edits, and the mistakes that are found when a study is made."""

import re

import pytest

from segtrain.config import ConfigError, TrialConfig
from sweeps.engine.ask.study import Claim, Study, parse_settings
from tests.sweeps.harness import REPOSITORY

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")


def study(**changes: object) -> Study:
    fields = {"name": "s", "title": "S", "base": BASE, "axes": {"arch": ("fcn32s", "fcn8s"), "lr": (0.1, 0.01)}}
    return Study(**{**fields, **changes})  # type: ignore[arg-type]


def test_it_expands_to_the_product_of_its_axes_in_order() -> None:
    names = [trial.run_name for trial in study().expand()]
    assert names == ["fcn32s-unfreeze-lr0.1", "fcn32s-unfreeze-lr0.01", "fcn8s-unfreeze-lr0.1", "fcn8s-unfreeze-lr0.01"]
    assert all(trial.config.parent is None and trial.stage == "trial" for trial in study().expand())


def test_equal_points_appear_once() -> None:
    assert len(study(axes={"lr": (0.1, 0.1)}).expand()) == 1


def test_the_pretraining_is_one_trial_that_all_others_start_from() -> None:
    first, *others = study(pretrain={"arch": "fcn8s", "dataset": "scenes_source", "epochs": 3}).expand()
    assert (first.stage, first.run_name, first.config.dataset) == (
        "pretrain",
        "pretrain-fcn8s-unfreeze-lr0.001",
        "scenes_source",
    )
    assert {(t.config.init, t.config.parent) for t in others} == {("parent", first.trial_id)}
    # Without the parent these would be other trials, so their ids must be others too.
    assert {t.trial_id for t in others}.isdisjoint(t.trial_id for t in study().expand())


def test_a_child_of_another_parent_is_another_trial() -> None:
    ids = [[t.trial_id for t in study(pretrain={"epochs": epochs}).expand()] for epochs in (2, 3)]
    assert set(ids[0]).isdisjoint(ids[1])


def test_datasets_are_renamed_wherever_they_stand() -> None:
    left, right = {"dataset": "a/dataset.toml", "lr": 0.1}, {"dataset": "scenes"}
    named = study(
        base=BASE.edit(dataset="b/dataset.toml"),
        axes={"dataset": ("a/dataset.toml", "scenes"), "lr": (0.1,)},
        pretrain={"dataset": "b/dataset.toml"},
        claims=(Claim("left is better", left, right, "nobody"),),
    ).renaming_datasets({"a/dataset.toml": "own:a", "b/dataset.toml": "own:b", "scenes": "scenes"})
    assert named.base.dataset == "own:b"
    assert [trial.config.dataset for trial in named.expand()] == ["own:b", "own:a", "scenes"]
    assert named.describe(named.expand(), "")["axes"]["dataset"] == ["own:a", "scenes"]
    assert (named.claims[0].left, named.claims[0].right) == ({"dataset": "own:a", "lr": 0.1}, {"dataset": "scenes"})
    variants = study(axes={}, variants={"v": {"dataset": "a/dataset.toml"}}).renaming_datasets(
        {"a/dataset.toml": "own:a"}
    )
    assert [trial.config.dataset for trial in variants.expand()] == ["own:a"]


def test_further_axes_are_in_the_run_name() -> None:
    names = [t.run_name for t in study(axes={"batch_size": (2, 4)}).expand()]
    assert names == ["fcn8s-unfreeze-lr0.001-batch_size2", "fcn8s-unfreeze-lr0.001-batch_size4"]


def test_an_edit_replaces_an_axis_makes_one_or_sets_the_base() -> None:
    edited = study().edit({"lr": (1.0,), "seed": (0, 1), "epochs": (7,)})
    assert edited.axes == {"arch": ("fcn32s", "fcn8s"), "lr": (1.0,), "seed": (0, 1)}
    assert edited.base.epochs == 7
    assert len(edited.expand()) == 4


def test_an_edit_reaches_the_pretraining_unless_that_sets_the_field_itself() -> None:
    edited = study(pretrain={"epochs": 3}).edit({"epochs": (9,), "width_mult": (0.5,)})
    parent = edited.expand()[0].config
    assert (parent.epochs, parent.width_mult) == (3, 0.5)


def test_setting_init_drops_the_pretraining() -> None:
    edited = study(pretrain={"epochs": 3}).edit({"init": ("scratch",)})
    assert all(trial.config.parent is None for trial in edited.expand())
    assert edited.pretrain is None


def test_edits_are_made_together() -> None:
    base = TrialConfig(arch="fcn8s", dataset="scenes", init="imagenet")
    edited = study(base=base).edit({"init": ("scratch",), "width_mult": (0.5,)})
    assert edited.base.width_mult == 0.5


VARIANTS = {"new": {"init": "scratch"}, "tuned": {"init": "parent"}, "slow": {"init": "parent", "lr": 0.5}}


def variants(**changes: object) -> Study:
    return study(**{"axes": {}, "variants": VARIANTS, "pretrain": {"epochs": 3}, **changes})


def test_only_variants_that_start_from_the_parent_have_one() -> None:
    new, parent, tuned, slow = variants().expand()
    assert [t.run_name for t in (new, tuned, slow)] == [t.variant for t in (new, tuned, slow)] == list(VARIANTS)
    assert (new.config.init, new.config.parent) == ("scratch", None)
    assert {t.config.parent for t in (tuned, slow)} == {parent.trial_id}
    assert (parent.stage, parent.variant) == ("pretrain", None)
    assert (tuned.config.lr, slow.config.lr) == (BASE.lr, 0.5)


def test_variants_multiply_with_the_axes_and_say_so_in_their_names() -> None:
    names = [t.run_name for t in variants(axes={"batch_size": (2, 4), "seed": (0, 1)}).expand() if t.stage == "trial"]
    assert names[:4] == ["new-batch_size2", "new-batch_size2-s1", "new-batch_size4", "new-batch_size4-s1"]
    assert len(names) == len(set(names)) == 12


def test_each_encoder_has_a_parent_of_its_own_unless_the_pretraining_says_which() -> None:
    axes = {"arch": ("fcn32s", "fcn8s"), "width_mult": (0.5, 0.25)}
    for pretrain, parents in (({"epochs": 3}, 4), ({"epochs": 3, "arch": "fcn8s"}, 2)):
        trials = {t.trial_id: t for t in variants(axes=axes, pretrain=pretrain).expand()}
        children = [t for t in trials.values() if t.config.parent]
        assert len({t.config.parent for t in children}) == parents
        assert all(trials[t.config.parent].config.width_mult == t.config.width_mult for t in children)  # type: ignore[index]


@pytest.mark.parametrize("settings", [{"lr": (0.1,)}, {"lr": (0.1, 0.2)}])
def test_what_a_variant_is_about_cannot_be_set(settings: dict[str, tuple[object, ...]]) -> None:
    message = (
        "lr cannot be set: variant 'slow' of this study is defined by lr=0.5; leave it out, or edit the study file"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        variants().edit(settings)


def test_a_field_is_set_by_variants_or_is_an_axis() -> None:
    with pytest.raises(ConfigError, match="lr is set by variant 'slow' of this study, so it cannot be an axis"):
        variants(axes={"lr": (0.1,)})


LADDER = {
    "32s": {"arch": "fcn32s"},
    "16s": {"arch": "fcn16s", "from": "32s", "take": "all"},
    "8s": {"arch": "fcn8s", "from": "16s", "take": "all", "weight_decay": 0.5},
}


def test_variants_start_from_each_other_at_the_same_values_of_the_axes() -> None:
    """Named before the one that it starts from, a variant stands behind it all the same."""
    ladder = study(variants=dict(reversed(LADDER.items())), axes={"lr": (0.1, 0.01), "seed": (0, 1)})
    trials = ladder.expand()
    assert [t.run_name for t in trials[:4]] == ["32s-lr0.1", "16s-lr0.1", "8s-lr0.1", "32s-lr0.1-s1"]
    assert len(trials) == 12
    for trial in trials:
        ancestors = [(a.variant, a.config.lr, a.config.seed) for a in trial.ancestors]
        names = {"32s": [], "16s": ["32s"], "8s": ["32s", "16s"]}[str(trial.variant)]
        assert ancestors == [(name, trial.config.lr, trial.config.seed) for name in names]
        assert trial.config.parent == (trial.start.trial_id if trial.start else None)
        assert trial.config.take == ("encoder" if trial.variant == "32s" else "all")
    # Another beginning, and all that hangs on it is another trial.
    other = study(variants={**LADDER, "32s": {"arch": "fcn32s", "epochs": 3}}, axes={"lr": (0.1,)}).expand()
    assert {t.trial_id for t in other}.isdisjoint(t.trial_id for t in trials)


def test_the_stages_of_the_page_are_a_study() -> None:
    (program,) = re.findall(r"```python\n(Study\(.*?)```", (REPOSITORY / "docs" / "running.md").read_text(), re.DOTALL)
    trials = eval(program, {"Study": Study, "TrialConfig": TrialConfig}).expand()
    assert [t.config.dataset for t in trials] == ["streets", "scenes_source", "scenes", "scenes", "scenes"]
    assert [t.config.parent for t in trials] == [None, *(t.trial_id for t in trials[:-1])]


def test_what_starts_from_a_variant_is_seeded_with_it_and_a_pretraining_is_not() -> None:
    *_, last = study(variants=LADDER, axes={}, pretrain={"epochs": 3}).expand()
    first, *rest = last.at_seed(4).ancestors
    assert (first.stage, first.config.seed) == ("pretrain", 0)
    assert [trial.config.seed for trial in rest] == [4, 4]
    assert last.at_seed(4).config.parent == rest[-1].trial_id
    assert rest[0].config.parent == first.trial_id
    assert last.at_seed(0) == last


def test_pretrainings_follow_each_other() -> None:
    row = study(axes={}, pretrain=[{"dataset": "streets", "epochs": 3}, {"dataset": "scenes_source"}])
    trials = row.expand()
    assert [(t.stage, t.config.dataset) for t in trials] == [
        ("pretrain", "streets"), ("pretrain", "scenes_source"), ("trial", "scenes"),
    ]  # fmt: skip
    assert [t.config.parent for t in trials] == [None, trials[0].trial_id, trials[1].trial_id]
    assert trials[0].run_name == "pretrain-streets-fcn8s-unfreeze-lr0.001"
    assert study(axes={}).edit({}, ["streets", "scenes_source"]).expand()[1].config.take == "encoder"


def test_a_pretraining_from_the_command_line_stands_in_for_weights_that_are_not_there() -> None:
    grid = study(base=TrialConfig(arch="fcn8s", dataset="scenes"), axes={"freeze": ("encoder", "none")})
    with pytest.raises(ConfigError, match=r"^freeze is 'encoder' and init is 'scratch'; .*: --pretrain DATASET"):
        grid.edit({"init": ("scratch",)})
    first, *others = grid.edit({"init": ("scratch",)}, ["scenes_source"]).expand()
    assert (first.config.init, first.config.freeze) == ("scratch", "none")
    assert [t.config.freeze for t in others] == ["encoder", "none"]


def test_an_axis_of_what_is_taken_is_none_for_what_begins() -> None:
    trials = study(variants=LADDER | {"16s": {"arch": "fcn16s", "from": "32s"}, "8s": {"arch": "fcn8s"}},
                   axes={"take": ("encoder", "all")}).expand()  # fmt: skip
    assert [(t.variant, t.config.take) for t in trials] == [
        ("32s", "encoder"), ("16s", "encoder"), ("16s", "all"), ("8s", "encoder"),
    ]  # fmt: skip


def test_the_stages_are_told_in_a_plain_form() -> None:
    assert study(variants=LADDER, axes={}, pretrain={"epochs": 3}).describe([], "")["stages"] == [
        {"name": "pretraining", "stage": "pretrain", "from": None, "edit": {"epochs": 3}},
        {"name": "32s", "stage": "trial", "from": "pretraining", "edit": {"arch": "fcn32s"}},
        {"name": "16s", "stage": "trial", "from": "32s", "edit": {"arch": "fcn16s", "take": "all"}},
        {"name": "8s", "stage": "trial", "from": "16s", "edit": {"arch": "fcn8s", "take": "all", "weight_decay": 0.5}},
    ]
    row = study(pretrain=[{"dataset": "streets"}, {"epochs": 2}]).describe([], "")["stages"]
    assert [(stage["name"], stage["from"]) for stage in row] == [
        ("pretraining 1", None), ("pretraining 2", "pretraining 1"), (None, "pretraining 2"),
    ]  # fmt: skip
    assert [s["from"] for s in variants().describe([], "")["stages"]] == [None, None, "pretraining", "pretraining"]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (
            {"32s": {"from": "8s"}},
            "the variants start from each other in a circle, 32s from 8s from 16s from 32s; let one of them begin",
        ),
        (
            {"32s": {"from": "32s"}},
            "the variants start from each other in a circle, 32s from 32s; let one of them begin",
        ),
        (
            {"8s": {"from": "16"}},
            "variant '8s' is from '16', which is no variant of this study; did you mean 16s? allowed: 32s, 16s, 8s",
        ),
        ({"8s": {"from": "16s", "init": "scratch"}}, "variant '8s' is from '16s' and sets init=scratch; leave one of"),
        ({"8s": {"take": "all"}}, "take is 'all' and init is 'scratch'; it says what is taken of a parent trial"),
    ],
)
def test_a_graph_of_stages_that_is_none(edits: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        study(variants=LADDER | edits, axes={})


def test_init_is_no_axis_where_variants_start_from_each_other() -> None:
    message = "init cannot be an axis of a study whose variants start from each other; give it a single value"
    with pytest.raises(ConfigError, match=f"^{message}$"):
        study(variants=LADDER, axes={"init": ("scratch", "imagenet")})


def test_claims_are_described_as_the_report_reads_them() -> None:
    same = Claim("A is as good as B", {"variant": "new"}, {"variant": "slow"}, "a paper", margin=0.01)
    more = Claim("more", {"arch": "a"}, {"arch": "b"}, "a paper", gain=("freeze", "encoder", "none"), published=(2, 1))
    assert same.describe() == {
        "text": "A is as good as B",
        "kind": "equivalent",
        "left": {"variant": "new"},
        "right": {"variant": "slow"},
        "metric": "test/mean_iou",
        "margin": 0.01,
        "gain": None,
        "source": "a paper",
        "published": None,
    }
    assert more.describe()["kind"] == "greater"
    assert more.describe()["gain"] == {"field": "freeze", "from": "encoder", "to": "none"}
    assert more.describe()["published"] == {"left": 2, "right": 1}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"lrr": (1,)}, "'lrr' is not a field of a trial; did you mean lr? allowed: arch, dataset"),
        ({"arch": ("fcn8",)}, "arch is 'fcn8'; did you mean fcn8s or fcn32s or fcn16s? allowed: fcn32s, fcn16s, fcn8s"),
        ({"lr": ()}, "axis 'lr' has no values; give it at least one, or leave it out"),
        ({"freeze": ("all_but_score",)}, "freeze is 'all_but_score' and init is 'scratch'"),
    ],
)
def test_a_bad_axis_is_found_when_the_study_is_made(axes: dict[str, tuple[object, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        study(axes=axes)


@pytest.mark.parametrize("axis", [{"init": ("parent", "scratch")}, {"parent": ("a", "b")}])
def test_trials_of_one_parent_share_what_it_gives_them(axis: dict[str, tuple[object, ...]]) -> None:
    message = f"{next(iter(axis))} cannot be an axis of a study that pretrains: all its trials start from one parent"
    with pytest.raises(ConfigError, match=re.escape(message)):
        study(pretrain={"epochs": 3}, axes=axis)


def test_settings_are_parsed_by_the_type_of_their_field() -> None:
    settings = parse_settings(["lr=1e-3,1e-4", "epochs=5", "flip=false", "arch=fcn8s"])
    assert settings == {"lr": (0.001, 0.0001), "epochs": (5,), "flip": (False,), "arch": ("fcn8s",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "--set 'epochs' is not FIELD=VALUE or FIELD=VALUE,VALUE; for example --set epochs=5"),
        ("epoch=5", "'epoch' is not a field of a trial; did you mean epochs"),
        ("epochs=five", "epochs is 'five'; allowed: an integer"),
        ("flip=maybe", "flip is 'maybe'; allowed: true or false"),
        ("freeze=encoders", "freeze is 'encoders'; did you mean encoder or none? allowed: none, encoder,"),
    ],
)
def test_a_bad_setting_says_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_settings([text])
