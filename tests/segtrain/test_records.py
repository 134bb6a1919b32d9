"""What is on disk: whole files or none, numbers that JSON has, and what a crash leaves."""

import json
import math
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from segtrain import records
from segtrain.records import RecordError, Status, TestScores

SCORES = TestScores(
    epoch=3, loss=0.25, pixel_accuracy=0.5, mean_accuracy=0.5, mean_iou=0.25, frequency_weighted_iou=0.3,
    iou=[0.25, None], classes=["road", "sky"], counted_classes=1, images=7, auc=[0.75, None], mean_auc=0.75,
    boundary_iou=[0.125, None], mean_boundary_iou=0.125,
    size_iou={"small": [None, None], "medium": [0.5, None], "large": [0.25, None]},
    mean_size_iou={"small": None, "medium": 0.5, "large": 0.25},
)  # fmt: skip


class Killed(BaseException):
    """What no `except Exception` sees."""


@pytest.mark.parametrize("interruption", [Killed, OSError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    path = tmp_path / "file"
    records.write_atomic(path, b"old")

    def write() -> None:
        with records.atomic_file(path) as file:
            file.write(b"half of the n")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert path.read_bytes() == b"old"


def test_the_new_file_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with records.atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with records.atomic_file(path) as first, records.atomic_file(path) as second:
        first.write(b"first" * 100)
        second.write(b"second")
        names = [entry.name for entry in tmp_path.iterdir()]
        assert len(set(names)) == 2
        # The trainer finds what is left of a killed writer by this pattern.
        assert sorted(tmp_path.glob(f".*{records.TEMPORARY_SUFFIX}")) == sorted(tmp_path / name for name in names)
    assert path.read_bytes() == b"first" * 100
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    replace, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("fsync"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append(Path(a).read_text()), replace(a, b)))
    records.write_atomic(tmp_path / "file", b"content")
    assert calls == ["fsync", "content", "fsync"]  # of the file, and of its folder


def test_numbers_that_json_lacks_become_null_at_any_depth(tmp_path: Path) -> None:
    value = {"a": math.nan, "b": [1.5, math.inf, {"c": (-math.inf, 0, True, "NaN", None)}]}
    expected = {"a": None, "b": [1.5, None, {"c": [None, 0, True, "NaN", None]}]}
    assert records.nan_to_none(value) == expected
    records.write_json(tmp_path / "file.json", value)
    assert records.read_json(tmp_path / "file.json") == expected
    assert "NaN" not in (tmp_path / "file.json").read_text().replace('"NaN"', "")


def test_every_cut_of_a_json_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    records.write_json(path, {"a": 1})
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        sentence = f"^{re.escape(str(path))} is not valid JSON \\(.*\\); restore it or delete its folder to start over$"
        with pytest.raises(RecordError, match=sentence):
            records.read_json(path)
    path.write_bytes(whole)
    assert records.read_json(path) == {"a": 1}


@pytest.mark.parametrize(("text", "kind"), [("[1]", "list"), ("3", "int"), ("null", "NoneType"), ('"a"', "str")])
def test_json_that_is_no_object_is_named(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    sentence = f"{path} holds a {kind}, not an object; delete its folder to start over"
    with pytest.raises(RecordError, match=f"^{re.escape(sentence)}$"):
        records.read_json(path)


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records.read_json(tmp_path / "file.json")
    assert records.read_status(tmp_path) is None
    assert records.read_metrics(tmp_path) == []


@pytest.mark.parametrize("state", records.STATES)
def test_status_both_ways(tmp_path: Path, state: records.State) -> None:
    status = Status(state=state, epoch=2, epochs=5, runtime_s=1.5, reason="why", step=7)
    records.write_status(tmp_path, status)
    assert records.read_status(tmp_path) == status


REMEDY = "restore it or delete its folder to start over"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"epoch": "2"}, f"{{path}}: epoch is '2'; allowed: an integer >= 0; {REMEDY}"),
        ({"epoch": 10**19}, f"{{path}}: epoch is {10**19}; allowed: an integer >= 0; {REMEDY}"),
        ({"runtime_s": -1}, f"{{path}}: runtime_s is -1; allowed: a number from 0 to 1e+100; {REMEDY}"),
        ({"reason": [1]}, f"{{path}}: reason is [1]; allowed: a text of up to 100000 characters, or null; {REMEDY}"),
        (
            {"state": "done"},
            "{path}: state is 'done'; allowed: running, finished, failed, diverged, skipped, pruned, stopped; "
            + REMEDY,
        ),
        (
            {"colour": "red"},
            "{path} does not hold a Status (Status.__init__() got an unexpected keyword argument 'colour'); "
            "delete its folder to start over",
        ),
        (
            {"epoch": ...},
            "{path} does not hold a Status (Status.__init__() missing 1 required keyword-only argument: 'epoch'); "
            "delete its folder to start over",
        ),
    ],
)
def test_a_status_that_is_none_is_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    values = asdict(Status(state="running", epoch=0, epochs=5, runtime_s=0.0)) | change
    records.write_json(tmp_path / "status.json", {name: value for name, value in values.items() if value is not ...})
    with pytest.raises(RecordError, match=f"^{re.escape(problem.format(path=tmp_path / 'status.json'))}$"):
        records.read_status(tmp_path)


def test_a_trial_that_was_ended_keeps_how_far_it_had_come() -> None:
    before = Status(state="running", epoch=2, epochs=5, runtime_s=1.5)
    assert records.ended("failed", before, 5, "why") == Status(
        state="failed", epoch=2, epochs=5, runtime_s=1.5, reason="why"
    )
    assert records.ended("skipped", None, 5, "parent") == Status(
        state="skipped", epoch=0, epochs=5, runtime_s=0.0, reason="parent"
    )


def test_test_scores_both_ways_and_to_the_byte(tmp_path: Path) -> None:
    records.write_test_scores(tmp_path, SCORES)
    assert records.read_test_scores(tmp_path) == SCORES
    content = (tmp_path / "test.json").read_bytes()
    records.write_test_scores(tmp_path, records.read_test_scores(tmp_path))
    assert (tmp_path / "test.json").read_bytes() == content


def lines(count: int) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "train/loss": 1 / epoch, "val/iou": [0.1, None]} for epoch in range(1, count + 1)]


def append(folder: Path, values: list[dict[str, Any]]) -> None:
    for line in values:
        records.append_metrics(folder, line)


def test_metrics_are_a_line_per_epoch(tmp_path: Path) -> None:
    append(tmp_path, [*lines(2), {"epoch": 3, "train/loss": math.nan}])
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        *lines(2),
        {"epoch": 3, "train/loss": None},
    ]
    assert records.read_metrics(tmp_path) == [*lines(2), {"epoch": 3, "train/loss": None}]


def test_wherever_the_last_line_is_torn_the_others_stand(tmp_path: Path) -> None:
    append(tmp_path, lines(3))
    path = tmp_path / "metrics.jsonl"
    whole = path.read_bytes()
    second_end = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for length in range(second_end, len(whole)):
        path.write_bytes(whole[:length])
        assert records.read_metrics(tmp_path) == lines(2)


@pytest.mark.parametrize("second", ['{"epoch":', "", "3", "[2]", '{"train/loss": 1.0}', '{"epoch": null}'])
def test_a_line_between_whole_ones_that_is_no_epoch_is_named(tmp_path: Path, second: str) -> None:
    append(tmp_path, lines(3))
    path = tmp_path / "metrics.jsonl"
    first, _, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second.encode() + b"\n" + third)
    sentence = f"{path}, line 2 is no record of an epoch; delete its folder to start over"
    with pytest.raises(RecordError, match=f"^{re.escape(sentence)}$"):
        records.read_metrics(tmp_path)


@pytest.mark.parametrize("epoch", [0, 1, 3, 9])
def test_truncate_metrics_drops_what_comes_after(tmp_path: Path, epoch: int) -> None:
    append(tmp_path, lines(3))
    path = tmp_path / "metrics.jsonl"
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content) + b'{"epoch": 4, "tr')
    records.truncate_metrics(tmp_path, epoch)
    assert path.read_bytes() == b"".join(content[:epoch])
    append(tmp_path, [{"epoch": epoch + 1}])
    assert records.read_metrics(tmp_path) == [*lines(3)[:epoch], {"epoch": epoch + 1}]


def test_names_on_disk(tmp_path: Path) -> None:
    assert records.trial_dir(tmp_path, "a-b") == tmp_path / "trials" / "a-b"
    assert records.study_dir(tmp_path, "grid") == tmp_path / "studies" / "grid"
    assert [records.panel_file(index, "truth") for index in (0, 11)] == ["00_truth.png", "11_truth.png"]


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a": ' * 5000 + b"1" + b"}" * 5000, b'{"a": ' + b"1" * 5000 + b"}"]
)
def test_json_that_would_not_end_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="is not valid JSON"):
        records.read_json(path)


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "status.json")
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path}/status.json is no file")):
        records.read_status(tmp_path)
    (tmp_path / "test.json").write_bytes(b" " * 100)
    monkeypatch.setattr(records, "MOST_BYTES", 99)
    with pytest.raises(RecordError, match=re.escape("has 100 bytes; allowed: up to 99")):
        records.read_test_scores(tmp_path)


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\x9b", "\u202e", "\ud800"])
def test_texts_come_without_what_a_terminal_obeys(tmp_path: Path, text: str) -> None:
    for ascii_only in (True, False):
        content = json.dumps({f"k{text}": [text]}, ensure_ascii=ascii_only)
        (tmp_path / "file.json").write_bytes(content.encode(errors="surrogatepass" if text == "\ud800" else "strict"))
        if text == "\ud800" and not ascii_only:
            continue
        ((key, (value,)),) = records.read_json(tmp_path / "file.json").items()
        assert (key[1:], value) == ("\ufffd" + text[1:], "\ufffd" + text[1:])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mean_iou": math.inf}, "mean_iou is inf; allowed: a number from"),
        ({"iou": [0.1, "a"]}, "iou is [0.1, 'a']; allowed: a list, each a number from"),
        ({"iou": [0.1]}, "has a list of 1 scores for 2 classes"),
        ({"size_iou": {"small": [0.1, None]}}, ", size_iou: medium is None; allowed: a list"),
        ({"mean_size_iou": {"medium": 0.5}}, ", mean_size_iou lacks small, large; restore it or delete"),
        ({"classes": "ab"}, "classes is 'ab'; allowed: a list, each a text"),
        ({"epoch": 10**19}, "epoch is 10000000000000000000; allowed: an integer >= 0"),
    ],
)
def test_scores_of_another_kind_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    (tmp_path / "test.json").write_text(json.dumps(asdict(SCORES) | change))
    with pytest.raises(RecordError, match=re.escape(problem)):
        records.read_test_scores(tmp_path)


@pytest.mark.parametrize("line", [{"lr": "high"}, {"epoch": 2**60}, {"epoch_s": -1}, {"val/iou": [1, "a"]}])
def test_a_number_of_another_kind_in_a_line_is_named(tmp_path: Path, line: dict[str, Any]) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1} | line) + "\n")
    with pytest.raises(RecordError, match=f"line 1: {next(iter(line))} is "):
        records.read_metrics(tmp_path)
