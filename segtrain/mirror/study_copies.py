"""Studies of an object store, here: what their files say, and copies to be read."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.machine.array_store import cache_root
from segtrain.mirror.object_store import ObjectStore, StoreError
from segtrain.mirror.trial_copies import fetch_trial

COPIES = "mirrors"
"""Folder of the cache."""
UNREAD = (records.LAST_FILE, records.BEST_FILE)
"""Large, and not read by the analysis."""


def listed_trials(out: Path, study: str) -> list[str]:
    """The ids of the trials in a study's file and of the parents that they start from; none where it is unreadable."""
    try:
        entries = records.read_json(records.study_dir(out, study) / records.STUDY_FILE)["trials"]
        parents = [entry["parent"] for entry in entries if entry.get("parent") is not None]
        return list(dict.fromkeys([*parents, *(entry["trial_id"] for entry in entries)]))
    except (FileNotFoundError, records.RecordError, LookupError, TypeError, AttributeError):
        return []


def archived_there(store: ObjectStore, study: str) -> set[str]:
    """Trials of a study that were set aside where they were copied from. Raises StoreError."""
    content = store.read(_archived_file(study))
    found: Any = None
    with suppress(ValueError):
        found = [] if content is None else records.parse_json(content)
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise StoreError(f"{store.address} has a damaged {_archived_file(study)}; remove it")
    return set(found)


def push_archived(store: ObjectStore, out: Path, study: str) -> None:
    """Writes down what was set aside here, or taken back. What is only there stays as it is said there. Raises
    StoreError."""
    folders = {trial_id: records.trial_dir(out, trial_id) for trial_id in listed_trials(out, study)}
    here = {trial_id for trial_id, folder in folders.items() if records.is_archived(folder)}
    in_use = {trial_id for trial_id, folder in folders.items() if folder.exists()}
    there = archived_there(store, study)
    if there != (there - in_use) | here:
        store.write(_archived_file(study), json.dumps(sorted((there - in_use) | here)).encode())


def _archived_file(study: str) -> str:
    return f"{records.ARCHIVE_DIR}/{study}.json"


def fetch_study_files(store: ObjectStore, out: Path, study: str) -> None:
    """Copies a study's own files, but for its report; study.json last, so that where it is all are. Of a search that is
    the journal too, without which its trials would be drawn again. Raises StoreError, OSError."""
    place = f"{records.STUDIES_DIR}/{study}"
    names = [name for name in store.list(place) if not name.startswith(f"{records.REPORT_DIR}/")]
    for name in sorted(names, key=lambda name: name == records.STUDY_FILE):
        store.get(f"{place}/{name}", records.study_dir(out, study) / name)


class ReadCopy:
    """A copy, without weights, of one or all studies of a mirror, in the cache of this machine: `out` is what was the
    --out of the sweeps. What is there from before is not copied again. Raises StoreError, OSError."""

    def __init__(self, address: str) -> None:
        """`address` is a mirror's, or that of one of its studies, <mirror>/studies/<name>, which is then `study`."""
        mirror, found, name = address.rstrip("/").rpartition(f"/{records.STUDIES_DIR}/")
        self.store = ObjectStore(mirror if found else address)
        self.out = cache_root() / COPIES / hashlib.sha256(self.store.address.encode()).hexdigest()[:16]
        names = [name] if found else self._names()
        self.study = records.study_dir(self.out, name)
        if found and self.store.read(f"{records.STUDIES_DIR}/{name}/{records.STUDY_FILE}") is None:
            raise StoreError(f"{self.store.address} holds no study {name!r}; it has {', '.join(self._names())}")
        for study in names:
            fetch_study_files(self.store, self.out, study)
            self._fetch_trials(listed_trials(self.out, study), archived_there(self.store, study))

    def fetch_weights(self, trial_id: str) -> None:
        folder = records.trial_dir(self.out, trial_id)
        if not (folder / records.BEST_FILE).exists():
            self.store.get(f"{records.TRIALS_DIR}/{trial_id}/{records.BEST_FILE}", folder / records.BEST_FILE)

    def _names(self) -> list[str]:
        parts = [path.split("/") for path in self.store.list(records.STUDIES_DIR)]
        names = [path[0] for path in parts if path[1:] == [records.STUDY_FILE]]
        if not names:
            raise StoreError(f"{self.store.address} holds no study; give the address that a sweep had as --mirror")
        return names

    def _fetch_trials(self, trial_ids: Iterable[str], archived: set[str]) -> None:
        for trial_id in trial_ids:
            aside = records.archived(records.trial_dir(self.out, trial_id))
            if trial_id in archived:  # nothing of it is read
                shutil.rmtree(records.trial_dir(self.out, trial_id), ignore_errors=True)
                aside.mkdir(parents=True, exist_ok=True)
                continue
            shutil.rmtree(aside, ignore_errors=True)
            status = self.store.read(f"{records.TRIALS_DIR}/{trial_id}/{records.STATUS_FILE}")
            folder = records.trial_dir(self.out, trial_id)
            here = folder / records.STATUS_FILE
            if status is not None and not (here.exists() and here.read_bytes() == status):
                (folder / records.BEST_FILE).unlink(missing_ok=True)  # of before
                fetch_trial(self.store, folder, lambda name: name not in UNREAD and not name.startswith("wandb/"))
