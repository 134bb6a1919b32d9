"""A first study: short, and it runs as it is."""

import runpy
import sys
from pathlib import Path

import pytest

import sweeps.__main__
from segtrain.config import ConfigError
from sweeps.engine.ask.new_study import write_study
from sweeps.engine.ask.study import Study
from sweeps.engine.cli import main


def test_the_file_is_a_study_of_25_lines(tmp_path: Path) -> None:
    path = write_study("my_study", tmp_path)
    lines = path.read_text().splitlines()
    assert len(lines) == 25
    assert max(map(len, lines)) <= 120
    study = runpy.run_path(str(path))["STUDY"]
    assert isinstance(study, Study)
    assert study.name == "my_study"
    assert [trial.run_name for trial in study.expand()] == [
        f"{arch}-unfreeze-lr{lr}" for arch in ("fcn8s", "unet") for lr in (0.001, 0.0003)
    ]


def test_the_command_line_of_a_study_without_a_demo_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study("my_study", tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--set", "lr=fast"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: lr is 'fast'; allowed: a number\n"
    study = runpy.run_path(str(path))["STUDY"]
    with pytest.raises(SystemExit):
        main(study, argv=["--help"])
    assert "demo" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-study", "the name is 'my-study'; allowed: letters, digits and _, not a digit first, no word of Python"),
        ("../up", "the name is '../up'; allowed: letters, "),
        ("lambda", "the name is 'lambda'; allowed: letters, "),
        ("types", "the name is 'types', which is that of an installed module; choose another"),
        ("segtrain", "the name is 'segtrain', which is that of an installed module; choose another"),
        ("", "the name is ''; allowed: "),
    ],
)
def test_names_that_are_taken_or_none(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write_study(name, tmp_path)
    assert str(caught.value).startswith(message)
    assert [*tmp_path.iterdir()] == []


def test_the_command_does_not_write_over_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweeps.__main__.main(["new", "my_study"]) == 0
    Path("my_study.py").write_text("mine")
    assert sweeps.__main__.main(["new", "my_study"]) == 2
    path = tmp_path / "my_study.py"
    assert capsys.readouterr().err == f"error: {path} is there already; choose another name, or move it away\n"
    assert path.read_text() == "mine"
