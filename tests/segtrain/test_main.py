"""`python -m segtrain CONFIG.json`, as a user meets it: what it prints, and how it exits."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from segtrain import records
from segtrain.__main__ import main
from segtrain.architectures import FOREIGN_ARCHS, Arch
from segtrain.config import TrialConfig

Tiny = Callable[..., TrialConfig]
Outcome = Callable[[Path], dict[str, Any]]
ARCHS = ", ".join([*get_args(Arch), *FOREIGN_ARCHS.values()])
RESUMED = {"epochs": 30, "val_every": 15, "batch_size": 14}


def write(path: Path, config: TrialConfig, **edits: Any) -> Path:
    path.write_text(json.dumps({**config.to_dict(), **edits}))
    return path


def start(cwd: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "SEGTRAIN_CACHE": str(cwd / "cache")}
    command = [sys.executable, "-m", "segtrain", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, without a process of its own: importing torch takes seconds."""
    monkeypatch.setattr(sys, "argv", ["segtrain", *map(str, arguments)])
    code = main()
    return (code, *capsys.readouterr())


def test_the_four_ways_to_exit(tiny: Tiny, tmp_path: Path, roads_root: Path) -> None:
    """One process each, side by side."""
    fine, steep = tiny(epochs=2), tiny(epochs=2, lr=1e6)
    (tmp_path / "empty").mkdir()
    started = {
        "finished": start(tmp_path, write(tmp_path / "fine.json", fine), "--data-root", roads_root),
        "diverged": start(tmp_path, write(tmp_path / "steep.json", steep), "--data-root", roads_root),
        "bad config": start(tmp_path, write(tmp_path / "bad.json", fine, arch="fcn8"), "--data-root", roads_root),
        "bad data": start(tmp_path, tmp_path / "fine.json", "--data-root", "empty", "--out", "other"),
    }
    output = {name: process.communicate(timeout=300) for name, process in started.items()}
    assert {name: process.returncode for name, process in started.items()} == {
        "finished": 0, "diverged": 1, "bad config": 2, "bad data": 2,
    }  # fmt: skip

    folder = tmp_path / "runs" / "trials" / fine.trial_id
    *lines, last = output["finished"][0].splitlines()
    assert [json.loads(line) for line in lines] == records.read_metrics(folder)
    assert len(lines) == 2
    assert last == f"finished, runs/trials/{fine.trial_id}"
    assert output["finished"][1] == ""
    assert output["diverged"] == (
        f"diverged: epoch 1, the training loss is nan at step 2, runs/trials/{steep.trial_id}\n",
        "",
    )
    assert output["bad config"] == (
        "",
        f"error: arch is 'fcn8'; did you mean fcn8s or fcn32s or fcn16s? allowed: {ARCHS}\n",
    )
    assert output["bad data"][0] == ""
    sentence = "error: empty has no image and mask pairs for train, val, test; dataset 'roads' expects data*/data*/"
    assert output["bad data"][1].startswith(sentence)
    assert output["bad data"][1].count("\n") == 1


def test_a_killed_process_is_gone_on_with_by_the_same_command(
    tiny: Tiny,
    tmp_path: Path,
    roads_root: Path,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SIGKILL after the second line; the rest is trained in this process, and compared with an undisturbed trial."""
    config = tiny(**RESUMED)
    arguments = (write(tmp_path / "config.json", config), "--data-root", roads_root, "--out")
    with start(tmp_path, *arguments, "killed") as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["epoch"] for _ in range(2)]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert seen == [1, 2]
    folder = records.trial_dir(tmp_path / "killed", config.trial_id)
    killed = records.read_status(folder)
    assert killed is not None
    assert killed.state == "running"
    code, out, _ = call(monkeypatch, capsys, *arguments, tmp_path / "killed")
    assert code == 0
    first = json.loads(out.splitlines()[0])["epoch"]
    assert killed.epoch <= first - 1 < 30
    assert call(monkeypatch, capsys, *arguments, tmp_path / "killed") == (0, f"finished, {folder}\n", "")

    monkeypatch.setattr(
        "segtrain.machine.device.torch.get_num_threads", lambda: records.read_json(folder / "env.json")["threads"]
    )
    assert call(monkeypatch, capsys, *arguments, tmp_path / "whole")[0] == 0
    assert outcome(folder) == outcome(records.trial_dir(tmp_path / "whole", config.trial_id))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"arch": "fcn8s"}', r"error: the config lacks dataset; give a value to each\n"),
        (
            '{"arch": "fcn8s", "dataset": "roads", "lrr": 1}',
            r"error: 'lrr' is not a field of a trial; did you mean lr\? .*\n",
        ),
        ('{"arch": "fcn8s", "data', r"error: .*config\.json is not valid JSON \(.*\).*\n"),
        ("[1]", r"error: .*config\.json holds a list; write an object with the fields of a trial\n"),
    ],
)
def test_configs_that_are_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    message: str,
) -> None:
    (tmp_path / "config.json").write_text(content)
    code, out, error = call(monkeypatch, capsys, tmp_path / "config.json", "--out", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert re.fullmatch(message, error)
    assert not (tmp_path / "runs").exists()


def test_a_config_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gone.json"
    assert call(monkeypatch, capsys, path) == (2, "", f"error: [Errno 2] No such file or directory: {str(path)!r}\n")


def test_every_bad_file_has_a_line(
    tiny: Tiny,
    tmp_path: Path,
    write_roads: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drive = write_roads(tmp_path)
    for frame in ("003", "019"):
        (drive / "CameraRGB" / f"{frame}.png").write_text("no picture")
    arguments = (write(tmp_path / "config.json", tiny()), "--data-root", tmp_path, "--out", tmp_path / "runs")
    code, out, error = call(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    lines = error.splitlines()
    assert len(lines) == 2
    for line, frame in zip(lines, ("003", "019"), strict=True):
        assert f"{drive / 'CameraRGB' / f'{frame}.png'}: cannot be read (" in line


def test_a_parent_that_does_not_fit_is_the_users_to_mend(
    tiny: Tiny,
    tmp_path: Path,
    roads_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and the sentence, not a traceback and the code of a diverged trial."""
    parent = tiny(epochs=1)
    child = tiny(epochs=1, width_mult=0.125, init="parent", parent=parent.trial_id)
    rest = ("--data-root", roads_root, "--out", tmp_path)
    assert call(monkeypatch, capsys, write(tmp_path / "parent.json", parent), *rest)[0] == 0
    code, out, error = call(monkeypatch, capsys, write(tmp_path / "child.json", child), *rest)
    assert (code, out) == (2, "")
    assert error.startswith("error: the parent's weights do not fit: ")


def test_own_data_are_described_and_trained_on(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "mydata"
    for name, most, shape in (("images", 256, (32, 48, 3)), ("masks", 3, (32, 48))):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, most, shape, dtype=np.uint8)).save(folder / name / f"{number}.png")
    code, said, _ = call(monkeypatch, capsys, "data", "init", folder)
    assert (code, said.splitlines()[0]) == (
        0,
        f"{folder / 'dataset.toml'}: 10 pairs of 'images/*.png' and 'masks/*.png'",
    )
    recipe = write(tmp_path / "recipe.json", tiny(epochs=1), dataset=str(folder / "dataset.toml"))
    code, said, _ = call(monkeypatch, capsys, recipe, "--out", tmp_path / "out")
    assert code == 0
    (trial,) = (tmp_path / "out" / "trials").iterdir()
    assert said.endswith(f"finished, {trial}\n")
    stored = records.read_json(trial / records.CONFIG_FILE)
    assert (stored["dataset"], trial.name) == ("own:mydata", TrialConfig.from_dict(stored).trial_id)
    folder = folder.rename(tmp_path / "moved")
    arguments = (trial / records.CONFIG_FILE, "--dataset", folder / "dataset.toml", "--out", tmp_path / "out")
    assert call(monkeypatch, capsys, *arguments)[:2] == (0, f"finished, {trial}\n")  # the same trial
    code, _, complaint = call(monkeypatch, capsys, "data", "init", folder)
    assert (code, complaint.count("\n")) == (2, 1)
