"""A trial that goes on where a shorter one ended gives what it gives in one go, to the byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.mismatches import why_not_extendable
from segtrain.training import checkpoint, continuation
from segtrain.training.objective.optimizer import learning_rate
from segtrain.training.trial import train

Tiny = Callable[..., TrialConfig]
RunTrial = Callable[..., list[dict[str, Any]]]
Outcome = Callable[[Path], dict[str, Any]]
RECIPE = {"test_every": 1, "ema_decay": 0.9, "warmup_epochs": 1, "flip": True}


class Killed(BaseException):
    """Ends a trial as SIGKILL would: no handler of exceptions sees it."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny, roads_root: Path) -> Path:
    """A folder with `two`, a trial of two epochs that may be extended, and `four`, the same recipe in one go."""
    out = tmp_path_factory.mktemp("kept")
    list(train(tiny(epochs=2, **RECIPE), out / "two", roads_root, 1, extendable=True))
    list(train(tiny(epochs=4, **RECIPE), out / "four", roads_root, 1))
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def go_on(config: TrialConfig, folder: Path, data_root: Path, shorter: Path, **how: Any) -> list[int]:
    return [line[records.EPOCH] for line in train(config, folder, data_root, 1, shorter=shorter, **how)]


def test_in_two_steps_a_trial_is_the_one_in_one_go(
    kept: Path, tiny: Tiny, tmp_path: Path, roads_root: Path, outcome: Outcome
) -> None:
    before = content(kept / "two")
    assert go_on(tiny(epochs=3, **RECIPE), tmp_path / "three", roads_root, kept / "two", extendable=True) == [3]
    assert go_on(tiny(epochs=4, **RECIPE), tmp_path / "four", roads_root, tmp_path / "three") == [4]
    assert outcome(tmp_path / "four") == outcome(kept / "four")
    assert content(kept / "two") == before
    assert [path.name for path in (kept / "two", kept / "four") if (path / records.LAST_FILE).exists()] == ["two"]
    assert not (tmp_path / "four" / records.LAST_FILE).exists()
    status = records.read_status(tmp_path / "four")
    assert status is not None
    assert (status.state, status.epoch, status.epochs, status.attempts) == ("finished", 4, 4, 1)
    origin = records.read_json(tmp_path / "four" / records.ENV_FILE)[records.CONTINUED_KEY]
    assert origin == {"trial_id": "three", "epoch": 3}


@pytest.mark.parametrize("call", [1, 3, 4])
def test_killed_while_it_takes_over_a_trial_takes_over_again(
    kept: Path,
    tiny: Tiny,
    tmp_path: Path,
    roads_root: Path,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    """Before the first file, before the checkpoint, and before the first epoch."""
    copied = []

    def copy_or_die(source: Path, target: Path) -> None:
        copied.append(source.name)
        if len(copied) == call:
            raise Killed
        copy(source, target)

    copy, config = continuation._copy, tiny(epochs=4, **RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr(continuation, "_copy", copy_or_die)
        if call == 4:
            patch.setattr(checkpoint, "load_last", lambda folder: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            go_on(config, tmp_path / "four", roads_root, kept / "two")
    assert (tmp_path / "four" / records.LAST_FILE).exists() == (call == 4)
    assert go_on(config, tmp_path / "four", roads_root, kept / "two") == [3, 4]
    assert outcome(tmp_path / "four") == outcome(kept / "four")


def test_cut_off_on_the_way_it_needs_the_shorter_one_no_more(
    kept: Path, tiny: Tiny, tmp_path: Path, roads_root: Path, outcome: Outcome
) -> None:
    config = tiny(epochs=4, **RECIPE)
    trial = train(config, tmp_path / "four", roads_root, 1, shorter=kept / "two")
    next(trial)
    trial.close()
    assert go_on(config, tmp_path / "four", roads_root, tmp_path / "gone") == [4]
    assert outcome(tmp_path / "four") == outcome(kept / "four")
    assert continuation.read_origin(tmp_path / "four") == {records.CONTINUED_KEY: {"trial_id": "two", "epoch": 2}}


@pytest.mark.parametrize("harm", ["gone", "torn", "flipped", "unfinished"])
def test_from_one_that_is_no_use_it_begins_at_the_start_and_says_so(
    kept: Path, tiny: Tiny, tmp_path: Path, roads_root: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    for name, old in content(kept / "two").items():
        (tmp_path / "two" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "two" / name).write_bytes(old)
    last = tmp_path / "two" / records.LAST_FILE
    whole = last.read_bytes()
    if harm == "gone":
        last.unlink()
    elif harm == "torn":
        last.write_bytes(whole[:-100])
    elif harm == "flipped":
        middle = len(whole) // 2
        last.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    else:
        records.write_status(tmp_path / "two", records.Status(state="failed", epoch=2, epochs=2, runtime_s=1.0))
    trial = train(tiny(epochs=4, **RECIPE), tmp_path / "four", roads_root, 1, shorter=tmp_path / "two")
    assert next(trial)[records.EPOCH] == 1
    trial.close()
    assert "four is trained from the start: " in capsys.readouterr().err
    assert continuation.read_origin(tmp_path / "four") == {}


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        (
            {"schedule": "cosine"},
            "schedule is 'cosine', whose rates depend on the number of epochs, so no longer trial ",
        ),
        ({"schedule": "poly"}, "schedule is 'poly', whose rates depend on the number of epochs, so no longer trial "),
        ({"epochs": 3, "val_every": 2}, "epochs is 3 and val_every is 2, so the last epoch is evaluated out of turn"),
        ({"epochs": 3, "test_every": 2}, "epochs is 3 and test_every is 2, so the last epoch is evaluated out of turn"),
    ],
)
def test_what_no_longer_trial_begins_like_is_told(tiny: Tiny, edits: dict[str, Any], sentence: str) -> None:
    assert (why_not_extendable(tiny(**edits)) or "").startswith(sentence)


@pytest.mark.parametrize("schedule", ["exponential", "constant", "poly", "cosine"])
def test_rates_are_fixed_where_more_epochs_leave_them_as_they_are(tiny: Tiny, schedule: str) -> None:
    short, long = (tiny(epochs=epochs, schedule=schedule, warmup_epochs=2) for epochs in (6, 12))
    alike = all(learning_rate(short, epoch) == learning_rate(long, epoch) for epoch in range(1, 7))
    assert alike == (why_not_extendable(short) is None)
