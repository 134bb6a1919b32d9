"""Which trials follow from how others ended: tuning, rounds of seeds, looks, and the same again after a kill."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.inference.spending import Look
from analysis.statistics.claims import MOST_SEEDS
from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from sweeps.engine.ask.command_line import USUAL_MOST
from sweeps.engine.ask.options import Options, Replicates
from sweeps.engine.ask.study import Claim, Study, Trial
from sweeps.engine.plan.look_costs import beside_grid
from sweeps.engine.plan.replication import Replication, counted
from sweeps.engine.plan.study_file import read_looks, write_study
from sweeps.engine.run.queue.replicate_source import ReplicateSource
from tests.sweeps.harness import SCORES

STUDY = Study(
    name="grid",
    title="A grid",
    base=TrialConfig(arch="fcn8s", dataset="scenes", epochs=1),
    axes={"arch": ("fcn32s", "fcn8s"), "freeze": ("encoder", "none"), "lr": (1e-3, 1e-4)},
    claims=(
        Claim("8s is better", {"arch": "fcn8s", "freeze": "none"}, {"arch": "fcn32s", "freeze": "none"}, "here"),
        Claim("fine-tuning helps", {"arch": "fcn8s", "freeze": "none"}, {"arch": "fcn8s", "freeze": "encoder"}, "here"),
    ),
)
Score = Callable[[TrialConfig], float]


def options(out: Path, replicates: Replicates | None) -> Options:
    return Options(
        out=out, data_root=out, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None, wandb="disabled",
        strict=False, command="python sweeps/grid.py", replicates=replicates,
    )  # fmt: skip


def score(config: TrialConfig) -> float:
    """8s is far better than 32s, a little better fine-tuned; the higher rate is better but for 32s."""
    noise = np.random.default_rng([config.seed, config.arch == "fcn8s", config.freeze == "none"]).normal(0, 0.01)
    rate = 0.02 * ((config.lr > 5e-4) == (config.arch == "fcn8s"))
    return 0.3 + 0.2 * (config.arch == "fcn8s") + 0.012 * (config.freeze == "none") + rate + float(noise)


def finish(out: Path, trial: Trial, iou: float) -> None:
    folder = records.trial_dir(out, trial.trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    records.write_json(folder / records.CONFIG_FILE, trial.config.to_dict())
    records.append_metrics(folder, {"epoch": 1, "lr": 0.1, "train/loss": 1.0, "val/loss": 1.0, "val/mean_iou": iou})
    records.write_test_scores(folder, dataclasses.replace(SCORES, epoch=1, mean_iou=iou))
    (folder / records.BEST_FILE).write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    records.write_status(folder, records.Status(state="finished", epoch=1, epochs=1, runtime_s=1.0))


def start(study: Study, how: Options) -> Replication:
    assert how.replicates is not None
    taken = read_looks(study, study.expand(), how)
    replication = Replication(study, how.replicates, how, lambda name: None, taken)
    replication.advance()
    return replication


def run(study: Study, how: Options, most: int = 10_000, score: Score = score) -> Replication:
    """Trains as the queue would, and is killed after `most` trials."""
    replication = start(study, how)
    source = ReplicateSource(
        replication, how, lambda: write_study(study, replication.trials, replication.looks, how), lambda config: 1.0
    )
    waiting = [trial for trial in replication.trials if trial.trial_id not in replication.ended]
    for _ in range(most):
        trial = waiting.pop(0) if waiting else source.next_trial()
        if trial is None:
            assert replication.over
            assert source.unasked == 0
            break
        finish(how.out, trial, score(trial.config))
        source.ended(trial, "finished")
    return replication


def of_stage(replication: Replication, stage: str) -> list[tuple[str, str, float, int]]:
    configs = [trial.config for trial in replication.trials if trial.stage == stage]
    return [(config.arch, config.freeze, config.lr, config.seed) for config in configs]


def test_the_winners_of_one_seed_are_compared_on_others(tmp_path: Path) -> None:
    found = run(STUDY, options(tmp_path, Replicates(3)))
    assert [(*point, 0) for point in [
        ("fcn32s", "encoder", 1e-3), ("fcn32s", "encoder", 1e-4), ("fcn32s", "none", 1e-3), ("fcn32s", "none", 1e-4),
        ("fcn8s", "encoder", 1e-3), ("fcn8s", "encoder", 1e-4), ("fcn8s", "none", 1e-3), ("fcn8s", "none", 1e-4),
    ]] == of_stage(found, "tune")  # fmt: skip
    winners = [
        ("fcn32s", "encoder", 1e-4),
        ("fcn32s", "none", 1e-4),
        ("fcn8s", "encoder", 1e-3),
        ("fcn8s", "none", 1e-3),
    ]
    assert of_stage(found, "trial") == [(*winner, seed) for seed in (1, 2, 3) for winner in winners]
    assert found.looks == [Look(3, 0.9)]
    assert {trial.run_name for trial in found.trials if trial.config.seed == 2} >= {"fcn8s-unfreeze-lr0.001-s2"}


def test_what_was_trained_is_told_beside_the_full_grid(tmp_path: Path) -> None:
    found = run(STUDY, options(tmp_path, Replicates(3)))
    assert beside_grid(STUDY, found.trials, tmp_path) == (
        "trained: 20 trials, 20 s of training; the full grid over the same 4 seeds: 32 trials, about 32 s"
    )
    slow = next(t for t in found.trials if t.run_name == "fcn8s-unfreeze-lr0.0001")  # lost, so once and not four times
    status = records.Status(state="finished", epoch=1, epochs=1, runtime_s=11.0)
    records.write_status(records.trial_dir(tmp_path, slow.trial_id), status)
    assert beside_grid(STUDY, found.trials, tmp_path).startswith("trained: 20 trials, 30 s")
    assert beside_grid(STUDY, found.trials, tmp_path).endswith("32 trials, about 1 min 12 s")


def test_a_study_without_a_choice_costs_what_its_grid_does(tmp_path: Path) -> None:
    single = STUDY.edit({"lr": (1e-3,)})
    found = run(single, options(tmp_path, Replicates(2)))
    assert beside_grid(single, found.trials, tmp_path) == ""


def test_what_an_undecided_claim_does_not_need_gets_no_further_seeds(tmp_path: Path) -> None:
    found = run(STUDY, options(tmp_path, Replicates(8, until_decided=True)))
    assert found.schedule == (3, 5, 8)
    trained = of_stage(found, "trial")
    seeds = {(arch, freeze): len([t for t in trained if t[:2] == (arch, freeze)]) for arch, freeze, *_ in trained}
    # 8s against 32s is decided at once; its gain from fine-tuning is about as large as the seeds' spread.
    assert seeds == {("fcn32s", "encoder"): 3, ("fcn32s", "none"): 3, ("fcn8s", "encoder"): 8, ("fcn8s", "none"): 8}
    assert found.looks == [Look(3, 3 / 8), Look(5, 2 / 8), Look(8, 3 / 8)]
    described = records.read_json(tmp_path / "studies/grid/study.json")
    assert described["looks"][0] == {"seeds": 3, "share": 0.375, "command": 0}
    assert len(described["trials"]) == 8 + 4 * 3 + 2 * 5


def test_killed_anywhere_the_same_command_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    whole = run(STUDY, options(tmp_path / "whole", Replicates(8, until_decided=True)))
    how = options(tmp_path / "killed", Replicates(8, until_decided=True))
    for most in (3, 4, 2, 11, 3, 1):
        run(STUDY, how, most)
    again = run(STUDY, how)
    assert [trial.trial_id for trial in again.trials] == [trial.trial_id for trial in whole.trials]
    assert again.looks == whole.looks
    files = [tmp_path / name / "studies/grid/study.json" for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    # Once more, there is nothing to do.
    assert start(STUDY, how).over


LADDER = Study(
    name="ladder",
    title="A ladder",
    base=TrialConfig(arch="fcn8s", dataset="scenes", epochs=1),
    axes={"lr": (1e-3, 1e-4)},
    variants={"first": {"arch": "fcn32s"}, "second": {"arch": "fcn8s", "from": "first", "take": "all"}},
    claims=(Claim("8s is better", {"variant": "second"}, {"variant": "first"}, "here"),),
)


def test_stages_are_tuned_as_ways_and_each_fresh_seed_goes_its_whole_way(tmp_path: Path) -> None:
    """The best way to the second stage is at the higher rate, which the first stage alone does not choose: its trial
    at that rate is trained again for every seed, to give weights, and is not compared."""
    found = run(LADDER, options(tmp_path, Replicates(2)))
    assert [point[::2] for point in of_stage(found, "tune")] == [
        ("fcn32s", 1e-3), ("fcn32s", 1e-4), ("fcn8s", 1e-3), ("fcn8s", 1e-4),
    ]  # fmt: skip
    winners = [("fcn32s", "none", 1e-4), ("fcn8s", "none", 1e-3)]
    assert of_stage(found, "trial") == [(*winner, seed) for seed in (1, 2) for winner in winners]
    assert of_stage(found, "pretrain") == [("fcn32s", "none", 1e-3, 1), ("fcn32s", "none", 1e-3, 2)]
    ids = [trial.trial_id for trial in found.trials]
    assert all(ids.index(t.config.parent) < ids.index(t.trial_id) for t in found.trials if t.config.parent)
    again = start(LADDER, options(tmp_path, Replicates(2)))
    assert (again.over, [trial.trial_id for trial in again.trials]) == (True, ids)


def test_a_study_without_rates_to_choose_from_begins_at_its_own_seed(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,)})
    found = run(study, options(tmp_path, Replicates(2)))
    assert of_stage(found, "tune") == []
    assert {seed for *_, seed in of_stage(found, "trial")} == {0, 1}


def test_a_setting_that_diverged_in_tuning_is_not_compared(tmp_path: Path) -> None:
    replication = start(STUDY, options(tmp_path, Replicates(2)))
    for trial in [*replication.trials]:
        if trial.config.arch == "fcn8s" and trial.config.lr > 5e-4:
            replication.end(trial.trial_id, "diverged")
        elif trial.config.arch == "fcn8s":
            finish(tmp_path, trial, 0.1)
            replication.end(trial.trial_id, "finished")
        else:
            replication.end(trial.trial_id, "failed")
    assert {(arch, lr) for arch, _, lr, _ in of_stage(replication, "trial")} == {("fcn8s", 1e-4)}


def test_a_claim_whose_sides_differ_by_nothing_gets_no_further_seeds(tmp_path: Path) -> None:
    found = run(STUDY, options(tmp_path, Replicates(8, until_decided=True)), score=lambda config: 0.5)
    assert {seed for *_, seed in of_stage(found, "trial")} == {1, 2, 3}


def test_several_seeds_to_tune_on_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seeds 0, 1, and --replicates chooses seeds itself; allowed: one seed"):
        start(STUDY.edit({"seed": (0, 1)}), options(tmp_path, Replicates(2)))


def test_looks_survive_commands_and_one_with_more_seeds_is_one_more(tmp_path: Path) -> None:
    how = options(tmp_path, None)
    trials = STUDY.expand()
    write_study(STUDY, trials, counted([], 3), how)
    write_study(STUDY, trials, [], how)
    assert read_looks(STUDY, trials, how) == [Look(3, 0.9)]
    write_study(STUDY, trials, counted(read_looks(STUDY, trials, how), 3), how)
    assert read_looks(STUDY, trials, how) == [Look(3, 0.9)]
    write_study(STUDY, trials, counted(read_looks(STUDY, trials, how), 10), how)
    assert read_looks(STUDY, trials, how) == [Look(3, 0.9), Look(10, pytest.approx(0.05))]
    # A look that another command took meanwhile is not lost to one that began before.
    write_study(STUDY, trials, [Look(5, 0.1)], how)
    assert read_looks(STUDY, trials, how) == [Look(3, 0.9), Look(10, pytest.approx(0.05))]
    # Another question: none of its settings has been looked at.
    other = STUDY.edit({"epochs": (2,)})
    assert read_looks(other, other.expand(), how) == []


def test_an_old_study_file_without_looks_was_looked_at_once(tmp_path: Path) -> None:
    how, study = options(tmp_path, None), STUDY.edit({"seed": (0, 1, 2)})
    assert read_looks(study, study.expand(), how) == []
    write_study(study, study.expand(), [], how)
    path = tmp_path / "studies/grid/study.json"
    old = records.read_json(path)
    del old["looks"]
    records.write_json(path, old)
    assert read_looks(study, study.expand(), how) == [Look(3, 0.9)]
    records.write_json(path, {**old, "looks": [{"seeds": 3, "share": 7}]})
    with pytest.raises(records.RecordError, match=r"study\.json: a look is \{'seeds': 3, 'share': 7\}; allowed: .*"):
        read_looks(study, study.expand(), how)


def test_looks_taken_by_hand_leave_less_for_those_that_are_planned(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,)})
    by_hand = options(tmp_path, None)
    trials = study.edit({"seed": (0, 1, 2)}).expand()
    write_study(study, trials, counted([], 3), by_hand)
    found = run(study, options(tmp_path, Replicates(8, until_decided=True)))
    assert found.looks == [Look(3, 0.9), *[Look(5, pytest.approx(0.1))] * (len(found.looks) > 1)]


def test_a_look_with_more_seeds_lends_its_share_to_no_earlier_one(tmp_path: Path) -> None:
    study = STUDY.edit({"lr": (1e-3,)})
    write_study(study, study.expand(), [Look(10, 0.8)], options(tmp_path, None))
    found = run(study, options(tmp_path, Replicates(5, until_decided=True)))
    # Of what was seen at ten seeds nothing says what was seen at three, so nothing is decided before.
    assert found.looks == []
    assert {seed for arch, *_, seed in of_stage(found, "trial") if arch == "fcn32s"} == {0, 1, 2, 3, 4}


def test_what_a_claim_lacks_is_reckoned_up_to_the_seeds_that_a_study_trains_by_default() -> None:
    assert USUAL_MOST == MOST_SEEDS
