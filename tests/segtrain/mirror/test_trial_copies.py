"""A trial's folder there and back; copies that were cut short, or made while the trial went on."""

from pathlib import Path

import pytest

from segtrain import records
from segtrain.mirror.object_store import ObjectStore, StoreError
from segtrain.mirror.trial_copies import fetch_trial, push_trial
from tests.segtrain.mirror.conftest import S3Server


@pytest.fixture
def store(s3: S3Server) -> ObjectStore:
    return ObjectStore("s3://lab/runs")


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A running one, after an epoch."""
    folder = records.trial_dir(tmp_path, "one")
    (folder / records.PANELS_DIR).mkdir(parents=True)
    for name in (records.LOCK_FILE, records.ROOM_FILE, f".x{records.TEMPORARY_SUFFIX}", records.CONFIG_FILE):
        (folder / name).write_text(name)
    (folder / records.PANELS_DIR / "00_image.png").write_text("picture")
    end_epoch(folder, 1)
    return folder


def end_epoch(folder: Path, epoch: int) -> None:
    """In the order of the trainer."""
    (folder / records.BEST_FILE).write_text(f"best of {epoch}")
    records.append_metrics(folder, {records.EPOCH: epoch})
    records.write_atomic(folder / records.LAST_FILE, str(epoch).encode())
    write_status(folder, "running", epoch)


def write_status(folder: Path, state: records.State, epoch: int) -> None:
    records.write_status(folder, records.Status(state=state, epoch=epoch, epochs=9, runtime_s=1.0))


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_all_but_locks_and_half_written_files_goes_there_and_comes_back(
    store: ObjectStore, trial: Path, tmp_path: Path
) -> None:
    push_trial(store, trial)
    back = tmp_path / "back" / "one"
    fetch_trial(store, back)
    assert content(back) == {name: data for name, data in content(trial).items() if not name.startswith(".")}
    assert content(back).keys() > {"panels/00_image.png", records.LAST_FILE}


def test_what_the_trial_has_no_more_is_removed_there(store: ObjectStore, trial: Path) -> None:
    push_trial(store, trial)
    (trial / records.LAST_FILE).unlink()
    (trial / records.PANELS_DIR / "00_image.png").unlink()
    push_trial(store, trial)
    assert set(store.list("trials/one")) == {
        records.BEST_FILE, records.CONFIG_FILE, records.METRICS_FILE, records.STATUS_FILE,
    }  # fmt: skip


def test_a_copy_of_a_trial_that_goes_on_meanwhile_holds_no_checkpoint_beyond_its_metrics(
    store: ObjectStore, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = store.put

    def put_slowly(local: Path, path: str) -> None:
        put(local, path)
        if path.endswith(records.METRICS_FILE):  # the trial ends an epoch just then, and all of it
            end_epoch(trial, 2)
            (trial / records.LAST_FILE).unlink()
            write_status(trial, "finished", 2)

    monkeypatch.setattr(store, "put", put_slowly)
    push_trial(store, trial)
    assert store.read("trials/one/last.pt") == b"1"
    assert store.read("trials/one/metrics.jsonl") == b'{"epoch": 1}\n'
    assert b'"running"' in (store.read("trials/one/status.json") or b"")
    assert [path.name for path in trial.glob(f".{records.LAST_FILE}.*")] == []


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_copy_that_is_cut_short_says_nothing_that_is_not_there(
    store: ObjectStore, trial: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Wherever it is cut, the mirror's checkpoint is behind its metrics, and a finished trial is whole."""
    push_trial(store, trial)
    end_epoch(trial, 2)
    (trial / records.LAST_FILE).unlink()
    (trial / records.TEST_FILE).write_text("scores")
    write_status(trial, "finished", 2)
    calls = 0

    def failing(method: str) -> None:
        real = getattr(store, method)

        def call(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == cut:
                raise StoreError("gone")
            return real(*arguments)

        monkeypatch.setattr(store, method, call)

    for method in ("put", "write", "remove"):
        failing(method)
    with pytest.raises(StoreError, match="gone"):
        push_trial(store, trial)
    monkeypatch.undo()
    if b'"finished"' in (store.read("trials/one/status.json") or b""):
        assert store.read("trials/one/test.json") == b"scores"
        assert store.read("trials/one/best.safetensors") == b"best of 2"
    else:
        assert store.read("trials/one/last.pt") == b"1"
        assert (store.read("trials/one/metrics.jsonl") or b"").startswith(b'{"epoch": 1}\n')
