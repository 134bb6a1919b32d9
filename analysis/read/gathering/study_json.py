"""study.json, checked: the trials of all commands that were given for a study, and which of them asked for each.

Files from before studies gathered their trials name one command, which asked for all that is in them.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.fields import COUNT, NAME, OBJECT, PLAIN, TEXT, Kind, list_of, or_none
from segtrain.records import RecordError

STUDY_KINDS = {
    **dict.fromkeys(("name", "title", "command"), TEXT),
    "axes": OBJECT,
    "variants": or_none(OBJECT),
    "claims": list_of(Kind("an object or a text", lambda value: isinstance(value, dict | str))),
    "trials": list_of(OBJECT),
    "looks": or_none(list_of(OBJECT)),
    "published": or_none(OBJECT),
    "commands": or_none(list_of(TEXT)),
    "latest": or_none(COUNT),
}
PUBLISHED_KINDS = {
    **dict.fromkeys(("source", "note"), TEXT),
    "columns": list_of(TEXT),
    "rows": list_of(list_of(PLAIN)),
}
ENTRY_KINDS = {
    "trial_id": NAME,
    "run": TEXT,
    "stage": TEXT,
    "parent": or_none(NAME),
    "variant": or_none(TEXT),
    "commands": or_none(list_of(COUNT)),
}
COMPARED_STAGE = "trial"
"""The stage whose trials are compared; those of other stages (`pretrain`, `tune`) only give them weights, or
say which settings to compare."""
TUNING_STAGE = "tune"
REMEDY = "restore it, or move it away: the study's commands, given again, make it anew"

Row = dict[str, Any]


def read_description(folder: Path) -> Row:
    """What study.json says. `commands` are all that asked for trials, `latest` is the place of the last one in them,
    and every trial has the places of those that asked for it; so has every look, `command`, that of the one that took
    it. Raises RecordError on anything else in the file, FileNotFoundError without one."""
    path = folder / records.STUDY_FILE
    return check_description(path, records.read_json(path))


def check_description(path: Path, description: Row) -> Row:
    """What was read from `path`, with all that `read_description` promises. Raises RecordError."""
    records.check(path, description, STUDY_KINDS, remedy=REMEDY)
    if description.get("published") is not None:
        records.check(path, description["published"], PUBLISHED_KINDS, ", published", REMEDY)
    records.check(path, description["axes"], dict.fromkeys(description["axes"], list_of(PLAIN)), ", axes", REMEDY)
    if description.get("commands") is None:
        description |= {"commands": [description["command"]], "latest": 0}
    known = len(description["commands"])
    if description.get("latest") is None or description["latest"] >= known:
        raise RecordError(f"{path}: latest is {description.get('latest')}; allowed: the place of a command; {REMEDY}")
    seen = set()
    for number, entry in enumerate(description["trials"], start=1):
        records.check(path, entry, ENTRY_KINDS, f", trial {number}", REMEDY)
        if entry["trial_id"] in seen:
            raise RecordError(f"{path}: trials has {entry['trial_id']} twice; {REMEDY}")
        seen.add(entry["trial_id"])
        if entry.get("commands") is None:
            entry["commands"] = [0]
        if max(entry["commands"], default=0) >= known:
            raise RecordError(f"{path}, trial {number}: a command is {max(entry['commands'])} of {known}; {REMEDY}")
    return description


def read_known(folder: Path) -> Row | None:
    """None where no command was given yet. Raises RecordError."""
    try:
        return read_description(folder)
    except FileNotFoundError:
        return None


def only_latest(description: Row) -> Row:
    """Of a description as `read_description` gives it: the trials that its last command asked for."""
    latest = description["latest"]
    trials = [{**entry, "commands": [latest]} for entry in description["trials"] if latest in entry["commands"]]
    return {**description, "trials": trials, "looks": looks_at(description, [entry.get("config") for entry in trials])}


def looks_at(description: Row, configs: Iterable[Any]) -> list[Row] | None:
    """The looks of the commands that compared a setting of these configs, whatever its seeds: who trains other settings
    asks another question. None where the file is from before looks were counted, and such a command was given."""
    asked = {_setting(config) for config in configs}
    numbers = {
        number
        for entry in description["trials"]
        if entry["stage"] == COMPARED_STAGE and _setting(entry.get("config")) in asked
        for number in entry["commands"]
    }
    if not numbers:
        return []
    looks = description.get("looks")
    return looks and [look for look in looks if look.get("command", 0) in numbers]


def _setting(config: Any) -> str:
    fields = config.items() if isinstance(config, dict) else ()
    science = {name: value for name, value in fields if name not in ("seed", "parent")}
    return json.dumps(science, sort_keys=True)
