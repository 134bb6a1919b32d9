"""A search from its checks to its exit code, with what trains replaced by folders that are there already."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.ask.search import LogUniform, Search
from sweeps.engine.ask.study import Study
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.run.search import run_search as module
from sweeps.engine.run.search.optuna_studies import OptunaStudies
from sweeps.engine.run.search.run_search import run_search
from tests.sweeps.harness import SCORES

BASE = TrialConfig(
    arch="fcn8s", dataset="scenes", init="scratch", image_height=64, image_width=64, width_mult=0.0625, epochs=1
)


def search(**changes: Any) -> Search:
    study = Study(name="s", title="S", base=BASE, axes={"arch": ("fcn8s",)}, **changes)
    return Search(study=study, space={"lr": LogUniform(1e-5, 1e-1)}, tries=(1e-3,), trials=2)


def options(out: Path, data_root: Path, strict: bool = False) -> Options:
    return Options(
        out=out, data_root=data_root, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None,
        wandb="disabled", strict=strict, command="python search.py",
    )  # fmt: skip


def spend(states: Sequence[records.State]) -> Callable[..., bool]:
    """Stands where Ray would run the trials: each ends in the next of `states`."""

    def run(
        search: Any, plan: Sequence[PlannedTrial], flops: Any, run: Options, console: Any, source: Any, *others: Any
    ) -> bool:
        for state in states:
            trial = source.next_trial()
            folder = records.trial_dir(run.out, trial.trial_id)
            folder.mkdir(parents=True)
            records.append_metrics(folder, {records.EPOCH: 1, records.VAL_MEAN_IOU: 0.5})
            records.write_status(folder, records.Status(state=state, epoch=1, epochs=1, runtime_s=1.0))
            records.write_test_scores(folder, SCORES)
            source.ended(trial, state)
        return True

    return run


@pytest.mark.parametrize(
    ("states", "strict", "code"),
    [
        (["finished", "finished"], True, 0),
        (["finished", "diverged"], False, 0),
        (["finished", "diverged"], True, 1),
        (["diverged", "failed"], False, 1),
    ],
)
def test_the_exit_code_says_whether_something_was_found_and_with_strict_whether_all_ran(
    tmp_path: Path,
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    states: list[records.State],
    strict: bool,
    code: int,
) -> None:
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_spend", spend(states))
    run = options(tmp_path / "out", data_root, strict)
    assert run_search(search(), run, None, Console(file=io.StringIO())) == code
    # The same command again has nothing to run, and says the same.
    monkeypatch.setattr(module, "_spend", None)
    assert run_search(search(), run, None, Console(file=io.StringIO())) == code


def test_the_cost_of_a_parent_on_other_data_is_known(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[float] = []

    def see(
        search: Any, plan: Sequence[PlannedTrial], flops: Any, run: Any, console: Any, source: Any, *others: Any
    ) -> bool:
        assert isinstance(source, OptunaStudies)
        costs.extend(flops(planned.trial.config) for planned in plan)
        return False

    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_spend", see)
    pretrained = search(pretrain={"dataset": "scenes_source"})
    code = run_search(pretrained, options(tmp_path / "out", data_root), None, Console(file=io.StringIO()))
    assert code == INTERRUPTED
    assert len(costs) == 1
    assert costs[0] > 0
