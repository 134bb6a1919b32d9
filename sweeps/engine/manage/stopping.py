"""Telling a trial to end, from another process or another machine: through a file in its folder."""

import getpass
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from analysis.read.gathering.study_json import read_description
from segtrain import records
from segtrain.errors import UserError
from segtrain.machine.disk import locked
from sweeps.engine.manage.names import studies_of

POLL_S = 0.1


class CannotStop(UserError):
    """The trial has ended, or somebody else's rights are needed."""


def stop(folder: Path, patience_s: float) -> str | None:
    """Tells the trial to end, and waits for that. A running one drops the epoch in hand and keeps its checkpoint; none
    starts it again until `restore`. What became of it, in words; None when it still runs after `patience_s` seconds.
    Raises CannotStop."""
    before = records.read_status(folder)
    if before is not None and before.state in records.FINAL_STATES:
        raise CannotStop(f"{folder.name} has {before.state}, so there is nothing to stop; archive sets it aside")
    folder.mkdir(parents=True, exist_ok=True)
    records.write_atomic(folder / records.STOP_FILE, f"stopped by {_who()}\n".encode())
    until = time.monotonic() + patience_s
    while True:
        with suppress(Timeout), locked(folder / records.LOCK_FILE, timeout_s=POLL_S):
            return _note(folder)
        if time.monotonic() > until:
            return None


def _note(folder: Path) -> str:
    """Nobody trains it now."""
    status = records.read_status(folder)
    if status is not None and status.state in records.FINAL_STATES:
        (folder / records.STOP_FILE).unlink(missing_ok=True)
        return f"{status.state} meanwhile"
    if status is None or status.state != "stopped":
        why = (folder / records.STOP_FILE).read_text().strip()
        records.write_status(folder, records.ended("stopped", status, _epochs(folder), why))
    status = records.read_status(folder)
    return f"stopped after {status.epoch if status else 0} epochs"


def _epochs(folder: Path) -> int:
    """That the trial was to train, as far as anybody says it."""
    before = records.read_status(folder)
    if before is not None:
        return before.epochs
    for study in studies_of(folder.parents[1]):
        with suppress(records.RecordError, FileNotFoundError):
            for entry in read_description(study)["trials"]:
                config = entry.get("config")
                if entry["trial_id"] == folder.name and isinstance(config, dict):
                    return int(config["epochs"]) if type(config.get("epochs")) is int else 0
    return 0


def let_go_on(folder: Path) -> bool:
    """Takes the stop back; whether there was one. The trial is then half done, or has not begun, as it was before, and
    its command, given again, trains it."""
    if not (folder / records.STOP_FILE).exists():
        return False
    with locked(folder / records.LOCK_FILE):
        (folder / records.STOP_FILE).unlink(missing_ok=True)
        status = records.read_status(folder)
        if status is not None and status.state == "stopped" and status.attempts:
            records.write_status(folder, replace(status, state="running", reason=None))
        elif status is not None and status.state == "stopped":
            (folder / records.STATUS_FILE).unlink()
    return True


def _who() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # of a container, a number without a name
        name = str(os.getuid())
    return f"{name} on {socket.gethostname()}"
