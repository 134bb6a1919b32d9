"""Which trial runs next: parents before children, the longest way to the end first, the dead once more."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from segtrain import records
from sweeps.engine.plan import PlannedTrial
from sweeps.engine.study import Trial
from sweeps.engine.trainable import OUTCOME, REASON

MAX_DEATHS = 3
"""How often a trial's process may die (killed, out of memory, node lost) before the trial counts as failed."""
ELSEWHERE_POLL_S = 2.0
PAST_TENSE = {"failed": "failed", "diverged": "diverged", "skipped": "was skipped"}

TrialState = Literal["pending", "running", "ended"]


@dataclass
class Entry:
    trial: Trial
    cost: float  # of what is left, in any unit
    state: TrialState
    outcome: records.State | None = None  # of a trial that ended
    deaths: int = 0
    not_before: float = 0.0  # time.monotonic(); another process had the trial, look again then


class TrialQueue(Searcher):
    """Hands the trials of a study to Tune as slots get free, and holds a child back until its parent has finished.

    `slots()` says how many may run now; `worker_config(trial)` is what the trainable gets. What became of a trial
    is read from its folder, so a trial that another command finishes meanwhile counts as well. No method raises.
    """

    def __init__(
        self,
        plan: Sequence[PlannedTrial],
        costs: Mapping[str, float],
        out: Path,
        slots: Callable[[], int],
        worker_config: Callable[[Trial], dict[str, Any]],
    ) -> None:
        super().__init__(metric=None, mode=None)
        self.out, self.slots, self.worker_config = out, slots, worker_config
        self.entries = {
            planned.trial.trial_id: Entry(
                planned.trial,
                costs[planned.trial.trial_id],
                "ended" if planned.action == "skip" else "pending",
                planned.status.state if planned.action == "skip" and planned.status else None,
            )
            for planned in plan
        }
        self.order = sorted(self.entries.values(), key=self._path_cost, reverse=True)
        self.tune_ids: dict[str, Entry] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    @property
    def complete(self) -> bool:
        """Whether every trial has ended, one way or another."""
        return all(entry.state == "ended" for entry in self.entries.values())

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True  # Tune asks; there is no search space to take over

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        self._skip_orphans()
        if self.complete:
            return str(Searcher.FINISHED)
        if sum(entry.state == "running" for entry in self.entries.values()) >= self.slots():
            return None
        for entry in self.order:
            if entry.state == "pending" and self._parent_outcome(entry) == "finished" and self._is_free(entry):
                entry.state = "running"
                self.tune_ids[trial_id] = entry
                return self.worker_config(entry.trial)
        return None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        entry = self.tune_ids.pop(trial_id)
        if error:
            entry.deaths += 1
            entry.state = "pending"
            if entry.deaths == MAX_DEATHS:
                self._end(entry, "failed", f"its process died {MAX_DEATHS} times: killed, out of memory, or node lost")
        elif result and result.get(OUTCOME) == "locked":
            entry.state, entry.not_before = "pending", time.monotonic() + ELSEWHERE_POLL_S
        else:
            status = self._status(entry.trial.trial_id)
            if status is None or status.state == "running":
                self._end(entry, "failed", str((result or {}).get(REASON) or "it left no status"))
            else:
                entry.state, entry.outcome = "ended", status.state

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the trial folders are the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def _path_cost(self, entry: Entry) -> float:
        """The trial's cost and its costliest child's: a parent goes before everything that waits for it."""
        children = [e for e in self.entries.values() if e.trial.config.parent == entry.trial.trial_id]
        return entry.cost + max((self._path_cost(child) for child in children), default=0.0)

    def _parent_outcome(self, entry: Entry) -> records.State | None:
        """How the parent ended; None while it has not. Without a parent, or with one outside this study (the plan
        has seen that it finished), nothing is to be waited for."""
        parent = self.entries.get(entry.trial.config.parent or "")
        return "finished" if parent is None else parent.outcome

    def _skip_orphans(self) -> None:
        for entry in self.entries.values():
            outcome = self._parent_outcome(entry)
            if entry.state == "pending" and outcome not in (None, "finished"):
                self._end(entry, "skipped", f"its parent {entry.trial.config.parent} {PAST_TENSE[outcome]}")

    def _is_free(self, entry: Entry) -> bool:
        """Whether no other living process runs the trial. One that another command finished ends here."""
        if time.monotonic() < entry.not_before:
            return False
        folder = records.trial_dir(self.out, entry.trial.trial_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / records.LOCK_FILE, timeout=0, fallback_to_soft=False):
                status = self._status(entry.trial.trial_id)
        except (Timeout, OSError):
            entry.not_before = time.monotonic() + ELSEWHERE_POLL_S
            return False
        if status is not None and status.state in records.FINAL_STATES:
            entry.state, entry.outcome = "ended", status.state
            return False
        return True

    def _status(self, trial_id: str) -> records.Status | None:
        try:
            return records.read_status(records.trial_dir(self.out, trial_id))
        except (records.RecordError, OSError):
            return None

    def _end(self, entry: Entry, outcome: records.State, reason: str) -> None:
        before = self._status(entry.trial.trial_id)
        if before is not None and before.state in records.FINAL_STATES:
            entry.state, entry.outcome = "ended", before.state  # its process died after the end, or another ran it
            return
        entry.state, entry.outcome = "ended", outcome
        folder = records.trial_dir(self.out, entry.trial.trial_id)
        with suppress(OSError):  # the outcome in memory is what the sweep goes by
            folder.mkdir(parents=True, exist_ok=True)
            records.write_status(folder, records.ended(outcome, before, entry.trial.config.epochs, reason))


class NewestFirst(FIFOScheduler):
    """Starts the trial that was added last. The queue only hands out what may start at once, so order is no concern;
    but Tune gives an idle worker to the trial it picks, stopping any worker being started for that trial. Picking
    the oldest would take the worker from a trial whose own is still starting after a death, again and again: a
    sweep of short trials would then go on with one worker less to its end."""

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        pending = [trial for trial in tune_controller.get_trials() if trial.status == TuneTrial.PENDING]
        return pending[-1] if pending else None
