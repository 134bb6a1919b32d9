"""Trials whose process died or ran out of memory: tried again, alone, or given up."""

from dataclasses import dataclass
from typing import Literal

from segtrain import records
from sweeps.engine.ask.study import Trial
from sweeps.engine.run.lost_workers import memory_advice, memory_kills

MAX_DEATHS = 3
"""How often a trial's process may die (killed, hung, node lost) before the trial counts as failed."""
KILLED_FOR_MEMORY = "killed by the kernel: out of memory"

TrialState = Literal["pending", "running", "ended"]


@dataclass(eq=False)
class Entry:
    trial: Trial
    cost: float  # of what is left, in any unit
    state: TrialState
    outcome: records.State | None = None  # of a trial that ended
    deaths: int = 0
    alone: bool = False  # ran out of memory beside others; runs when no other does
    why_again: str | None = None  # of a trial whose process died
    not_before: float = 0.0  # time.monotonic(); another process had the trial, look again then


class Deaths:
    """Takes note of them; gives why the trial has failed for good, None where it is tried again."""

    def __init__(self) -> None:
        self.memory_kills = memory_kills()

    def of_process(self, entry: Entry, why: str | None) -> str | None:
        """`why` is known where this sweep has ended it."""
        kills, before = memory_kills(), self.memory_kills
        self.memory_kills = kills
        if why is None and kills > before:
            return self.of_memory(entry, KILLED_FOR_MEMORY)
        entry.deaths += 1
        entry.why_again = why or entry.why_again
        if entry.deaths < MAX_DEATHS:
            return None
        return f"its process died {MAX_DEATHS} times: {why or 'killed, out of memory, or node lost'}"

    def of_memory(self, entry: Entry, reason: str) -> str | None:
        if entry.alone:
            return f"{reason}; {memory_advice(entry.trial.config)}"
        entry.alone, entry.why_again = True, f"{reason}; runs again when no other trial does"
        return None
