"""A search that runs out of time goes on, when it is given again, as if it had not."""

from pathlib import Path

import pytest
from ray.tune.search import Searcher

from segtrain import records
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.run.queue.trial_queue import TrialQueue
from sweeps.engine.run.search.optuna_studies import OptunaStudies, open_storage
from sweeps.engine.run.trainable import OUTCOME
from tests.sweeps.engine.run.search.test_optuna_studies import search, train

TRIALS = 5


class Command:
    """One command that spends what is left of a search, with one slot and time for `left` more trials."""

    def __init__(self, out: Path, left: int) -> None:
        out.mkdir(exist_ok=True)
        self.studies = OptunaStudies(search(TRIALS), open_storage(None, out), out, lambda: None)
        self.left, self.trained = left, list[float]()
        plan = make_plan(self.studies.resume(), out)
        costs = {planned.trial.trial_id: 1.0 for planned in plan}
        self.queue = TrialQueue(plan, costs, out, lambda: 1, self.take, self.studies, lambda trial: self.left > 0)

    def take(self, trial: Trial) -> dict[str, Trial]:
        return {"trial": trial}

    def run(self) -> None:
        while isinstance(given := self.queue.suggest("worker"), dict):
            self.left -= 1
            self.trained.append(given["trial"].config.lr)
            train(self.studies, given["trial"], state="finished")
            self.queue.on_trial_complete("worker", {"done": True, OUTCOME: "ended"})
        assert given == Searcher.FINISHED


@pytest.fixture(scope="module")
def in_one_go(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    command = Command(tmp_path_factory.mktemp("whole"), TRIALS)
    command.run()
    assert (command.queue.complete, command.queue.out_of_time) == (True, False)
    return command.trained


@pytest.mark.parametrize("first", [0, 1, 3, 4])
def test_what_is_left_is_drawn_and_trained_by_the_next_command(
    tmp_path: Path, in_one_go: list[float], first: int
) -> None:
    command = Command(tmp_path / "cut", first)
    command.run()
    assert (command.queue.complete, command.queue.out_of_time) == (False, True)
    assert len(command.queue.pending) + command.studies.unasked == TRIALS - first
    (drawn,) = command.queue.pending
    assert not (records.trial_dir(tmp_path / "cut", drawn.trial.trial_id) / records.STATUS_FILE).exists()
    again = Command(tmp_path / "cut", TRIALS)
    again.run()
    assert again.queue.complete
    assert command.trained + again.trained == in_one_go


def test_without_time_for_one_no_more_is_drawn_however_often_it_is_tried(tmp_path: Path) -> None:
    for _ in range(3):
        command = Command(tmp_path / "cut", 0)
        command.run()
        assert [searched.spent for searched in command.studies.cells] == [1]
