"""study.json: what a study is, its trials as far as they are known, and the looks that were taken at its claims."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from analysis.inference.spending import FIRST_SHARE, Look
from analysis.inference.spending import read_looks as parse_looks
from segtrain import records
from segtrain.machine.disk import locked
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial


def read_looks(study: Study, trials: Sequence[Trial], options: Options) -> list[Look]:
    """The looks taken at these settings before. None where study.json is absent, torn, or of other settings alone: an
    edited study is another question. A file that counts no looks is of a program that did not yet: one was taken."""
    try:
        before = records.read_json(records.study_dir(options.out, study.name) / records.STUDY_FILE)
        entries = [entry for entry in before["trials"] if entry["stage"] == "trial"]
        known = {_setting(entry["config"]) for entry in entries}
        if not any(_setting(trial.config.to_dict()) in known for trial in trials if trial.stage != "pretrain"):
            return []
        if "looks" not in before:
            seeds = len({entry["config"]["seed"] for entry in entries})
            return [Look(seeds, FIRST_SHARE)] if seeds > 1 else []  # one seed decides nothing, so it was no look
        return parse_looks(before["looks"])
    except (FileNotFoundError, records.RecordError, LookupError, TypeError, ValueError):
        return []


def _setting(config: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in config.items() if name not in ("seed", "parent")}, sort_keys=True)


def write_study(study: Study, trials: Sequence[Trial], looks: Sequence[Look], options: Options) -> None:
    """With the looks of the file that is there, and those of `looks` that are later. Another command may do the same:
    none of the looks is lost. Raises DiskError, OSError."""
    folder = records.study_dir(options.out, study.name)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / records.LOCK_FILE):
        taken = read_looks(study, trials, options)
        latest = max((look.seeds for look in taken), default=0)
        taken += [look for look in looks if look.seeds > latest]
        described = study.describe(trials, options.command)
        records.write_json(folder / records.STUDY_FILE, {**described, "looks": [asdict(look) for look in taken]})
