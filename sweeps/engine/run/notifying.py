"""`--notify COMMAND`: somebody is told how a sweep ended, or that it cannot go on without them."""

import os
import shlex
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from analysis.read.gathering.study_json import only_latest, read_description
from analysis.read.gathering.sweep_state import read_states
from segtrain import records
from segtrain.errors import UserError
from sweeps.engine.ask.options import INTERRUPTED, Options

PATIENCE_S = 30.0
LONGEST_MESSAGE = 1000


def notified(study: str, options: Options, console: Console, run: Callable[[], int]) -> int:
    """The exit code of `run`, or what it raises; the command of `options` is told either. It gets SWEEP_OUTCOME:
    `finished` (every trial has), `incomplete` (some have not), `interrupted` or `error`; and SWEEP_STUDY, SWEEP_FOLDER,
    SWEEP_TRIALS, SWEEP_FINISHED, SWEEP_FAILED, SWEEP_EXIT_CODE and, of an error, SWEEP_MESSAGE."""
    if options.notify is None:
        return run()

    def tell(outcome: str, code: int, message: str = "") -> None:
        variables = _counts(records.study_dir(options.out, study))
        if outcome == "ended":
            whole = variables["SWEEP_TRIALS"] == variables["SWEEP_FINISHED"]
            outcome = "interrupted" if code == INTERRUPTED else "finished" if whole else "incomplete"
        variables |= {"SWEEP_OUTCOME": outcome, "SWEEP_STUDY": study, "SWEEP_EXIT_CODE": str(code)}
        variables |= {"SWEEP_MESSAGE": message[:LONGEST_MESSAGE]}
        problem = call(shlex.split(options.notify or ""), variables)
        if problem is not None:
            console.print(f"--notify: {problem}", markup=False, highlight=False, soft_wrap=True)

    try:
        code = run()
    except KeyboardInterrupt:
        tell("interrupted", INTERRUPTED)
        raise
    except (UserError, OSError) as error:
        tell("error", 2, str(error))
        raise
    tell("ended", code)
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
