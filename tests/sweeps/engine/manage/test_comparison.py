"""`python -m sweeps compare`, on two studies that the trainer's writers made."""

import json
from pathlib import Path

import pytest

import sweeps.__main__ as command
from tests.analysis.conftest import StudyBuilder

LEFT = {"fcn8s": (0.70, 0.71, 0.72), "fcn32s": (0.40, 0.43, 0.41)}
RIGHT = {"fcn8s": (0.50, 0.52, 0.51), "fcn32s": (0.42, 0.40, 0.41), "unet": (0.9, 0.9, 0.9)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for name, scores, epochs in (("fcn_grid", LEFT, 7), ("other_grid", RIGHT, 8)):
        builder = StudyBuilder(tmp_path / "out")
        for arch, values in scores.items():
            for seed, score in enumerate(values):
                builder.trial([score], score, arch=arch, seed=seed, epochs=epochs)
        folder = builder.write(name=name, axes={"arch": list(scores)})
        folder.rename(folder.with_name(name))
    return tmp_path / "out"


def test_models_that_both_have_are_compared_over_seeds(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["compare", "fcn_grid", "other_grid", "--out", str(out), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["name"], first["verdict"], first["seeds"]) == ("fcn8s", "holds", 3)
    assert (first["left"], first["right"]) == (pytest.approx(0.71), pytest.approx(0.51))
    assert first["difference"] == pytest.approx(0.2)
    assert first["low"] < 0.2 < first["high"]
    assert (second["name"], second["verdict"]) == ("fcn32s", "undecided")


def test_the_table_says_which_is_higher(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert command.main(["compare", "other_grid", "fcn_grid", "--out", str(out)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "fcn8s" in line]
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert cells[:3] == ["fcn8s", "51.00", "71.00"]
    assert cells[3].startswith("-20.00 [")
    assert (cells[4], cells[6]) == ("3", "fcn_grid")


def test_what_cannot_be_compared_is_one_line(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["compare", "fcn_grid", "fcn_grid", "--out", str(out)]) == 2
    assert "allowed: two or more, each once" in capsys.readouterr().err
    empty = StudyBuilder(out).write(name="empty")
    empty.rename(empty.with_name("empty"))
    assert command.main(["compare", "fcn_grid", "empty", "--out", str(out)]) == 2
    assert "have no finished model and freeze in common" in capsys.readouterr().err
