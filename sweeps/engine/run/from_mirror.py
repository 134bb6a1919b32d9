"""What an object store holds of a study, brought to a machine that has nothing of it, or less."""

from collections.abc import Callable
from pathlib import Path

from filelock import Timeout

from segtrain import records
from segtrain.machine.disk import locked
from segtrain.mirror.object_store import ObjectStore
from segtrain.mirror.study_copies import fetch_study_files, listed_trials
from segtrain.mirror.trial_copies import fetch_trial
from sweeps.engine.ask.study import Study


def fetch_study(store: ObjectStore, study: Study, out: Path, say: Callable[[str], None]) -> None:
    """Copies the trials of `study` that have begun there and not here, and the study's own files where there are none
    here. A trial that has begun here is left as it is. Raises StoreError, DiskError, OSError, RecordError."""
    if not (records.study_dir(out, study.name) / records.STUDY_FILE).exists():
        fetch_study_files(store, out, study.name)
    parents = [trial.config.parent for trial in study.expand() if trial.config.parent is not None]
    wanted = dict.fromkeys([*parents, *(trial.trial_id for trial in study.expand()), *listed_trials(out, study.name)])
    fetched = [trial_id for trial_id in wanted if _fetch(store, records.trial_dir(out, trial_id))]
    say(f"{len(fetched)} of {len(wanted)} trials came from {store.address}")


def _fetch(store: ObjectStore, folder: Path) -> bool:
    if _has_begun(folder) or store.read(f"{records.TRIALS_DIR}/{folder.name}/{records.STATUS_FILE}") is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / records.LOCK_FILE, timeout_s=0):
            if _has_begun(folder):
                return False
            fetch_trial(store, folder)
    except Timeout:  # another command has just taken it
        return False
    return True


def _has_begun(folder: Path) -> bool:
    return (folder / records.STATUS_FILE).exists() or (folder / records.LAST_FILE).exists()
