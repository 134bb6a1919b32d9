"""wandb, really, offline: what its files hold, and that its failure stops nothing."""

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from wandb.proto import wandb_internal_pb2

from segtrain import records
from sweeps.engine.run.tracking.wandb_tracker import PROJECT
from tests.sweeps.engine.run.tracking.runs import CONFIG, LINES, NAME, begin, track, tracked, write_results


@pytest.fixture(autouse=True)
def _private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567")


def read_log(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: 32 KiB blocks of chunks with a header of checksum, length and type."""
    position, parts, block, header = 7, [], 32768, 7  # the file begins with wandb's own 7 bytes
    while position + header <= len(content):
        if block - position % block < header:
            position += block - position % block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        if position + header + length > len(content):
            return  # still being written
        parts.append(content[position + header : position + header + length])
        position += header + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []


def finished_log(file: Path) -> list[wandb_internal_pb2.Record]:
    """The records of a run that was finished; wandb's own process may still be writing the last of them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [wandb_internal_pb2.Record.FromString(data) for data in read_log(file.read_bytes())]
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
    raise AssertionError(f"{file} was never finished")


def read_run(folder: Path) -> tuple[wandb_internal_pb2.RunRecord, dict[int, dict[str, str]], dict[str, str]]:
    """The run, its history by step, and its summary, from the one file that `wandb sync` would upload."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    run, history, summary = wandb_internal_pb2.RunRecord(), {}, {}
    for record in finished_log(file):
        if record.WhichOneof("record_type") == "run":
            run = record.run
        for item in [record.history] if record.WhichOneof("record_type") == "history" else []:
            values = {i.key or "/".join(i.nested_key): i.value_json for i in item.item}
            history[item.step.num] = values
        if record.WhichOneof("record_type") == "summary":
            summary |= {i.key or "/".join(i.nested_key): i.value_json for i in record.summary.update}
    return run, history, summary


def test_a_run_has_the_trials_id_name_group_config_and_every_metric_at_its_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = tracked(tmp_path)
    for name, value in (("PROJECT", "roads"), ("ENTITY", "lab"), ("TAGS", "night,rain")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    trackers = track(trial, "wandb")
    write_results(trial)
    trackers.finish()
    run, history, summary = read_run(trial.folder)
    assert (run.run_id, run.display_name, run.run_group) == (CONFIG.trial_id, NAME, "fcn_grid")
    assert (run.project, run.entity, list(run.tags)) == ("roads", "lab", ["night", "rain"])
    config = {item.key: item.value_json for item in run.config.update}
    assert (config["lr"], config["arch"]) == ("0.001", '"fcn8s"')
    assert sorted(history) == [1, 2, 3]
    assert [history[step]["val/mean_iou"] for step in (1, 2, 3)] == ["0.1", "0.2", "0.3"]
    assert history[2]["train/loss"] == "0.5"
    assert history[2]["val/iou/0"] == "0.5"
    assert "val/iou/1" not in history[2], "an absent class has no IoU"
    assert summary["test/mean_iou"] == "0.25"
    assert summary["test/iou/road"] == "0.25"
    (panel,) = trial.folder.glob("wandb/offline-run-*/files/media/images/*.png")
    assert Image.open(panel).size == (12, 3)
    assert [step for step, values in history.items() if any("panels" in key for key in values)] == [3]


def test_the_project_is_the_programs_own_where_none_is_given(tmp_path: Path) -> None:
    trial = tracked(tmp_path)
    track(trial, "wandb").finish()
    assert read_run(trial.folder)[0].project == PROJECT


def test_a_killed_and_resumed_trial_leaves_one_run_with_the_whole_history(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.sweeps.engine.run.tracking.runs import LINES, track, tracked; "
        "track(tracked(pathlib.Path(sys.argv[1])), 'wandb', lines=LINES[:2]); print('tracked'); input()"
    )
    # A process of its own must not find the wandb service of this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    killed = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert killed.stdout is not None
    while killed.stdout.readline().strip() != "tracked":
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    trial = tracked(tmp_path)
    track(trial, "wandb", lines=LINES[2:]).finish()
    run, history, _ = read_run(trial.folder)
    assert run.run_id == CONFIG.trial_id
    assert sorted(history) == [1, 2, 3]


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    track(tracked(tmp_path), "wandb").finish()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"0123456789abcdef" in path.read_bytes()]


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_no_wandb_is_a_problem_to_report_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    trial = tracked(tmp_path)
    if how == "missing":
        monkeypatch.setitem(sys.modules, "wandb", None)
    else:
        (trial.folder / "wandb").write_text("a file where wandb wants its folder")
    trackers = track(trial, "wandb")
    trackers.finish()
    assert list(trackers.problems) == ["wandb"]


def test_a_trial_killed_before_its_test_gets_its_scores_all_the_same(tmp_path: Path) -> None:
    trial = tracked(tmp_path)
    for line in LINES:
        records.append_metrics(trial.folder, line)
    write_results(trial)
    begin(trial, "wandb").finish()
    _, history, summary = read_run(trial.folder)
    assert sorted(history) == [1, 2, 3]
    assert summary["test/mean_iou"] == "0.25"
