"""Setting trials and studies aside, under <out>/archive, and taking them back. Folders are renamed: nothing is copied
or deleted, and a command that was killed in between goes on where it is given again."""

import os
from contextlib import ExitStack
from pathlib import Path

from filelock import Timeout

from analysis.read.gathering.study_json import read_description
from segtrain import records
from segtrain.errors import UserError
from segtrain.machine.disk import locked
from sweeps.engine.manage.names import asked_for, studies_of


class CannotArchive(UserError):
    """Something still needs what was to be set aside, or stands where it was to go."""


def archive_trial(folder: Path) -> list[Path]:
    """Sets a trial aside. Raises CannotArchive while it runs, or where others start from it or a search goes by it."""
    out = folder.parents[1]
    if not folder.is_dir():
        raise CannotArchive(
            f"{folder.name} has not begun, so there is nothing to set aside; stop keeps it from running"
        )
    for study in studies_of(out):
        description = read_description(study)
        asked = {entry["trial_id"]: entry.get("parent") for entry in description["trials"]}
        if folder.name in asked and (study / records.SEARCH_FILE).exists():
            raise CannotArchive(f"{folder.name} is of the search {study.name}, which goes by its score; archive that")
        children = [
            child
            for child, parent in asked.items()
            if parent == folder.name and not records.is_archived(records.trial_dir(out, child))
        ]
        if children:
            raise CannotArchive(
                f"{len(children)} trials of {study.name} start from {folder.name}, such as {children[0]}; archive them "
                "first, or the study"
            )
    return _move([folder])


def archive_study(study: Path) -> list[Path]:
    """Sets a study aside with the trials that no other study asks for."""
    out = study.parents[1]
    others = set().union(*(asked_for(other) for other in studies_of(out) if other != study))
    own = sorted({entry["trial_id"] for entry in read_description(study)["trials"]} - others)
    trials = [folder for name in own if (folder := records.trial_dir(out, name)).is_dir()]
    return _move([*trials, study])  # the study last: given again, the command knows what is left


def restore(folder: Path) -> list[Path]:
    """Takes an archived trial back, or a study with the trials that it asks for."""
    archive = folder.parents[1]
    if folder.parent.name != records.STUDIES_DIR:
        return _move([folder], back=True)
    trials = [records.trial_dir(archive, name) for name in sorted(asked_for(folder))]
    return _move([*(trial for trial in trials if trial.is_dir()), folder], back=True)


def _move(folders: list[Path], back: bool = False) -> list[Path]:
    """Where they lie now. Nothing is moved before it is known that all can be."""
    places = [_back(folder) if back else records.archived(folder) for folder in folders]
    with ExitStack() as held:
        for folder, place in zip(folders, places, strict=True):
            if place.exists():
                raise CannotArchive(f"{place} is there already; move it away, or leave {folder.name} where it is")
            try:
                held.enter_context(locked(folder / records.LOCK_FILE, timeout_s=0))
            except Timeout:
                raise CannotArchive(f"{folder.name} is in use by a running command; stop it first") from None
        for folder, place in zip(folders, places, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder, place)
            records.sync_folder(place.parent)
            records.sync_folder(folder.parent)
    return places


def _back(folder: Path) -> Path:
    return folder.parents[2] / folder.parent.name / folder.name
