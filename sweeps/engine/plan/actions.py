"""What would happen to every trial of a study, read off the trial folders. Changes nothing."""

import json
import struct
import zipfile
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.errors import UserError
from sweeps.engine.ask.study import Trial

Action = Literal["run", "resume", "skip", "wait"]


class PlanError(UserError):
    """Trial folders that cannot be gone on with; `problems` names every one."""


@dataclass(frozen=True)
class PlannedTrial:
    """`epoch` is the number of epochs that are done; `status` is None for a trial that never started."""

    trial: Trial
    action: Action
    epoch: int
    status: records.Status | None

    @property
    def epochs_left(self) -> int:
        return 0 if self.action == "skip" else self.trial.config.epochs - self.epoch

    def describe(self) -> str:
        if self.action == "skip":
            assert self.status is not None, "only a trial that ended is skipped"
            return f"skip, {self.status.state}"
        if self.action == "resume":
            return f"resume at epoch {self.epoch + 1}"
        return "wait for parent" if self.action == "wait" else "run"


def make_plan(trials: Sequence[Trial], out: Path, again: Set[str] = frozenset()) -> list[PlannedTrial]:
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
    return [_plan_trial(trial, statuses, out, again) for trial in trials]


def _plan_trial(trial: Trial, statuses: dict[str, records.Status | None], out: Path, again: Set[str]) -> PlannedTrial:
    status, parent = statuses[trial.trial_id], trial.config.parent
    # A diverged trial would diverge again at the same step: that is its result.
    if status is not None and status.state in records.FINAL_STATES:
        return PlannedTrial(trial, "skip", status.epoch, status)
    if trial.trial_id not in again and (records.trial_dir(out, trial.trial_id) / records.LAST_FILE).exists():
        # Killed between the two writes, the status may still be behind the first checkpoint.
        return PlannedTrial(trial, "resume", max(1, status.epoch if status else 0), status)
    if parent in statuses:
        parent_status = statuses[parent]
        if parent_status is None or parent_status.state != "finished":
            return PlannedTrial(trial, "wait", 0, status)
    return PlannedTrial(trial, "run", 0, status)


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


def find_problems(folder: Path, config: TrialConfig) -> list[str]:
    """What keeps `folder` from being gone on with as a trial of `config`, a sentence each."""
    problems = []
    advice = "restore it, or delete its folder to train the trial again"
    try:
        if (folder / records.CONFIG_FILE).exists():
            stored = TrialConfig.from_dict(records.read_json(folder / records.CONFIG_FILE))
            if stored != config:
                differing = [k for k, v in config.to_dict().items() if stored.to_dict()[k] != v]
                problems.append(
                    f"{folder / records.CONFIG_FILE} belongs to another config: it differs in {', '.join(differing)}; "
                    "move the folder away, or choose another --out"
                )
        status = records.read_status(folder)
        records.read_metrics(folder)
        if status is not None and status.state == "finished":
            records.read_test_scores(folder)
    except (records.RecordError, ConfigError) as error:
        return [*problems, str(error)]
    except FileNotFoundError as error:
        return [*problems, f"{error.filename} is missing from a finished trial; {advice}"]
    last, best = folder / records.LAST_FILE, folder / records.BEST_FILE
    if last.exists() and not zipfile.is_zipfile(last):
        problems.append(f"{last} is torn; {advice}")
    if best.exists() and not is_safetensors(best):
        problems.append(f"{best} is torn; {advice}")
    if status is not None and status.state == "finished" and not best.exists():
        problems.append(f"{best} is missing from a finished trial; {advice}")
    return problems


def is_safetensors(path: Path) -> bool:
    """Whether the file is as long as its own header says."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(8)
        if len(head) < 8:
            return False
        (header_size,) = struct.unpack("<Q", head)
        if header_size > size - 8:
            return False
        try:
            header = json.loads(file.read(header_size))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return bool(size == 8 + header_size + max(ends, default=0))
