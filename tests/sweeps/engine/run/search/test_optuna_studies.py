"""The Optuna side of a search, with trial folders written by hand: what is asked, told, stopped and gone on with."""

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from sweeps.engine.ask.search import Choice, LogUniform, Search
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.run.search.optuna_studies import STARTUP_TRIALS, OptunaStudies, SearchError, open_storage

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=4, val_every=1)
SPACE = {"lr": LogUniform(1e-5, 1e-1), "batch_size": Choice((2, 4, 8))}


def search(trials: int = 12, base: TrialConfig = BASE, **changes: object) -> Search:
    study = Study(name="s", title="S", base=base, axes={"arch": ("fcn8s",), "freeze": ("none",)})
    fields = {"study": study, "space": SPACE, "tries": (1e-3,), "trials": trials, **changes}
    return Search(**fields)  # type: ignore[arg-type]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., OptunaStudies]:
    """opened(search, name="a") -> the search in a folder of that name, as a new process would open it."""

    def open_search(of: Search, name: str = "a") -> OptunaStudies:
        (tmp_path / name).mkdir(exist_ok=True)
        return OptunaStudies(of, open_storage(None, tmp_path / name), tmp_path / name, lambda: None)

    return open_search


def train(studies: OptunaStudies, trial: Trial, epochs: int = 4, state: records.State = "running") -> None:
    """A folder as the trainer leaves it after `epochs` epochs; the score is best at a rate of 0.01."""
    folder = records.trial_dir(studies.out, trial.trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(len(records.read_metrics(folder)) + 1, epochs + 1):
        records.append_metrics(folder, {records.EPOCH: epoch, records.VAL_MEAN_IOU: score(trial, epoch)})
    records.write_status(folder, records.Status(state=state, epoch=epochs, epochs=4, runtime_s=1.0))


def score(trial: Trial, epoch: int) -> float:
    return epoch / (10 + abs(trial.config.lr - 0.01) * 1000)


def run(studies: OptunaStudies, count: int) -> list[float]:
    """One worker, `count` trials; the rates it was given."""
    rates = []
    for _ in range(count):
        trial = studies.next_trial()
        assert trial is not None
        rates.append(trial.config.lr)
        for epoch in range(1, 5):
            train(studies, trial, epoch)
            if studies.report(trial.trial_id, epoch, score(trial, epoch)):
                studies.prune(trial.trial_id)
                studies.ended(trial, "pruned")
                break
        else:
            train(studies, trial, 4, "finished")
            studies.ended(trial, "finished")
    return rates


def states(studies: OptunaStudies) -> list[TrialState]:
    return [frozen.state for _, frozen in studies.trials(studies.cells[0])]


def test_one_worker_and_one_seed_give_one_sequence_however_often_it_is_restarted(
    opened: Callable[..., OptunaStudies],
) -> None:
    calm = run(opened(search()), 12)
    restarted = [rate for _ in range(4) for rate in run(opened(search(), "b"), 3)]
    assert restarted == calm
    assert calm[0] == 1e-3
    assert len(set(calm)) == 12
    assert run(opened(search(seed=1), "c"), 12) != calm


@pytest.mark.parametrize("count", [2, 9], ids=["of the first points", "of TPE"])
def test_a_kill_in_the_middle_of_asking_loses_no_trial(opened: Callable[..., OptunaStudies], count: int) -> None:
    calm = run(opened(search(searched=("lr", "batch_size"))), count + 1)
    disturbed = opened(search(searched=("lr", "batch_size")), "b")
    run(disturbed, count)
    disturbed.cells[0].study.ask()  # a trial that runs and has no values yet
    again = opened(search(searched=("lr", "batch_size")), "b")
    (trial,) = again.resume()
    assert trial.config.lr == calm[-1]
    assert again.unasked == 12 - count - 1


def test_the_first_rates_cover_the_space_and_later_ones_gather_where_scores_are_good(
    opened: Callable[..., OptunaStudies],
) -> None:
    rates = run(opened(search(30, tries=())), 30)
    assert {int(f"{rate:e}"[-2:]) for rate in rates[:STARTUP_TRIALS]} >= {2, 3, 4, 5}, "one in every decade"
    assert sorted(abs(rate - 0.01) for rate in rates[15:])[7] < 0.01


def test_the_budget_ends_it(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search(3))
    assert studies.unasked == 3
    run(studies, 3)
    assert (studies.next_trial(), studies.unasked) == (None, 0)
    assert opened(search(5)).unasked == 2, "a larger budget counts what was spent"


def test_trials_at_once_get_rates_of_their_own(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search(20))
    run(studies, 8)
    trials = [studies.next_trial() for _ in range(8)]
    assert len({trial.config.lr for trial in trials if trial}) == 8


def test_hopeless_trials_are_stopped_and_the_best_is_not(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search())
    run(studies, 12)
    ended = [(trial.config.lr, frozen) for trial, frozen in studies.trials(studies.cells[0])]
    assert {TrialState.PRUNED, TrialState.COMPLETE} == set(states(studies))
    assert min(abs(lr - 0.01) for lr, _ in ended) == min(
        abs(lr - 0.01) for lr, frozen in ended if frozen.state == TrialState.COMPLETE
    )
    pruned = next(trial for trial, frozen in studies.trials(studies.cells[0]) if frozen.state == TrialState.PRUNED)
    status = records.read_status(records.trial_dir(studies.out, pruned.trial_id))
    assert status is not None
    assert (status.state, status.reason) == ("pruned", "stopped by the search")


def test_nothing_is_stopped_at_its_last_epoch(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search(base=BASE.edit(epochs=3)))
    good, bad = (trial for trial in (studies.next_trial(), studies.next_trial()) if trial)
    for epoch in (1, 2, 3):
        studies.report(good.trial_id, epoch, 0.5 + epoch / 10)
    assert not studies.report(bad.trial_id, 1, 0.9)
    assert not studies.report(bad.trial_id, 3, 0.1)


def test_the_rates_that_were_asked_for_run_whole(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search(tries=(2e-2, 1e-5)))
    run(studies, 12)
    by_rate = {trial.config.lr: frozen.state for trial, frozen in studies.trials(studies.cells[0])}
    assert by_rate[1e-5] == TrialState.COMPLETE
    worse = [state for lr, state in by_rate.items() if lr > 0.05]
    assert worse
    assert set(worse) == {TrialState.PRUNED}


def test_an_epoch_that_will_be_trained_again_is_not_reported(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search())
    trial = studies.next_trial()
    assert trial is not None
    train(studies, trial, 1)
    records.append_metrics(
        records.trial_dir(studies.out, trial.trial_id), {records.EPOCH: 2, records.VAL_MEAN_IOU: 0.3}
    )
    again = opened(search())
    assert again.resume() == [trial]
    ((_, frozen),) = again.trials(again.cells[0])
    assert list(frozen.intermediate_values) == [1]


def test_a_trial_that_diverged_is_a_failure_and_the_search_goes_on(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search())
    trial = studies.next_trial()
    assert trial is not None
    train(studies, trial, 1, "diverged")
    studies.ended(trial, "diverged")
    run(studies, 11)
    assert states(studies)[0] == TrialState.FAIL
    assert states(studies).count(TrialState.FAIL) == 1


def test_what_was_running_goes_on_and_what_optuna_missed_is_told(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search())
    run(studies, 2)
    half, done, unseen, fresh = (studies.next_trial() for _ in range(4))
    assert half is not None
    assert done is not None
    assert unseen is not None
    train(studies, half, 1)
    studies.report(half.trial_id, 1, score(half, 1))
    train(studies, half, 2)  # killed before it was reported
    train(studies, done, 4, "finished")  # killed before it was told
    train(studies, unseen, 3, "diverged")
    again = opened(search())
    with warnings.catch_warnings(action="error"):  # Optuna's, of a value that is reported twice
        going_on = again.resume()
    assert going_on == [t for t in (half, fresh) if t and t.trial_id in again.asked]
    seen = {trial.trial_id: frozen for trial, frozen in again.trials(again.cells[0])}
    assert list(seen[half.trial_id].intermediate_values) == [1, 2]
    assert (seen[done.trial_id].state, seen[done.trial_id].value) == (TrialState.COMPLETE, score(done, 4))
    assert list(seen[done.trial_id].intermediate_values) == [1, 2, 3, 4]
    assert seen[unseen.trial_id].state == TrialState.FAIL
    assert again.unasked == 12 - 6


def test_a_decision_to_stop_that_a_kill_swallowed_is_made_again(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search(base=BASE.edit(epochs=4)))
    run(studies, 6)
    trial = studies.next_trial()
    while trial is not None and score(trial, 2) > 0.1:
        trial = studies.next_trial()
    assert trial is not None
    train(studies, trial, 2)  # a hopeless score that was never reported
    again = opened(search())
    assert trial.trial_id not in {t.trial_id for t in again.resume()}
    status = records.read_status(records.trial_dir(again.out, trial.trial_id))
    assert status is not None
    assert status.state == "pruned"


def test_every_cell_has_a_search_of_its_own_and_waits_for_its_parent(opened: Callable[..., OptunaStudies]) -> None:
    study = Study(
        name="s",
        title="S",
        base=BASE,
        axes={"arch": ("fcn8s",), "freeze": ("none", "encoder")},
        pretrain={"dataset": "scenes_source"},
    )
    parent = study.expand()[0]
    studies = opened(search(2, study=study))
    assert (studies.next_trial(), studies.unasked) == (None, 4)
    studies.ended(parent, "finished")
    trials = [studies.next_trial() for _ in range(4)]
    assert [trial.config.freeze for trial in trials if trial] == ["none", "encoder", "none", "encoder"]
    assert {trial.config.parent for trial in trials if trial} == {parent.trial_id}
    orphaned = opened(search(2, study=study), "b")
    orphaned.ended(parent, "failed")
    assert (orphaned.next_trial(), orphaned.unasked) == (None, 0)


def test_another_recipe_or_space_is_another_search(opened: Callable[..., OptunaStudies]) -> None:
    opened(search())
    message = (
        "the search 's/fcn8s-unfreeze' was begun with another pruner, epochs; go on with the command it was begun "
        "with, or choose another --out or --storage"
    )
    with pytest.raises(SearchError, match=re.escape(message)):
        opened(search(base=BASE.edit(epochs=5), pruner="median"))
    opened(search(trials=99, base=BASE.edit(lr=0.5)))  # what is searched, and how long, may change


def test_a_journal_that_was_cut_off_goes_on_at_its_last_whole_line(opened: Callable[..., OptunaStudies]) -> None:
    studies = opened(search())
    run(studies, 2)
    journal = studies.out / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"wor')
    lock = journal.with_name("optuna.journal.lock")
    lock.symlink_to(journal)  # of the process that was killed; Optuna would wait half a minute for it
    open_storage(None, studies.out)
    assert not lock.is_symlink()
    again = opened(search())
    assert journal.read_bytes().startswith(whole)
    run(again, 1)
    assert all(json.loads(line) for line in journal.read_text().splitlines())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "--trials is 0; allowed: an integer from 1 to 200000"),
        ({"tries": (0.5,)}, "--try is 0.5; allowed: learning rates from 1e-05 to 0.1"),
        (
            {"study": Study(name="s", title="S", base=BASE, axes={"lr": (1.0, 0.1)})},
            "lr is searched, so it cannot be an axis; give it one value and do not search it",
        ),
    ],
)
def test_what_cannot_be_searched_is_said(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        search(**{"trials": 3, **changes})  # type: ignore[arg-type]


def test_a_searched_field_cannot_be_set() -> None:
    with pytest.raises(ConfigError, match="lr cannot be set, since it is searched; rates to try first go with --try"):
        search().edit({"lr": (0.1,)})
    assert search().edit({"epochs": (9,)}, trials=5).study.base.epochs == 9


def test_any_storage_of_optuna_will_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'search.db'}"
    rates = [
        rate
        for _ in range(2)
        for rate in run(OptunaStudies(search(6), open_storage(url, tmp_path), tmp_path, lambda: None), 3)
    ]
    assert len(set(rates)) == 6
    assert OptunaStudies(search(6), open_storage(url, tmp_path), tmp_path, lambda: None).unasked == 0
    assert not (tmp_path / "optuna.journal").exists()


def test_a_storage_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    for url in ("nonsense", f"sqlite:///{tmp_path}/no/such/folder/search.db"):
        with pytest.raises(SearchError, match=re.escape(f"--storage is {url!r}, which cannot be opened (")):
            open_storage(url, tmp_path)


def test_a_trial_whose_folder_was_deleted_is_trained_again_and_told_once(opened: Callable[..., OptunaStudies]) -> None:
    run(opened(search(2)), 2)
    before = opened(search(2))
    (lost, frozen), _ = before.trials(before.cells[0])
    shutil.rmtree(records.trial_dir(before.out, lost.trial_id))
    again = opened(search(2))
    (trial,) = again.resume()
    assert trial.trial_id == lost.trial_id
    train(again, trial, 4, "finished")
    assert not again.report(trial.trial_id, 4, 0.0)
    again.ended(trial, "finished")
    assert again.resume() == []
    assert next(value.value for _, value in again.trials(again.cells[0])) == frozen.value


def test_a_storage_belongs_to_one_folder_of_results(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/search.db"
    for _ in range(2):
        OptunaStudies(search(), open_storage(url, tmp_path), tmp_path / "a", lambda: None)
    message = f"the search 's/fcn8s-unfreeze' in --storage belongs to --out {tmp_path}/a; give that --out, or another"
    with pytest.raises(SearchError, match=re.escape(message)):
        OptunaStudies(search(), open_storage(url, tmp_path), tmp_path / "b", lambda: None)


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"op_code": "x"}', b"\xff", b'{"op_code": 99}', b'{"op_code": 4}'])
def test_a_damaged_line_of_the_journal_is_said(
    opened: Callable[..., OptunaStudies], tmp_path: Path, line: bytes
) -> None:
    run(opened(search()), 1)
    path = tmp_path / "a" / "optuna.journal"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, line + b"\n", *rest]))
    with pytest.raises(SearchError, match=re.escape(f"{path} is damaged (")):
        opened(search())


def test_a_journal_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere, journal = tmp_path / "elsewhere.journal", tmp_path / "optuna.journal"
    journal.symlink_to(elsewhere)
    with pytest.raises(SearchError, match=re.escape(f"{journal} is a link to {str(elsewhere)!r}; put the file itself")):
        open_storage(None, tmp_path)
    assert not elsewhere.exists()


@pytest.mark.parametrize(("sound", "damaged"), [
    (r'"intermediate_value":[\d.]+', '"intermediate_value":"x"'),
    (r'"fixed_params":\{[^}]*\}', '"fixed_params":[[]]'),
    (r'"fixed_params":\{"lr":[^,}]*', '"fixed_params":{"lr":"x"'),
])  # fmt: skip
def test_what_is_no_number_in_the_journal_is_said(
    opened: Callable[..., OptunaStudies], tmp_path: Path, sound: str, damaged: str
) -> None:
    run(opened(search()), 2)
    path = tmp_path / "a" / "optuna.journal"
    whole = path.read_text()
    path.write_text(re.sub(sound, damaged, whole))
    assert path.read_text() != whole
    with pytest.raises(SearchError, match=r"the search 's/fcn8s-unfreeze' (is damaged|cannot be read)"):
        opened(search())


@pytest.mark.filterwarnings("ignore:Query string argument.s. 'password' are not accepted")  # SQLite has no passwords
@pytest.mark.parametrize(
    "url", ["mysql://me:hidden@127.0.0.1:1/x", "nosuch://me:hidden@host/x", "sqlite:////nosuch/x.db?password=hidden"]
)
def test_a_storage_that_cannot_be_opened_is_one_line_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SearchError, match=r"^--storage is '.*', which cannot be opened") as caught:
        open_storage(url, tmp_path)
    assert len(caught.value.problems) == 1
    assert "hidden" not in str(caught.value)
