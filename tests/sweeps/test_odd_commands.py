"""Values that nobody means: one line, exit code 2, before anything is loaded or expanded."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps import lr_search
from sweeps.engine.cli import search_main

CASES = [
    (["--set", "lr=nan"], "lr is nan; allowed: a number from 1e-30 to 1e+30"),
    (["--set", "lr=1e-320"], "lr is 1e-320; allowed: a number from 1e-30 to 1e+30"),
    (["--set", "lr=" + "1" + "0" * 400], "lr is inf; allowed: a number from 1e-30 to 1e+30"),
    (["--set", "epochs=" + "1" + "0" * 19], f"epochs is {10**19}; allowed: an integer from 1 to 1000000"),
    (["--set", "epochs=" + "1" * 5000], "epochs is '1111"),
    (["--set", "seed=-1"], "seed is -1; allowed: an integer in [0, 2^32)"),
    (["--seeds", "99999"], "--seeds is 99999; allowed: an integer from 1 to 10000"),
    (["--seeds", "9999", "--set", "lr=" + ",".join(f"{rate}e-5" for rate in range(1, 50))], "; allowed: up to 200000;"),
    (["--set", "arch=\x1b[2J"], "arch is '\\x1b[2J'; allowed: fcn32s"),
    (["--set", "\x1b[2J=1"], "'\\x1b[2J' is not a field of a trial"),
    (["--dataset", "raods"], "dataset is 'raods'; did you mean roads or rooms? allowed: roads, camvid,"),
    (["--dataset", "nowhere/dataset.toml"], "nowhere/dataset.toml: no such file; python -m segtrain data init FOLDER"),
    (["--dataset", "own:mine"], "where it lies is not known; name its file: --dataset PATH/dataset.toml"),
    (["--dataset", "no_such_module:DATA"], "dataset is 'no_such_module:DATA' and there is no module no_such_module,"),
    (["--cpus-per-trial", "nan"], "--cpus-per-trial is nan; allowed: a number > 0"),
    (["--cpus-per-trial", "1e-320"], "--cpus-per-trial is 9.99989e-321; allowed: a number > 0"),
    (["--out", "\ud800"], "--out is '\\ud800', which is the name of no folder; give another"),
    (["--cpus-per-trial", "inf"], "--cpus-per-trial is inf; allowed: a number > 0"),
]


@pytest.mark.parametrize(("words", "message"), CASES, ids=[ascii(words[-1][:20]) for words, _ in CASES])
def test_an_odd_value_is_one_line(call: Callable[..., tuple[int, str]], words: list[str], message: str) -> None:
    code, text = call("--demo", "--plan", *words)
    assert code == 2
    (line,) = text.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert "\x1b" not in line


@pytest.mark.parametrize("words", [["--trials", "1" + "0" * 19], ["--sampler-seed", "-1"], ["--try", "nan"]])
def test_an_odd_search_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert search_main(lr_search.SEARCH, lr_search.DEMO, ["--demo", "--plan", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {words[0]} is ")


@pytest.mark.parametrize(("word", "told"), [("\x1b[2J", "\ufffd[2J"), ("a\r\n\tb", "a\ufffd b")])
def test_a_word_that_is_unknown_is_repeated_in_a_line_without_what_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str], word: str, told: str
) -> None:
    with pytest.raises(SystemExit):
        search_main(lr_search.SEARCH, lr_search.DEMO, ["--lr-from", word])
    assert capsys.readouterr().err.endswith(f"error: unrecognized arguments: --lr-from {told}\n")


def test_a_folder_whose_name_is_no_text_is_one_like_any_other(
    call: Callable[..., tuple[int, str]], tmp_path: object
) -> None:
    out = os.fsdecode(os.fsencode(str(tmp_path)) + b"/r\xe4uns \xff")
    code, text = call("--demo", "--plan", "--out", out, "--set", "lr=1e-3", "--set", "arch=fcn8s")
    assert (code, "Nothing was started" in text) == (0, True)


STUDY_FILE = """
from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Study
from sweeps.engine.cli import main

base = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", {field}=4)
study = Study(name="s", title="S", base=base, axes={{"{axis}": ("unett",)}})
"""


@pytest.mark.parametrize(("field", "axis", "told"), [
    ("epochs", "arch", "line 7: arch is 'unett'; did you mean unet or unet_noskip? allowed: "),
    ("epochs", "archh", "line 7: 'archh' is not a field of a trial; did you mean arch? allowed: "),
    ("epoch", "arch", "line 6: TrialConfig.__init__() got an unexpected keyword argument 'epoch'\n"),
])  # fmt: skip
def test_a_mistake_in_a_study_file_is_its_line(tmp_path: Path, field: str, axis: str, told: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(STUDY_FILE.format(field=field, axis=axis))
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error: {path}, {told}")
    assert ran.stderr.count("\n") == 1


def test_any_other_error_in_a_study_file_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import sweeps.engine.cli\n[][0]\n")
    ran = subprocess.run([sys.executable, "own.py"], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (1, "Traceback (most recent call last):")
