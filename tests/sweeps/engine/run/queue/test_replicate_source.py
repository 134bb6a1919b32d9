"""Further seeds in the queue: in the same run, without a pause, and no more than are needed."""

from pathlib import Path

from ray.tune.search import Searcher

from segtrain import records
from sweeps.engine.ask.options import Replicates
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.plan.study_file import write_study
from sweeps.engine.run.queue.replicate_source import ReplicateSource
from sweeps.engine.run.queue.trial_queue import TrialQueue
from tests.sweeps.engine.plan.test_replication import STUDY, finish, options, score, start


def test_two_slots_are_never_both_idle_until_all_is_decided(tmp_path: Path) -> None:
    how = options(tmp_path, Replicates(8, until_decided=True))
    replication = start(STUDY, how)
    plan = make_plan(replication.trials, tmp_path)
    written: list[int] = []

    def write() -> None:
        write_study(STUDY, replication.trials, replication.looks, how)
        written.append(len(replication.trials))

    source = ReplicateSource(replication, how, write, lambda config: 1.0 + (config.freeze == "none"))
    costs = dict.fromkeys((planned.trial.trial_id for planned in plan), 1.0)
    queue = TrialQueue(plan, costs, tmp_path, lambda: 2, lambda trial: {"trial": trial}, source)
    running, begun, number = {}, [], 0
    while True:
        suggestion = None
        while len(running) < 2 and isinstance(suggestion := queue.suggest(str(number)), dict):
            running[str(number)] = suggestion["trial"]
            begun.append(suggestion["trial"])
            number += 1
        if suggestion == Searcher.FINISHED:
            break
        assert running, "nothing runs, and nothing is handed out"
        tune_id, trial = next(iter(running.items()))
        finish(tmp_path, trial, score(trial.config))
        del running[tune_id]
        queue.on_trial_complete(trial_id=tune_id, result={"outcome": "ended"})
    assert begun[: len(plan)] == [planned.trial for planned in plan]
    assert sorted(trial.trial_id for trial in begun) == sorted(trial.trial_id for trial in replication.trials)
    assert written == [8 + 12, 8 + 12 + 4, 8 + 12 + 4 + 6, 8 + 12 + 4 + 6]
    # The costliest first: of the first round, those that are fine-tuned.
    assert [trial.config.freeze for trial in begun[8:20]] == ["none"] * 6 + ["encoder"] * 6
    assert records.read_json(tmp_path / "studies/grid/study.json")["looks"][-1]["seeds"] == 8
