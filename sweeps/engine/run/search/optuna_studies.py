"""The Optuna side of a search: one Optuna study for each cell, asked for trials and told how they ended."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.errors import UserError
from segtrain.fields import COUNT, NUMBER
from sweeps.engine.ask.passwords import hide_passwords
from sweeps.engine.ask.search import Cell, LogUniform, Pruner, Search
from sweeps.engine.ask.study import Trial

STARTUP_TRIALS = 6
"""Trials, those of --try among them, before TPE models anything."""
REDUCTION = 3
"""Successive halving lets one trial in so many go on at every rung; Optuna's 4 would stop most of a small search
after its first validation."""


class SearchError(UserError):
    """A stored search that cannot be gone on with."""


@dataclass
class Searched:
    """A cell in memory. `spent` counts its trials, ended or not; `parent` says how its parent ended, if it has."""

    cell: Cell
    study: optuna.Study
    spent: int
    parent: records.State | None


class OptunaStudies:
    """Gives the queue its trials, and Optuna what became of them (`sweeps.engine.run.queue.trial_source.Source`).

    Optuna's storage is the truth about a search, as trial folders are about trials. Both are written as things
    happen, the folders first, so `resume` can tell Optuna what it has missed.
    """

    def __init__(self, search: Search, storage: BaseStorage, out: Path, changed: Callable[[], None]) -> None:
        """`changed` is called after a trial has ended. Raises SearchError when the storage holds a search of the same
        name with another space or recipe."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.search, self.out, self.changed = search, out, changed
        self.space = {name: search.space[name] for name in search.searched}
        self.cells: list[Searched] = []
        self.asked: dict[str, tuple[Searched, optuna.Trial]] = {}  # by trial id; those that have not ended
        for cell in search.cells():
            pruner = _pruner(search.pruner, cell.config)
            name = f"{search.study.name}/{cell.name}"
            try:
                study = optuna.create_study(
                    storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
                )
                sound = all(map(_is_sound, study.get_trials(deepcopy=False)))
                sound = sound and isinstance(study.user_attrs.get("search", {}), dict)
            except Exception as error:  # Optuna trips over what is stored, or its database is gone
                raise SearchError(f"the search {name!r} cannot be read ({hide_passwords(str(error))})") from None
            if not sound:
                raise SearchError(f"the search {name!r} is damaged; restore its storage, or choose another --out")
            self._require_same(study, cell)
            for values in self._first_values():
                study.enqueue_trial(values, skip_if_exists=True)
            spent = sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))
            self.cells.append(Searched(cell, study, spent, parent=None if cell.parent else "finished"))

    def _first_values(self) -> list[dict[str, Any]]:
        """What is tried before TPE models anything: the rates of `tries`, then points that cover the space evenly,
        which a few random ones would not."""
        spread = qmc.Halton(len(self.space), rng=np.random.default_rng(self.search.seed))
        points = spread.random(max(0, STARTUP_TRIALS - len(self.search.tries)))
        even = [{n: r.at(u) for (n, r), u in zip(self.space.items(), point, strict=True)} for point in points]
        return [*({"lr": lr} for lr in self.search.tries), *even]

    def _require_same(self, study: optuna.Study, cell: Cell) -> None:
        recipe = {k: v for k, v in cell.config.to_dict().items() if k not in self.space}
        described = json.loads(json.dumps({**self.search.describe(), "recipe": recipe}))
        stored = study.user_attrs.get("search", described)
        differing = [k for k in described if k != "recipe" and stored.get(k) != described[k]]
        differing += [k for k in recipe if dict(stored.get("recipe") or {}).get(k) != recipe[k]]
        if differing:
            raise SearchError(
                f"the search {study.study_name!r} was begun with another {', '.join(differing)}; go on with the "
                "command it was begun with, or choose another --out or --storage"
            )
        if "search" not in study.user_attrs:
            study.set_user_attr("search", described)
        self._require_own(study)

    def _require_own(self, study: optuna.Study) -> None:
        """A storage outside of `out` belongs to one `out`: two would each take the other's trials for their own."""
        if isinstance(study._storage, JournalStorage):
            return
        owner = study.user_attrs.get("out", str(self.out))
        if owner != str(self.out):
            raise SearchError(
                f"the search {study.study_name!r} in --storage belongs to --out {owner}; give that --out, or another "
                "--storage"
            )
        if "out" not in study.user_attrs:
            study.set_user_attr("out", str(self.out))

    def resume(self) -> list[Trial]:
        """Tells Optuna what it has missed, and gives the trials that have not ended."""
        going_on = []
        for searched in self.cells:
            for frozen in searched.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                asked = optuna.Trial(searched.study, frozen._trial_id)
                if set(frozen.params) != set(self.space):
                    self._draw(searched, asked, searched.spent - 1)  # a kill fell into asking for the last one
                trial = self._adopt(searched, asked)
                stop = self._catch_up(trial.trial_id)
                status = records.read_status(records.trial_dir(self.out, trial.trial_id))
                if status is not None and status.state != "running":
                    self.ended(trial, status.state)
                elif stop:
                    self.prune(trial.trial_id)
                    self.ended(trial, "pruned")
                else:
                    going_on.append(trial)
            going_on += [trial for trial, frozen in self.trials(searched) if self._is_lost(trial, frozen)]
        return going_on

    def _is_lost(self, trial: Trial, frozen: FrozenTrial) -> bool:
        """Whether the trial ran whole and its folder was deleted since, as is advised where one is damaged. It is
        trained again, and Optuna, which knows its score, is told nothing."""
        folder = records.trial_dir(self.out, trial.trial_id)
        return frozen.state == TrialState.COMPLETE and not (folder / records.STATUS_FILE).exists()

    @property
    def unasked(self) -> int:
        possible = (searched for searched in self.cells if searched.parent in (None, "finished"))
        return sum(max(0, self.search.trials - searched.spent) for searched in possible)

    def next_trial(self) -> Trial | None:
        """Of the cells that may start one, the one that has had the fewest goes first."""
        ready = [s for s in self.cells if s.parent == "finished" and s.spent < self.search.trials]
        if not ready:
            return None
        searched = min(ready, key=lambda s: s.spent)
        asked = searched.study.ask()
        self._draw(searched, asked, searched.spent)
        searched.spent += 1
        return self._adopt(searched, asked)

    def _draw(self, searched: Searched, asked: optuna.Trial, index: int) -> None:
        """Gives the cell's trial number `index` its values."""
        # A sampler that draws from (seed, trial) is the same after a restart; one that runs on would not be.
        seed = int(np.random.SeedSequence([self.search.seed, index]).generate_state(1)[0])
        searched.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        for name, values in self.space.items():
            if isinstance(values, LogUniform):
                asked.suggest_float(name, values.low, values.high, log=True)
            else:
                asked.suggest_categorical(name, values.values)

    def report(self, trial_id: str, epoch: int, value: float) -> bool:
        """Takes a validation mean IoU of a running trial; whether the trial should stop there. The rates of `tries` run
        whole: they are what the search is to beat."""
        if trial_id not in self.asked:
            return False
        searched, asked = self.asked[trial_id]
        asked.report(value, step=epoch)
        # Asked whatever follows from it, since the pruner compares later trials with what it sees here.
        hopeless = asked.should_prune()
        return hopeless and epoch < searched.cell.config.epochs and asked.params["lr"] not in self.search.tries

    def prune(self, trial_id: str) -> None:
        """Writes down that the trial was stopped. Its checkpoint goes: a full-size one takes 2 GB, and a later sweep
        that wants the trial whole trains it again, the same."""
        folder = records.trial_dir(self.out, trial_id)
        epochs = self.asked[trial_id][0].cell.config.epochs
        records.write_status(
            folder, records.ended("pruned", records.read_status(folder), epochs, "stopped by the search")
        )
        (folder / records.LAST_FILE).unlink(missing_ok=True)

    def ended(self, trial: Trial, outcome: records.State) -> None:
        if trial.trial_id not in self.asked:
            for searched in self.cells:
                if searched.cell.parent is not None and searched.cell.parent.trial_id == trial.trial_id:
                    searched.parent = outcome
            return
        self._catch_up(trial.trial_id)
        searched, asked = self.asked.pop(trial.trial_id)
        reached = [value for _, value in self._validations(trial.trial_id)]
        if outcome == "finished" and reached:
            searched.study.tell(asked, max(reached))
        else:
            searched.study.tell(asked, state=TrialState.PRUNED if outcome == "pruned" else TrialState.FAIL)
        self.changed()

    def _adopt(self, searched: Searched, asked: optuna.Trial) -> Trial:
        config = searched.cell.config.edit(**asked.params)
        self.asked[config.trial_id] = (searched, asked)
        return Trial(config, config.run_name, "trial")

    def trials(self, searched: Searched) -> list[tuple[Trial, FrozenTrial]]:
        """What the cell has asked so far, in order."""
        return [
            (Trial(config := searched.cell.config.edit(**frozen.params), config.run_name, "trial"), frozen)
            for frozen in searched.study.get_trials(deepcopy=False)
            if set(frozen.params) == set(self.space)
        ]

    def _catch_up(self, trial_id: str) -> bool:
        """Reports what the folder has and Optuna has not; whether the trial should have stopped there."""
        searched, asked = self.asked[trial_id]
        known = searched.study._storage.get_trial(asked._trial_id).intermediate_values
        missed = [(epoch, value) for epoch, value in self._validations(trial_id) if epoch not in known]
        stops = [self.report(trial_id, epoch, value) for epoch, value in missed]
        return any(stops)

    def _validations(self, trial_id: str) -> list[tuple[int, float]]:
        """(epoch, validation mean IoU) of every validated epoch that is not going to be trained again."""
        folder = records.trial_dir(self.out, trial_id)
        status = records.read_status(folder)
        done = 0 if status is None else status.epoch
        lines = [line for line in records.read_metrics(folder) if line[records.EPOCH] <= done]
        return [(line[records.EPOCH], v) for line in lines if (v := line.get(records.VAL_MEAN_IOU)) is not None]


def _is_sound(trial: FrozenTrial) -> bool:
    """Whether the trial holds numbers where a search has put numbers."""
    asked = trial.system_attrs.get("fixed_params", {})  # of one that was put there, not drawn
    if not isinstance(asked, dict):
        return False
    values = [*trial.params.values(), *asked.values(), *trial.intermediate_values.values(), *(trial.values or ())]
    return all(map(NUMBER.holds, values)) and all(map(COUNT.holds, trial.intermediate_values))


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Optuna's journal in `folder`, or the storage at `url`. Nobody else may run a search in `folder` meanwhile. Raises
    SearchError when `url` cannot be opened."""
    if url is not None:
        try:
            return optuna.storages.get_storage(url)
        except Exception as error:  # every database has errors of its own
            reason = hide_passwords(str(error).partition("\n")[0])
            raise SearchError(
                f"--storage is {hide_passwords(url)!r}, which cannot be opened ({reason}); give a URL of SQLAlchemy, "
                "such as sqlite:///search.db, or leave it out for a journal under --out"
            ) from None
    path = folder / records.JOURNAL_FILE
    if path.is_symlink():  # of a folder that came from elsewhere it may lead anywhere, and it is written to
        raise SearchError(f"{path} is a link to {os.readlink(path)!r}; put the file itself there, or remove the link")
    # Of a process that was killed: half a line, to which the next one would be glued, and a lock.
    if path.exists():
        whole = records.read_bytes(path)
        if not whole.endswith(b"\n"):
            records.write_atomic(path, whole[: whole.rfind(b"\n") + 1])
        _check_journal(path, whole)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:  # what the lines say does not fit together, and Optuna trips over it
        raise _damaged(path, f"{type(error).__name__}: {error}") from None


def _check_journal(path: Path, content: bytes) -> None:
    """Raises SearchError naming the first line that is none of Optuna's."""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            entry = records.parse_json(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or type(entry.get("op_code")) is not int:
            raise _damaged(path, f"line {number} is torn")


def _damaged(path: Path, reason: str) -> SearchError:
    return SearchError(
        f"{path} is damaged ({reason}); restore it, or delete it to begin the search anew: trials that are asked for "
        "again are not trained again"
    )


def _pruner(name: Pruner, config: TrialConfig) -> BasePruner:
    # Not before the second epoch: the first says more about the start than about the rate.
    first = min(config.epochs, max(2, config.val_every, math.ceil(config.epochs / REDUCTION**2)))
    pruners: dict[Pruner, BasePruner] = {
        "halving": SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION),
        "hyperband": HyperbandPruner(min_resource=first, max_resource=config.epochs, reduction_factor=REDUCTION),
        "median": MedianPruner(n_startup_trials=STARTUP_TRIALS),
        "none": NopPruner(),
    }
    return pruners[name]
