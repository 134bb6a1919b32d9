"""What an object store holds of a study, brought to a machine that has nothing of it, or less."""

from collections.abc import Callable
from pathlib import Path

from filelock import Timeout

from segtrain import records
from segtrain.machine.disk import locked
from segtrain.mirror.object_store import ObjectStore
from segtrain.mirror.study_copies import archived_there, fetch_study_files, listed_trials
from segtrain.mirror.trial_copies import fetch_trial
from sweeps.engine.ask.study import Study


def fetch_study(store: ObjectStore, study: Study, out: Path, say: Callable[[str], None]) -> None:
    """Copies the trials of `study` that have begun there and not here, and the study's own files where there are none
    here. A trial that has begun or was set aside here is left as it is. Raises StoreError, DiskError, OSError,
    RecordError."""
    if not (records.study_dir(out, study.name) / records.STUDY_FILE).exists():
        fetch_study_files(store, out, study.name)
    parents = [trial.config.parent for trial in study.expand() if trial.config.parent is not None]
    wanted = dict.fromkeys([*parents, *(trial.trial_id for trial in study.expand()), *listed_trials(out, study.name)])
    archived = archived_there(store, study.name)
    fetched = [trial_id for trial_id in wanted if _fetch(store, records.trial_dir(out, trial_id), trial_id in archived)]
    say(f"{len(fetched)} of {len(wanted)} trials came from {store.address}")


def _fetch(store: ObjectStore, folder: Path, set_aside: bool) -> bool:
    """Whether the trial came, to where it was there: what was set aside stays so."""
    known = _has_begun(folder) or records.archived(folder).exists()
    if known or store.read(f"{records.TRIALS_DIR}/{folder.name}/{records.STATUS_FILE}") is None:
        return False
    place = records.archived(folder) if set_aside else folder
    place.mkdir(parents=True, exist_ok=True)
    try:
        with locked(place / records.LOCK_FILE, timeout_s=0):
            if _has_begun(place):
                return False
            fetch_trial(store, place)
    except Timeout:  # another command has just taken it
        return False
    return True


def _has_begun(folder: Path) -> bool:
    return (folder / records.STATUS_FILE).exists() or (folder / records.LAST_FILE).exists()
