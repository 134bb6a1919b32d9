"""`--notify COMMAND`: somebody is told how a sweep ended, or that it needs them."""

import os
import shlex
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from rich.console import Console

from analysis.read.gathering.study_json import only_latest, read_description
from analysis.read.gathering.sweep_state import read_states
from segtrain import records
from segtrain.errors import UserError
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.say import say

PATIENCE_S = 30.0
LONGEST_MESSAGE = 1000


Need = Literal["failed trial", "full disk", "hung worker", "no machine"]
"""Why a sweep that runs needs somebody."""


class Notifier:
    """Runs the command of `options`, where there is one, with what there is to tell in its environment: SWEEP_OUTCOME,
    SWEEP_STUDY, SWEEP_FOLDER, SWEEP_TRIALS, SWEEP_FINISHED, SWEEP_FAILED, SWEEP_EXIT_CODE, SWEEP_CLAIMS, SWEEP_DECIDED,
    SWEEP_NEED and SWEEP_MESSAGE; what does not apply is empty."""

    def __init__(self, study: str, options: Options, console: Console) -> None:
        self.study, self.options, self.console = study, options, console
        self.needs: dict[Need, threading.Thread] = {}
        self.claims: tuple[int, int] | None = None  # how many are decided, of how many; of a sweep that ended

    def needed(self, need: Need, message: str) -> None:
        """A sweep that goes on as well as it can needs somebody; told once for each need, and not waited for."""
        if self.options.notify is None or need in self.needs:
            return
        variables = {"SWEEP_OUTCOME": "running", "SWEEP_NEED": need, "SWEEP_MESSAGE": message}
        self.needs[need] = threading.Thread(target=self._tell, args=(variables,), daemon=True)
        self.needs[need].start()

    def ended(self, outcome: str, code: int, message: str = "") -> None:
        """Once, after all needs have been told. An `outcome` that is "ended" is told as what became of the trials."""
        if self.options.notify is None:
            return
        for thread in self.needs.values():
            thread.join()
        variables = {"SWEEP_OUTCOME": outcome, "SWEEP_EXIT_CODE": str(code), "SWEEP_MESSAGE": message}
        if self.claims is not None:
            variables |= {"SWEEP_DECIDED": str(self.claims[0]), "SWEEP_CLAIMS": str(self.claims[1])}
        self._tell(variables)

    def _tell(self, variables: dict[str, str]) -> None:
        given = dict.fromkeys(("SWEEP_EXIT_CODE", "SWEEP_CLAIMS", "SWEEP_DECIDED", "SWEEP_NEED", "SWEEP_MESSAGE"), "")
        given |= {"SWEEP_STUDY": self.study, **_counts(records.study_dir(self.options.out, self.study)), **variables}
        given["SWEEP_MESSAGE"] = given["SWEEP_MESSAGE"][:LONGEST_MESSAGE]
        if given["SWEEP_OUTCOME"] == "ended":
            interrupted = given["SWEEP_EXIT_CODE"] == str(INTERRUPTED)
            whole = given["SWEEP_TRIALS"] == given["SWEEP_FINISHED"]
            given["SWEEP_OUTCOME"] = "interrupted" if interrupted else "finished" if whole else "incomplete"
        problem = call(shlex.split(self.options.notify or ""), given)
        if problem is not None:
            say(self.console, f"--notify: {problem}")


def notified(study: str, options: Options, console: Console, run: Callable[[Notifier], int]) -> int:
    """The exit code of `run`, or what it raises; the command of `options` is told either. The outcome is `finished`
    (every trial has), `incomplete` (some have not), `interrupted` or `error`; of a need, `running`."""
    notifier = Notifier(study, options, console)
    try:
        code = run(notifier)
    except KeyboardInterrupt:
        notifier.ended("interrupted", INTERRUPTED)
        raise
    except (UserError, OSError) as error:
        notifier.ended("error", 2, str(error))
        raise
    notifier.ended("ended", code)
    return code


def call(words: list[str], variables: Mapping[str, str], patience_s: float = PATIENCE_S) -> str | None:
    """Runs a program, without a shell; what went wrong, in words. One that does not end in time is ended, with all that
    it has started."""
    # An environment holds no NUL, and a message may come from another's file.
    environment = {**os.environ, **{name: value.replace("\0", "") for name, value in variables.items()}}
    try:
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        return f"{words[0]} cannot be started ({error.strerror})"
    try:
        code = process.wait(patience_s)
        return None if code == 0 else f"{words[0]} ended with {code}"
    except subprocess.TimeoutExpired:
        return f"{words[0]} took longer than {patience_s:g} s, and was ended"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _counts(folder: Path) -> dict[str, str]:
    """Of the trials that the last command asked for."""
    states: Counter[str] = Counter()
    with suppress(UserError, OSError):
        states = Counter(trial.state for trial in read_states(folder.parents[1], only_latest(read_description(folder))))
    failed = sum(states[state] for state in ("failed", "unreadable", "diverged"))
    return {
        "SWEEP_FOLDER": str(folder),
        "SWEEP_TRIALS": str(states.total()),
        "SWEEP_FINISHED": str(states["finished"]),
        "SWEEP_FAILED": str(failed),
    }
