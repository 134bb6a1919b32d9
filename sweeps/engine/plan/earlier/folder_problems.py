"""What keeps a trial's folder from being gone on with."""

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from segtrain import records
from segtrain.config import ConfigError, TrialConfig


def find_problems(folder: Path, config: TrialConfig) -> list[str]:
    """What keeps `folder` from being gone on with as a trial of `config`, a sentence each."""
    if not os.path.lexists(folder):  # most, of a large study that begins
        return []
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
    best = folder / records.BEST_FILE
    damages = {best: find_damage(best, is_safetensors)}
    if status is None or status.state not in records.FINAL_STATES:  # of one that has ended only longer ones need it
        damages[folder / records.LAST_FILE] = find_damage(folder / records.LAST_FILE, zipfile.is_zipfile)
    for path, damage in damages.items():
        problems += [] if damage is None else [f"{path} {damage}; {advice}"]
    if status is not None and status.state == "finished" and not best.exists():
        problems.append(f"{best} is missing from a finished trial; {advice}")
    return problems


def is_safetensors(file: BinaryIO) -> bool:
    """Whether the file is as long as its own header says."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    if len(head) < 8:
        return False
    (header_size,) = struct.unpack("<Q", head)
    if header_size > size - 8:
        return False
    try:
        header = records.parse_json(file.read(header_size))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return bool(size == 8 + header_size + max(ends, default=0))
    except (ValueError, LookupError, TypeError, AttributeError):  # a header that is none
        return False


def find_damage(path: Path, is_whole: Callable[[BinaryIO], bool]) -> str | None:
    # Looked at once: a trial that another command runs may finish, and remove last.pt, at any moment.
    try:
        with records.opened(path) as file:
            return None if is_whole(file) else "is torn"
    except FileNotFoundError:
        return None
    except (IsADirectoryError, records.RecordError):
        return "is no file"
