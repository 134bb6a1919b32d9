"""A study in an object store: kept while it grows, with the store there or not, and brought back."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.mirror.object_store import ObjectStore, StoreError
from segtrain.mirror.study_copies import ReadCopy, listed_trials
from sweeps.engine.ask.study import Study
from sweeps.engine.manage.archive import archive_trial, restore
from sweeps.engine.run import mirroring
from sweeps.engine.run.from_mirror import fetch_study
from sweeps.engine.run.mirroring import Mirror, mirrored
from tests.segtrain.mirror.conftest import S3Server
from tests.sweeps.conftest import call, data_root, environment
from tests.sweeps.engine.plan.test_replication import options

__all__ = ["call", "data_root", "environment"]

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=3)
STUDY = Study(name="rates", title="Rates", base=BASE, axes={"lr": (0.1, 0.01)})
FIRST, SECOND = (trial.trial_id for trial in STUDY.expand())
ADDRESS = "s3://lab/runs"


@pytest.fixture
def out(tmp_path: Path, s3: S3Server) -> Path:
    """A study whose first trial has finished and whose second is running."""
    out = tmp_path / "out"
    records.study_dir(out, "rates").mkdir(parents=True)
    described = STUDY.describe(STUDY.expand(), "python study.py")
    records.write_json(records.study_dir(out, "rates") / records.STUDY_FILE, described)
    set_status(out, FIRST, "finished", 3)
    set_status(out, SECOND, "running", 1)
    (records.trial_dir(out, SECOND) / records.LAST_FILE).write_bytes(b"checkpoint")
    return out


def set_status(out: Path, trial_id: str, state: records.State, epoch: int) -> None:
    folder = records.trial_dir(out, trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    records.write_status(folder, records.Status(state=state, epoch=epoch, epochs=3, runtime_s=1.0))


class Put(ObjectStore):
    """A store that remembers what was put into it, and refuses what is in `refused`."""

    def __init__(self, *refused: str) -> None:
        super().__init__(ADDRESS)
        self.refused, self.names = refused, list[str]()

    def put(self, local: Path, path: str) -> None:
        self._note(path)
        super().put(local, path)

    def write(self, path: str, content: bytes) -> None:
        self._note(path)
        super().write(path, content)

    def _note(self, path: str) -> None:
        if any(name in path for name in self.refused):
            raise StoreError(f"{path} is refused")
        self.names.append(path)


def mirror(out: Path, store: ObjectStore) -> tuple[Mirror, list[str]]:
    said: list[str] = []
    return Mirror(store, out, "rates", said.append), said


def mirrored_state(trial_id: str) -> str | None:
    status = ObjectStore(ADDRESS).read(f"trials/{trial_id}/status.json")
    return None if status is None else str(records.parse_json(status)["state"])


def test_the_study_and_its_trials_are_there_at_the_end_and_not_copied_again(out: Path) -> None:
    kept, said = mirror(out, store := Put())
    kept.ended(FIRST)
    kept.finish()
    assert said[-1] == f"mirrored in {ADDRESS}"
    assert set(store.names) == {
        f"trials/{FIRST}/status.json", f"trials/{SECOND}/last.pt", f"trials/{SECOND}/status.json",
        "studies/rates/study.json",
    }  # fmt: skip
    kept, _ = mirror(out, store := Put())  # of the next command
    set_status(out, SECOND, "failed", 2)
    kept.finish()
    assert f"trials/{SECOND}/status.json" in store.names
    assert not [name for name in store.names if FIRST in name]


def test_a_running_trial_is_copied_every_now_and_then(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = mirror(out, Put())
    kept.runs(SECOND)
    kept.runs(SECOND)
    assert kept.waiting == {}, "not at every epoch"
    monkeypatch.setattr(mirroring, "RUNNING_EVERY_S", 0.0)
    kept.runs(SECOND)
    with kept.changed:
        assert kept.changed.wait_for(lambda: SECOND in kept.copied, timeout=60)
    assert ObjectStore(ADDRESS).read(f"trials/{SECOND}/last.pt") == b"checkpoint"
    assert mirrored_state(FIRST) is None
    kept.finish()


def test_a_store_that_is_gone_is_said_once_and_gets_everything_when_it_is_back(
    out: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(mirroring, "FIRST_WAIT_S", 0.1)
    kept, said = mirror(out, ObjectStore(ADDRESS))
    s3.down()
    kept.ended(FIRST)
    with kept.changed:
        assert kept.changed.wait_for(lambda: kept.failing_since is not None, timeout=60)
    s3.up()
    kept.finish()
    assert (mirrored_state(FIRST), mirrored_state(SECOND)) == ("finished", "running")
    assert len([line for line in said if line.startswith(f"{ADDRESS} cannot be read")]) == 1
    assert said[-1] == f"mirrored in {ADDRESS}"


def test_a_store_that_stays_away_is_waited_for_no_longer_than_promised_and_what_is_missing_is_named(
    out: Path, s3: S3Server
) -> None:
    kept, said = mirror(out, ObjectStore(ADDRESS))
    s3.down()
    kept.finish(patience_s=0.0)
    s3.up()
    assert said[-1].startswith("not mirrored: ")
    assert FIRST in said[-1]
    assert said[-1].endswith("; the same command again copies what is left")
    assert mirrored_state(FIRST) is None


def test_a_trial_that_cannot_be_copied_holds_up_no_other(out: Path) -> None:
    kept, said = mirror(out, Put(FIRST))
    kept.add(FIRST)
    kept.finish(patience_s=5.0)
    assert mirrored_state(SECOND) == "running"
    assert said[-1] == f"not mirrored: {FIRST}; the same command again copies what is left"


def test_a_fresh_machine_gets_what_the_mirror_has_and_keeps_what_it_has_itself(out: Path, tmp_path: Path) -> None:
    kept, said = mirror(out, ObjectStore(ADDRESS))
    kept.finish()
    fresh = tmp_path / "fresh"
    set_status(fresh, SECOND, "running", 2)
    fetch_study(ObjectStore(ADDRESS), STUDY, fresh, said.append)
    assert said[-1] == f"1 of 2 trials came from {ADDRESS}"
    status = records.read_status(records.trial_dir(fresh, FIRST))
    assert status is not None
    assert status.state == "finished"
    assert records.read_status(records.trial_dir(fresh, SECOND)).epoch == 2  # type: ignore[union-attr]
    assert not (records.trial_dir(fresh, SECOND) / records.LAST_FILE).exists(), "of another run of it"
    assert (records.study_dir(fresh, "rates") / records.STUDY_FILE).exists()


def test_what_was_set_aside_stays_so_wherever_the_mirror_is_taken_up_until_it_is_taken_back(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror(out, ObjectStore(ADDRESS))[0].finish()
    archive_trial(records.trial_dir(out, FIRST))
    fetch_study(ObjectStore(ADDRESS), STUDY, out, lambda line: None)
    assert not records.trial_dir(out, FIRST).exists()
    mirror(out, ObjectStore(ADDRESS))[0].finish()

    fresh, said = tmp_path / "fresh", list[str]()
    fetch_study(ObjectStore(ADDRESS), STUDY, fresh, said.append)
    assert said == [f"2 of 2 trials came from {ADDRESS}"]
    assert not records.trial_dir(fresh, FIRST).exists()
    assert (records.archived(records.trial_dir(fresh, FIRST)) / records.STATUS_FILE).exists()
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    assert records.is_archived(records.trial_dir(ReadCopy(f"{ADDRESS}/studies/rates").out, FIRST))

    restore(records.archived(records.trial_dir(fresh, FIRST)))
    mirror(fresh, ObjectStore(ADDRESS))[0].finish()
    fetch_study(ObjectStore(ADDRESS), STUDY, tmp_path / "fresher", said.append)
    assert records.trial_dir(tmp_path / "fresher", FIRST).exists()
    assert not records.is_archived(records.trial_dir(ReadCopy(f"{ADDRESS}/studies/rates").out, FIRST))


def test_commands_with_an_out_each_share_a_mirror_and_lose_no_trial_of_each_other(out: Path, tmp_path: Path) -> None:
    mirror(out, ObjectStore(ADDRESS))[0].finish()
    other = STUDY.edit({"lr": (1e-3,)})
    apart = tmp_path / "apart"
    described = other.describe(other.expand(), "python study.py --set lr=1e-3")
    records.study_dir(apart, "rates").mkdir(parents=True)
    records.write_json(records.study_dir(apart, "rates") / records.STUDY_FILE, described)
    for folder in (apart, out, apart):
        mirror(folder, ObjectStore(ADDRESS))[0].finish()
        found = records.parse_json(ObjectStore(ADDRESS).read("studies/rates/study.json") or b"")
        asked = {entry["trial_id"]: [found["commands"][n] for n in entry["commands"]] for entry in found["trials"]}
        assert asked == {
            FIRST: ["python study.py"], SECOND: ["python study.py"],
            other.expand()[0].trial_id: ["python study.py --set lr=1e-3"],
        }  # fmt: skip
    assert len(listed_trials(apart, "rates")) == 1, "here it is as it was"


def test_a_search_is_not_copied_over_another_one_or_over_more_of_it(out: Path, tmp_path: Path) -> None:
    (records.study_dir(out, "rates") / records.JOURNAL_FILE).write_bytes(b"1\n2\n")
    mirror(out, ObjectStore(ADDRESS))[0].finish()
    how = dataclasses.replace(options(out, None), mirror=ADDRESS)
    for path, begun in ((out, b"1\n2\n3\n"), (tmp_path / "new", b""), (out, b"1\n"), (out, b"4\n5\n")):
        journal = records.study_dir(path, "rates") / records.JOURNAL_FILE
        if begun:
            journal.write_bytes(begun)
        refused = pytest.raises(StoreError, match="has trials of the search 'rates' that")
        with (
            refused if not begun.startswith(b"1\n2\n") else nullcontext(),
            mirrored(STUDY, dataclasses.replace(how, out=path), Console(quiet=True)),
        ):
            pass


Call = Callable[..., tuple[int, str]]


def test_what_is_wrong_with_a_mirror_is_told_before_anything_runs(call: Call, s3: S3Server, tmp_path: Path) -> None:
    commands = {
        ("--from-mirror",): "error: --from-mirror is given without --mirror; give the address as well, such as ",
        ("--mirror", ADDRESS, "--from-mirror", "--plan"): "error: --from-mirror is given with --plan, which copies ",
        ("--mirror", "runs"): "error: 'runs' is no address of an object store; allowed: such as s3://bucket/prefix",
        ("--mirror", "s3://me:s3cret@lab"): "error: the address of the object store at lab has a name or password in ",
        ("--mirror", "s3://absent"): "error: s3://absent cannot be written to (",
    }
    for words, sentence in commands.items():
        code, text = call("--demo", "--out", str(tmp_path / "new"), *words)
        assert (code, text.count("\n")) == (2, 1), text
        assert text.startswith(sentence)
        assert "s3cret" not in text
    assert not (tmp_path / "new").exists()
