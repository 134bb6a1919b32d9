"""Finished trials that a longer one goes on from: those that differ in nothing but fewer epochs, and kept their last
state (`--extendable`)."""

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.mismatches import why_not_extendable
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import CurrentData, Longest, PlannedTrial
from sweeps.engine.plan.earlier.folder_problems import find_damage, find_problems


class ShorterTrials:
    """Those under `out`. `say` is told, once each, why one that is there cannot be gone on from."""

    def __init__(self, out: Path, current_data: CurrentData, say: Callable[[str], None]) -> None:
        self.out, self.current_data, self.say = out, current_data, say
        self.lengths = sorted({status.epochs for status in _kept_states(out)}, reverse=True)
        self.told: set[str] = set()

    def longest(self, config: TrialConfig) -> TrialConfig | None:
        """The trial with the most epochs that one of `config` can go on from; None without any."""
        for epochs in self.lengths:
            if not config.warmup_epochs < epochs < config.epochs:
                continue
            shorter = config.edit(epochs=epochs)
            if why_not_extendable(shorter) is not None or not self._is_kept(shorter):
                continue
            problem = self._find_problem(shorter)
            if problem is None:
                return shorter
            if shorter.trial_id not in self.told:
                self.told.add(shorter.trial_id)
                self.say(f"{config.trial_id} does not go on from {shorter.trial_id}: {problem}")
        return None

    def _is_kept(self, shorter: TrialConfig) -> bool:
        folder = records.trial_dir(self.out, shorter.trial_id)
        where = records.archived(folder) if records.is_archived(folder) else folder
        return _kept_state(where) is not None

    def _find_problem(self, shorter: TrialConfig) -> str | None:
        folder = records.trial_dir(self.out, shorter.trial_id)
        if records.is_archived(folder):
            return f"it is archived, in {records.archived(folder)}; restore takes it back"
        problems = find_problems(folder, shorter)
        damage = find_damage(folder / records.LAST_FILE, zipfile.is_zipfile)
        if damage is not None:
            problems.append(f"{folder / records.LAST_FILE} {damage}")
        if problems:
            return problems[0]
        made_from = records.read_data_fingerprint(folder)
        if made_from is not None and self.current_data(shorter.dataset) not in (made_from, None):
            return "it was trained on other data"
        return None


def starting_folders(plan: Iterable[PlannedTrial], out: Path, longest: Longest) -> Callable[[Trial], str | None]:
    """A function from a trial that is about to start to the folder of the one that it goes on from: where the plan says
    so, or where the plan does not have it. It is looked for again, since it may have been archived meanwhile."""
    others = {planned.trial.trial_id for planned in plan if planned.action != "continue"}

    def begins_in(trial: Trial) -> str | None:
        shorter = None if trial.trial_id in others else longest(trial.config)
        return None if shorter is None else str(records.trial_dir(out, shorter.trial_id))

    return begins_in


def without_state(plan: Iterable[PlannedTrial], out: Path) -> int:
    """How many of the trials that have finished no longer one can go on from."""
    ended = (planned.trial.trial_id for planned in plan if planned.status and planned.status.state == "finished")
    return sum(not (records.trial_dir(out, trial_id) / records.LAST_FILE).exists() for trial_id in ended)


def _kept_states(out: Path) -> Iterator[records.Status]:
    for folder in (out / records.TRIALS_DIR, out / records.ARCHIVE_DIR / records.TRIALS_DIR):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                for entry in entries:
                    if (status := _kept_state(Path(entry.path))) is not None:
                        yield status


def _kept_state(folder: Path) -> records.Status | None:
    """The status of a trial that has finished and kept its last state."""
    if not os.path.lexists(folder / records.LAST_FILE):
        return None
    try:
        status = records.read_status(folder)
    except (records.RecordError, OSError):
        return None
    return status if status is not None and status.state == "finished" else None
