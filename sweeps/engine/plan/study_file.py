"""study.json as commands add to it: the trials that each asked for, and the looks that it took at the claims."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from analysis.inference.spending import FIRST_SHARE, Look
from analysis.inference.spending import read_looks as parse_looks
from analysis.read.gathering.study_json import COMPARED_STAGE, REMEDY, looks_at, read_known
from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.machine.disk import locked
from segtrain.records import RecordError
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial


def read_looks(study: Study, trials: Sequence[Trial], options: Options) -> list[Look]:
    """The looks taken at these settings before: an edited study is another question. A file without the key was written
    when looks were not counted yet: one was taken. Raises RecordError on a damaged file."""
    known = read_known(records.study_dir(options.out, study.name))
    if known is None:
        return []
    looks = looks_at(known, [trial.config.to_dict() for trial in trials if trial.stage != "pretrain"])
    if looks is None:
        compared = [entry for entry in known["trials"] if entry["stage"] == COMPARED_STAGE]
        configs = [entry["config"] for entry in compared if isinstance(entry.get("config"), dict)]
        seeds = len({str(config.get("seed")) for config in configs})
        return [Look(seeds, FIRST_SHARE)] if seeds > 1 else []  # one seed decides nothing, so it was no look
    try:
        return parse_looks(looks)
    except ValueError as error:
        path = records.study_dir(options.out, study.name) / records.STUDY_FILE
        raise RecordError(f"{path}: {error}; {REMEDY}") from None


def write_study(study: Study, trials: Sequence[Trial], looks: Sequence[Look], options: Options) -> None:
    """Adds the trials, and those of `looks` that are later than what was taken at their settings, to what other
    commands have asked for and seen; they may do the same at the same time. Raises DiskError, OSError, RecordError."""
    folder = records.study_dir(options.out, study.name)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / records.LOCK_FILE):
        latest = max((look.seeds for look in read_looks(study, trials, options)), default=0)
        new = [asdict(look) for look in looks if look.seeds > latest]
        gathered = gather(read_known(folder), study.describe(trials, options.command), new)
        records.write_json(folder / records.STUDY_FILE, gathered)


def gather(known: Mapping[str, Any] | None, described: Mapping[str, Any], looks: Sequence[Any]) -> dict[str, Any]:
    """`known`, as `read_known` gives it, with what one command describes, which comes first, and its new looks."""
    asked = {entry["trial_id"]: entry for entry in described["trials"]}
    commands = list(known["commands"]) if known else []
    before = {entry["trial_id"]: entry for entry in known["trials"]} if known else {}
    number = _number(commands, before, described["command"], set(asked))
    if number == len(commands):
        commands.append(described["command"])
    trials = [
        {**entry, "commands": sorted({*before.get(trial_id, {}).get("commands", []), number})}
        for trial_id, entry in asked.items()
    ]
    trials += [_with_every_field(entry) for trial_id, entry in before.items() if trial_id not in asked]
    taken = [*((known or {}).get("looks") or []), *({**look, "command": number} for look in looks)]
    return {**described, "commands": commands, "latest": number, "trials": trials, "looks": taken}


def merge(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """Two lists of the trials of one study, as `read_known` gives them, of commands that share a mirror and no folder.
    What a trial and the study are is said as in `mine`."""
    commands, places = list(theirs["commands"]), []
    for number, command in enumerate(mine["commands"]):
        nth = mine["commands"][:number].count(command)  # of those that read the same, the same one
        found = [place for place, other in enumerate(commands) if other == command]
        if nth == len(found):
            found.append(len(commands))
            commands.append(command)
        places.append(found[nth])
    there = {entry["trial_id"]: entry for entry in theirs["trials"]}
    trials = []
    for entry in mine["trials"]:
        before = there.pop(entry["trial_id"], {"commands": []})
        asked = {*before["commands"], *(places[number] for number in entry["commands"])}
        trials.append({**entry, "commands": sorted(asked)})
    trials += there.values()
    taken = list(theirs.get("looks") or [])
    for look in mine.get("looks") or []:
        placed = {**look, "command": places[look.get("command", 0)]}
        taken += [] if placed in taken else [placed]
    return {**mine, "commands": commands, "latest": places[mine["latest"]], "trials": trials, "looks": taken}


def _number(commands: Sequence[str], before: Mapping[str, Any], command: str, asked: set[str]) -> int:
    """The place of the command among those that were given. Where it no longer asks for what it asked for then, the
    study file was edited, and it is another one."""
    for number in reversed(range(len(commands))):
        earlier = {trial_id for trial_id, entry in before.items() if number in entry["commands"]}
        if commands[number] == command and earlier <= asked:
            return number
    return len(commands)


def _with_every_field(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry from before a field was added to the recipe gets it, at the value that it stands for: it is of one
    setting with what is trained now."""
    config = entry.get("config")
    if not isinstance(config, dict) or len(config) == len(fields(TrialConfig)):
        return entry
    try:
        return {**entry, "config": TrialConfig.from_dict(config).to_dict()}
    except (ConfigError, TypeError):  # of a version to come
        return entry
