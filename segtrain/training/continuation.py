"""A trial that goes on where a finished one of fewer epochs ended, which has the same first epochs to the bit."""

import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import TrialConfig

ORDER = (records.METRICS_FILE, records.BEST_FILE)
"""Copied first: what `last.pt` counts as finished is there before it, as in `train_epochs`."""


def take_over(shorter: Path, folder: Path, config: TrialConfig) -> str | None:
    """Brings a trial that has no checkpoint yet to where the finished trial in `shorter` ended, which stays as it is.
    Gives what keeps it from that, in words; then nothing has changed. Raises OSError where `folder` cannot be written,
    and RecordError."""
    if (folder / records.LAST_FILE).exists():
        return None
    status = records.read_status(shorter)
    if status is None or status.state != "finished":
        return f"{shorter} has not finished"
    damaged = _find_damage(shorter / records.LAST_FILE)
    if damaged is not None:
        return damaged
    env = records.read_json(shorter / records.ENV_FILE)
    env[records.CONTINUED_KEY] = {"trial_id": shorter.name, "epoch": status.epoch}
    records.write_json(folder / records.ENV_FILE, env)
    records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    for name in ORDER:
        _copy(shorter / name, folder / name)
    before = records.read_status(folder)
    attempts = before.attempts if before else 0
    begun = records.Status(
        state="running", epoch=status.epoch, epochs=config.epochs, runtime_s=status.runtime_s, attempts=attempts
    )
    records.write_status(folder, begun)
    _copy(shorter / records.LAST_FILE, folder / records.LAST_FILE)
    return None


def read_origin(folder: Path) -> dict[str, Any]:
    """What env.json says of the trial that this one went on from; empty where it began by itself."""
    found = records.read_json(folder / records.ENV_FILE).get(records.CONTINUED_KEY)
    return {} if found is None else {records.CONTINUED_KEY: found}


def _find_damage(checkpoint: Path) -> str | None:
    try:
        with zipfile.ZipFile(checkpoint) as file:  # as torch writes it, with a checksum for each tensor
            return None if file.testzip() is None else f"{checkpoint} is damaged"
    except FileNotFoundError:
        return f"{checkpoint} is gone"
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
        return f"{checkpoint} is damaged"


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as read, records.atomic_file(target) as written:
        shutil.copyfileobj(read, written)
