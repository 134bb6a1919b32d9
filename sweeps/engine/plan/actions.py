"""What would happen to every trial of a study, read off the trial folders. Changes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from analysis.read.gathering.study_json import read_known
from segtrain import records
from segtrain.config import TrialConfig
from segtrain.errors import UserError
from sweeps.engine.ask.options import ChangedData, Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.earlier.folder_problems import find_problems

Action = Literal["run", "resume", "continue", "skip", "wait", "restart", "decide"]
"""continue: where a finished trial of fewer epochs ended; restart: from the beginning, since its data have changed;
decide: so they have, and nobody has said what to do."""

CurrentData = Callable[[str], str | None]
"""Dataset -> the fingerprint of its data now, or None when that is not known."""

Longest = Callable[[TrialConfig], TrialConfig | None]
"""The finished trial with the most epochs that one of this config can go on from."""


SENTENCES: dict[Action, str] = {
    "run": "run",
    "wait": "wait for parent",
    "restart": "run again, data changed",
    "decide": "data changed: decide",
}


ARCHIVED = records.Status(state="skipped", epoch=0, epochs=0, runtime_s=0.0, reason="archived")
"""Of a trial that was set aside."""


class PlanError(UserError):
    """Trial folders that cannot be gone on with; `problems` names every one."""


@dataclass(frozen=True)
class PlannedTrial:
    """`epoch` is the number of epochs that are done, by `shorter` where the trial goes on from that; `status` is None
    for a trial that never started."""

    trial: Trial
    action: Action
    epoch: int
    status: records.Status | None
    shorter: TrialConfig | None = None

    @property
    def trained(self) -> TrialConfig:
        """Whose folder holds the epochs that are done."""
        return self.shorter or self.trial.config

    @property
    def epochs_left(self) -> int:
        return 0 if self.action == "skip" else self.trial.config.epochs - self.epoch

    def describe(self) -> str:
        if self.action == "skip":
            assert self.status is not None, "only a trial that ended is skipped"
            return f"skip, {self.status.reason if self.status is ARCHIVED else self.status.state}"
        if self.action == "resume":
            return f"resume at epoch {self.epoch + 1}"
        if self.shorter is not None:
            return f"continue at epoch {self.epoch + 1} from {self.shorter.trial_id}"
        return SENTENCES[self.action]


def make_plan(
    trials: Sequence[Trial],
    out: Path,
    current_data: CurrentData = lambda name: None,
    changed_data: ChangedData | None = None,
    again: Set[str] = frozenset(),
    longest: Longest = lambda config: None,
) -> list[PlannedTrial]:
    """The trials whose ids are in `again` are planned as if they had never been trained. Raises PlanError naming every
    folder whose files are torn or belong to another config."""
    problems: list[str] = []
    for trial in trials:
        if trial.trial_id not in again:
            problems += find_problems(records.trial_dir(out, trial.trial_id), trial.config)
    problems += find_missing_parents(trials, out)
    if problems:
        raise PlanError(*problems)
    statuses = {
        trial.trial_id: None if trial.trial_id in again else records.read_status(records.trial_dir(out, trial.trial_id))
        for trial in trials
    }
    plan = [_plan_trial(trial, statuses, out, again, longest) for trial in trials]
    changed = {trial.trial_id for trial in find_changed(trials, out, current_data)}
    if not changed:
        return plan
    if changed_data != "keep":
        parents = {trial.trial_id: trial.config.parent for trial in trials}
        changed |= {trial_id for trial_id in parents if _descends_from(trial_id, changed, parents)}
    return [_with_changed_data(planned, changed, changed_data) for planned in plan]


def find_changed(trials: Iterable[Trial], out: Path, current_data: CurrentData) -> list[Trial]:
    """The trials that were made from other data than the present. One whose folder does not say what it was made from
    counts as of the present data. Raises RecordError."""
    changed = []
    for trial in trials:
        made_from = records.read_data_fingerprint(records.trial_dir(out, trial.trial_id))
        if made_from is not None and current_data(trial.config.dataset) not in (made_from, None):
            changed.append(trial)
    return changed


def _descends_from(trial_id: str, ancestors: set[str], parents: Mapping[str, str | None]) -> bool:
    parent = parents[trial_id]
    while parent is not None and parent not in ancestors:
        parent = parents.get(parent)
    return parent is not None


def check_decided(plan: Iterable[PlannedTrial], out: Path) -> None:
    """Raises PlanError when data have changed and nobody has said what becomes of the trials on them."""
    trials = [planned.trial for planned in plan if planned.action == "decide"]
    if trials:
        raise PlanError(
            f"the data have changed since {len(trials)} of the trials were trained, such as "
            f"{records.trial_dir(out, trials[0].trial_id)}; --data changed=rerun trains them again, "
            "--data changed=keep leaves those that ended as they are, and begins the others again"
        )


def check_search_data(changed: Sequence[Trial], options: Options) -> None:
    """Raises PlanError when a search would go by scores on other data: it cannot take back what it was told."""
    if changed and options.changed_data != "keep":
        raise PlanError(
            f"the data have changed since {len(changed)} trials of this search were trained, such as "
            f"{records.trial_dir(options.out, changed[0].trial_id)}; search anew with another --out, or go on by what "
            "was found: --data changed=keep"
        )


def _with_changed_data(planned: PlannedTrial, changed: set[str], decision: ChangedData | None) -> PlannedTrial:
    parent = planned.trial.config.parent
    if planned.status is not None and planned.status.state == "stopped" and planned.action == "skip":
        return planned
    if planned.action not in ("skip", "resume"):
        waits = planned.action in ("run", "continue") and parent in changed and decision == "rerun"
        return replace(planned, action="wait", epoch=0, shorter=None) if waits else planned
    if planned.trial.trial_id not in changed or (decision == "keep" and planned.action == "skip"):
        return planned
    return PlannedTrial(planned.trial, "decide" if decision is None else "restart", 0, None)


def _plan_trial(
    trial: Trial, statuses: dict[str, records.Status | None], out: Path, again: Set[str], longest: Longest
) -> PlannedTrial:
    status, parent = statuses[trial.trial_id], trial.config.parent
    folder = records.trial_dir(out, trial.trial_id)
    if records.is_archived(folder):
        return PlannedTrial(trial, "skip", 0, ARCHIVED)
    # A diverged trial would diverge again at the same step: that is its result.
    if status is not None and status.state in records.FINAL_STATES:
        return PlannedTrial(trial, "skip", status.epoch, status)
    if (folder / records.STOP_FILE).exists():
        stopped = records.ended("stopped", status, trial.config.epochs, "stopped")
        return PlannedTrial(trial, "skip", stopped.epoch, stopped)
    if trial.trial_id not in again and (folder / records.LAST_FILE).exists():
        # Killed between the two writes, the status may still be behind the first checkpoint.
        return PlannedTrial(trial, "resume", max(1, status.epoch if status else 0), status)
    if trial.trial_id not in again and (shorter := longest(trial.config)) is not None:
        return PlannedTrial(trial, "continue", shorter.epochs, status, shorter)
    if parent in statuses:
        parent_status = statuses[parent]
        if parent_status is None or parent_status.state != "finished":
            return PlannedTrial(trial, "wait", 0, status)
    return PlannedTrial(trial, "run", 0, status)


def check_study_folder(folder: Path) -> None:
    """Raises PlanError when the study was set aside, and RecordError when its study.json cannot be added to."""
    if records.is_archived(folder):
        raise PlanError(
            f"the study {folder.name} is archived, in {records.archived(folder)}; take it back with python -m sweeps "
            f"restore {folder.name} --out {folder.parents[1]}, or choose another --out"
        )
    read_known(folder)


def read_status(trial: Trial, out: Path) -> records.Status | None:
    """As `records.read_status`, of one that was set aside too."""
    folder = records.trial_dir(out, trial.trial_id)
    return ARCHIVED if records.is_archived(folder) else records.read_status(folder)


def best_validation(trial: Trial, out: Path) -> float | None:
    """The highest validation mean IoU that the trial has reached so far."""
    line = best_validated(trial, out)
    return None if line is None else float(line[records.VAL_MEAN_IOU])


def best_validated(trial: Trial, out: Path) -> dict[str, Any] | None:
    """The line of the epoch with that."""
    lines = records.read_metrics(records.trial_dir(out, trial.trial_id))
    validated = (line for line in lines if line.get(records.VAL_MEAN_IOU) is not None)
    return max(validated, key=lambda line: float(line[records.VAL_MEAN_IOU]), default=None)


def find_missing_parents(trials: Sequence[Trial], out: Path) -> list[str]:
    """Parents that are neither in the study nor finished in `out`: nothing would ever train them."""
    listed = {trial.trial_id for trial in trials}
    outside = {t.config.parent for t in trials if t.config.parent is not None} - listed
    return [
        f"parent {parent} is no trial of this study and {records.trial_dir(out, parent)} has not finished; "
        "train it first, or correct the id"
        for parent in sorted(outside)
        if not (records.trial_dir(out, parent) / records.TEST_FILE).exists()
    ]
