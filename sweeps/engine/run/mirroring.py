"""A sweep's copy in an object store: trials as they end, and now and then while they run, by a thread of the command.
Whatever becomes of the store, training does not wait for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from analysis.read.gathering.study_json import check_description, read_description
from segtrain import records
from segtrain.mirror.object_store import ObjectStore, StoreError
from segtrain.mirror.study_copies import listed_trials, push_archived
from segtrain.mirror.trial_copies import push_files, push_trial
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study
from sweeps.engine.run.from_mirror import fetch_study
from sweeps.engine.say import say

RUNNING_EVERY_S = 600.0
"""A running trial is copied no more often, since its `last.pt` is four times as large as its weights. A machine that is
lost with its disk takes ten minutes of each running trial with it, or one epoch where that is more."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
PATIENCE_S = 60.0
"""With a store that does not answer, when there is nothing left to do but to copy."""
THE_STUDY = ""


class Mirror:
    """Copies the trials that it is told of, and at `finish` everything of the study that is not there yet.

    `say(line)` may be called from another thread.
    """

    def __init__(self, store: ObjectStore, out: Path, study: str, say: Callable[[str], None]) -> None:
        self.store, self.out, self.study, self.say = store, out, study, say
        self.changed = threading.Condition()  # guards all below
        self.waiting: dict[str, None] = {}  # trial ids in the order of copying, and THE_STUDY
        self.in_hand: str | None = None
        self.copied: dict[str, bytes | None] = {}  # trial id -> the status that the store has
        self.seen: dict[str, dict[Path, tuple[int, int]]] = {}  # of each: its files there, with size and time
        self.running_since: dict[str, float] = {}  # the last copy of a running trial, or its start
        self.failing_since: float | None = None
        self.problem: StoreError | OSError | None = None
        self.closed = False
        self.thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self.thread.start()

    def runs(self, trial_id: str) -> None:
        """Is told of every epoch."""
        now = time.monotonic()
        if now - self.running_since.setdefault(trial_id, now) >= RUNNING_EVERY_S:
            self.running_since[trial_id] = now
            self.add(trial_id)

    def ended(self, trial_id: str) -> None:
        self.add(trial_id, THE_STUDY)

    def add(self, *trial_ids: str) -> None:
        with self.changed:
            self.waiting |= dict.fromkeys(trial_ids)
            self.changed.notify_all()

    def add_all(self) -> None:
        """The trials of the study whose status the store does not have, as far as is known, and the study."""
        ids = listed_trials(self.out, self.study)
        statuses = {trial_id: _status(records.trial_dir(self.out, trial_id)) for trial_id in ids}
        with self.changed:
            left = [i for i, status in statuses.items() if status is not None and self.copied.get(i) != status]
        self.add(*left, THE_STUDY)

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Waits until all is copied, or the store has not answered for `patience_s`, and says what is missing."""
        self.add_all()
        began = time.monotonic()
        with self.changed:
            if self.waiting:
                self.say(f"copying what is left to {self.store.address}")
            while self.waiting or self.in_hand is not None:
                if self.failing_since is not None and time.monotonic() - max(began, self.failing_since) > patience_s:
                    break
                self.changed.wait(timeout=0.5)
            left = [*([] if self.in_hand is None else [self.in_hand]), *self.waiting]
            self.closed = True
            self.changed.notify_all()
        if left:
            named = [trial_id or "the study's own files" for trial_id in left]
            more = f" and {len(named) - 3} more" if len(named) > 3 else ""
            self.say(str(self.problem))
            self.say(f"not mirrored: {', '.join(named[:3])}{more}; the same command again copies what is left")
        else:
            self.say(f"mirrored in {self.store.address}")

    def _work(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.closed)
                if self.closed:
                    return
                self.in_hand = item = next(iter(self.waiting))
                del self.waiting[item]
            try:
                self._copy(item)
            except (StoreError, OSError) as error:
                self._failed(item, error)
                with self.changed:
                    self.changed.wait_for(lambda: self.closed, timeout=wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                wait_s = FIRST_WAIT_S
                self._succeeded()

    def _copy(self, item: str) -> None:
        if item == THE_STUDY:
            folder, place = records.study_dir(self.out, self.study), f"{records.STUDIES_DIR}/{self.study}"
            push_files(self.store, folder, place, self._same(item), but_not=(records.STUDY_FILE,))
            self._push_list(folder / records.STUDY_FILE, f"{place}/{records.STUDY_FILE}")
            push_archived(self.store, self.out, self.study)
            return
        folder = records.trial_dir(self.out, item)
        status = _status(folder)
        if status is None:
            return
        if item not in self.copied and self.store.read(f"{records.TRIALS_DIR}/{item}/{records.STATUS_FILE}") == status:
            self.copied[item] = status  # by an earlier command
            return
        self.copied[item] = push_trial(self.store, folder, self._same(item))

    def _push_list(self, path: Path, place: str) -> None:
        """study.json after all others, so that where it is all are; what commands with another --out have put there
        stays in it, unless it is damaged."""
        content = self.store.read(place)
        try:
            mine = theirs = read_description(path.parent)
            with suppress(ValueError, records.RecordError):
                found = None if content is None else records.parse_json(content)
                theirs = check_description(path, found) if isinstance(found, dict) else mine
        except (FileNotFoundError, records.RecordError):  # told by the command itself
            return
        from sweeps.engine.plan.study_file import merge  # with scipy, which no mistake should wait for

        merged = records.json_bytes(merge(theirs, mine))
        if merged != content:
            self.store.write(place, merged)

    def _same(self, item: str) -> Callable[[Path], bool]:
        seen = self.seen.setdefault(item, {})

        def same(path: Path) -> bool:
            found = path.stat()
            now = found.st_size, found.st_mtime_ns
            before, seen[path] = seen.get(path), now
            return before == now

        return same

    def _failed(self, item: str, error: StoreError | OSError) -> None:
        with self.changed:
            self.seen.pop(item, None)
            self.waiting.setdefault(item)  # behind the others, of which one may be the only one that cannot be copied
            self.in_hand = None
            self.problem = error
            first = self.failing_since is None
            if first:
                self.failing_since = time.monotonic()
            self.changed.notify_all()
        if first:
            self.say(f"{error}; training goes on, and what is missing is copied later")

    def _succeeded(self) -> None:
        with self.changed:
            self.in_hand = self.failing_since = None
            self.changed.notify_all()


def _status(folder: Path) -> bytes | None:
    try:
        return records.read_bytes(folder / records.STATUS_FILE)
    except (OSError, records.RecordError):
        return None


def _check_journal(store: ObjectStore, out: Path, study: str) -> None:
    """Raises StoreError where the mirror has another search of this name, or more of it: a copy would end that."""
    there = store.read(f"{records.STUDIES_DIR}/{study}/{records.JOURNAL_FILE}") or b""
    whole = there[: there.rfind(b"\n") + 1]  # a torn last line is dropped where the search goes on
    path = records.study_dir(out, study) / records.JOURNAL_FILE
    if not (path.read_bytes() if path.exists() else b"").startswith(whole):
        raise StoreError(
            f"{store.address} has trials of the search {study!r} that {out} has not; go on with them by --from-mirror "
            "and an --out without that search, or give another --mirror"
        )


@contextmanager
def mirrored(study: Study, options: Options, console: Console) -> Iterator[Mirror | None]:
    """Gives the mirror, when one is asked for, and finishes it; what it holds comes here first, when that is asked for.
    Raises StoreError when the store cannot be used, before anything is trained."""
    if options.mirror is None:
        yield None
        return

    tell = partial(say, console)
    store = ObjectStore(options.mirror)
    store.check()
    if options.from_mirror:
        fetch_study(store, study, options.out, tell)
    _check_journal(store, options.out, study.name)
    mirror = Mirror(store, options.out, study.name, tell)
    mirror.add_all()
    try:
        yield mirror
    except Exception:
        mirror.closed = True  # nothing was trained
        raise
    except KeyboardInterrupt:
        mirror.finish()
        raise
    mirror.finish()
