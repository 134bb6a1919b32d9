"""Which trial runs next: parents before children, the longest way to the end first, the dead once more."""

import bisect
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import Timeout
from ray.tune.search import Searcher

from segtrain import records
from segtrain.machine.disk import DiskError, locked
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.run.queue.deaths import Deaths, Entry
from sweeps.engine.run.queue.trial_source import Source
from sweeps.engine.run.trainable import OUTCOME, REASON

ELSEWHERE_POLL_S = 2.0
PAST_TENSE = {
    **dict.fromkeys(("pruned", "stopped"), "was stopped"),
    **{"failed": "failed", "diverged": "diverged", "skipped": "was skipped"},
}


class TrialQueue(Searcher):
    """Hands trials to Tune as slots get free: those of the plan, each when its parent has finished, then those of
    `source`.

    `slots()` says how many may run now; `worker_config(trial)` is what the trainable gets. What became of a trial
    is read from its folder, so a trial that another command finishes meanwhile counts as well. What does not `fits` is
    not handed out: it stays pending, what fits goes before it, and when nothing else is left to hand out the sweep is
    `out_of_time`. Nothing raises but `source`.
    """

    def __init__(
        self,
        plan: Sequence[PlannedTrial],
        costs: Mapping[str, float],
        out: Path,
        slots: Callable[[], int],
        worker_config: Callable[[Trial], dict[str, Any]],
        source: Source | None = None,
        fits: Callable[[Trial], bool] = lambda trial: True,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self.out, self.slots, self.worker_config, self.source = out, slots, worker_config, source
        self.fits = fits
        self.out_of_time = False
        self.entries = {
            planned.trial.trial_id: Entry(
                planned.trial,
                costs[planned.trial.trial_id],
                "ended" if planned.action == "skip" else "pending",
                planned.status.state if planned.action == "skip" and planned.status else None,
            )
            for planned in plan
        }
        self.children: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries.values():
            self.children[entry.trial.config.parent or ""].append(entry)
        self.pending = sorted((e for e in self.entries.values() if e.state == "pending"), key=self._path_cost)
        self.running: dict[str, Entry] = {}  # by the id that Tune gives them
        self.ended_for: dict[str, str] = {}  # id of Tune -> why its worker is being ended
        self.deaths = Deaths()
        self.unwritten: dict[str, str] = {}  # trial id -> reason of an end that its folder could not take
        for entry, outcome in [(e, e.outcome) for e in self.entries.values()]:
            if outcome is not None:
                self._announce(entry, outcome)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles this into a snapshot that nobody restores

    @property
    def complete(self) -> bool:
        """Whether every trial has ended, one way or another, and no more will come."""
        dry = self.source is None or self.source.unasked == 0
        return dry and not self.pending and not self.running

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True  # Tune asks; there is no search space to take over

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        entry = None
        if len(self.running) < self.slots() and not any(running.alone for running in self.running.values()):
            entry = self._next() or (None if self.running else self._first(alone=True))
        if entry is not None:
            self.pending.remove(entry)
            entry.state = "running"
            self.running[trial_id] = entry
            return self.worker_config(entry.trial)
        self.out_of_time = self._fits_no_more()
        return str(Searcher.FINISHED) if self.complete or self.out_of_time else None

    def _fits_no_more(self) -> bool:
        """Whether nothing runs, and of what might start nothing fits: what waits for that will not come either."""
        if self.running:
            return False
        ready = self._ready()
        return bool(ready) and not any(self.fits(entry.trial) for entry in ready)

    def _ready(self) -> list[Entry]:
        return [entry for entry in self.pending if self._parent_outcome(entry) == "finished"]

    def _next(self) -> Entry | None:
        """The first trial that may start now. Those found to have ended elsewhere end here on the way."""
        entry = self._first(alone=False)
        if entry is not None:
            return entry
        if not all(self.fits(waiting.trial) for waiting in self._ready()):
            return None  # a search would spend what is left of it on more that is not started
        while self.source is not None and (trial := self.source.next_trial()) is not None:
            entry = self._take_up(trial)
            if entry.state != "pending" or self._parent_outcome(entry) != "finished":
                continue  # it has been skipped, or its parent has come with it and goes first
            if not self.fits(trial):
                break
            if self._is_free(entry):
                return entry
            if entry.state == "pending":
                break
        return None

    def _take_up(self, trial: Trial) -> Entry:
        """A trial of the source, whose parent has come before it."""
        entry = self.entries[trial.trial_id] = Entry(trial, 0.0, "pending")
        self.children[trial.config.parent or ""].append(entry)
        self.pending.append(entry)
        outcome = self._parent_outcome(entry)
        if outcome not in ("finished", None):
            self._skip(entry, outcome)
        return entry

    def _first(self, alone: bool) -> Entry | None:
        for entry in list(self.pending):
            may_start = entry.state == "pending" and entry.alone == alone and self._parent_outcome(entry) == "finished"
            if may_start and self.fits(entry.trial) and self._is_free(entry):
                return entry
        return None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        entry = self.running.pop(trial_id)
        if error:
            self._lost(entry, self.deaths.of_process(entry, self.ended_for.pop(trial_id, None)))
        elif result and result.get(OUTCOME) == "out of memory":
            self._lost(entry, self.deaths.of_memory(entry, str(result.get(REASON))))
        elif result and result.get(OUTCOME) == "locked":
            entry.not_before = time.monotonic() + ELSEWHERE_POLL_S
            self._wait_again(entry)
        else:
            status = self._status(entry.trial.trial_id)
            if status is None or status.state == "running":
                self._close(entry, "failed", str((result or {}).get(REASON) or "it left no status"))
            else:
                self._end(entry, status.state)

    def why_again(self, trial_id: str) -> str | None:
        """Of a trial whose process died or ran out of memory, and that will be tried again."""
        entry = self.entries[trial_id]
        return entry.why_again if entry.state == "pending" else None

    def _lost(self, entry: Entry, failure: str | None) -> None:
        if failure is None:
            self._wait_again(entry)
        else:
            self._close(entry, "failed", failure)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the trial folders are the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def _path_cost(self, entry: Entry) -> float:
        """Minus the trial's cost and that of the costliest way behind it: a parent goes before what waits for it."""
        return min(map(self._path_cost, self.children[entry.trial.trial_id]), default=0.0) - entry.cost

    def _parent_outcome(self, entry: Entry) -> records.State | None:
        """How the parent ended; None while it has not. Without a parent, or with one outside this study (the plan
        has seen that it finished), nothing is to be waited for."""
        parent = self.entries.get(entry.trial.config.parent or "")
        return "finished" if parent is None else parent.outcome

    def _is_free(self, entry: Entry) -> bool:
        """Whether no other living process runs the trial. One that another command finished ends here, and one whose
        folder cannot be used has failed."""
        if time.monotonic() < entry.not_before:
            return False
        folder = records.trial_dir(self.out, entry.trial.trial_id)
        if records.is_archived(folder):
            self._end(entry, "skipped")
            return False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / records.LOCK_FILE, timeout_s=0):
                status = self._status(entry.trial.trial_id)
        except Timeout:
            entry.not_before = time.monotonic() + ELSEWHERE_POLL_S
            return False
        except (DiskError, OSError) as error:
            self._close(entry, "failed", str(error))
            return False
        if status is not None and status.state in records.FINAL_STATES:
            self._end(entry, status.state)
            return False
        if (folder / records.STOP_FILE).exists():
            self._close(entry, "stopped", "stopped before it had begun")
            return False
        return True

    def _status(self, trial_id: str) -> records.Status | None:
        try:
            return records.read_status(records.trial_dir(self.out, trial_id))
        except (records.RecordError, OSError):
            return None

    def _wait_again(self, entry: Entry) -> None:
        entry.state = "pending"
        bisect.insort(self.pending, entry, key=self._path_cost)

    def _end(self, entry: Entry, outcome: records.State) -> None:
        if entry.state == "pending":
            self.pending.remove(entry)
        entry.state, entry.outcome = "ended", outcome
        self._announce(entry, outcome)

    def _announce(self, entry: Entry, outcome: records.State) -> None:
        """Tells the source, and skips the children of a trial that has no weights to give."""
        if self.source is not None:
            self.source.ended(entry.trial, outcome)
        if outcome != "finished":
            for child in self.children[entry.trial.trial_id]:
                if child.state == "pending":
                    self._skip(child, outcome)

    def _skip(self, entry: Entry, outcome: records.State) -> None:
        reason = f"its parent {entry.trial.config.parent} {PAST_TENSE[outcome]}"
        self._close(entry, "skipped", reason)

    def _close(self, entry: Entry, outcome: records.State, reason: str) -> None:
        """Ends a trial that did not end by itself, and writes that down."""
        before = self._status(entry.trial.trial_id)
        if before is not None and before.state in records.FINAL_STATES:
            self._end(entry, before.state)  # its process died after the end, or another ran it
            return
        folder = records.trial_dir(self.out, entry.trial.trial_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            records.write_status(folder, records.ended(outcome, before, entry.trial.config.epochs, reason))
        except OSError:  # the outcome in memory is what the sweep goes by
            self.unwritten[entry.trial.trial_id] = reason
        self._end(entry, outcome)
