import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.__main__ import main
from tests.analysis.conftest import counts

REPO = Path(__file__).parents[2]
NAMES = (
    *("architecture_by_freeze", "results", "best_models", "four_metrics", "boundary_and_size", "settings"),
    *(
        "class_iou",
        "class_differences",
        "class_shares",
        "class_areas",
        "error_split",
        "test_images",
        "training_dynamics",
        "cost",
        "claims",
        "provenance",
    ),
)
FIGURES = (
    *("test_scores", "val_mean_iou", "train_loss", "val_loss", "class_iou", "confusion", "roc"),
    *("precision_recall", "boundary_and_size", "class_differences", "panels", "panels_marked"),
)
TABLES = {f"{name}.{kind}" for name in NAMES for kind in ("csv", "md", "tex")}
MASK = [[0] * 8 + [1] * 8] * 12


def test_a_report_from_the_command_line(builder: Any) -> None:
    for arch in ("fcn32s", "fcn8s"):
        for freeze in ("none", "encoder"):
            folder = builder.trial([0.2, 0.4], 0.3, arch=arch, freeze=freeze, counts=counts([0.5]))
            builder.panel(folder, 0, MASK, MASK)
    torn = builder.trial(arch="fcn16s")
    (torn / "test.json").write_text("{")
    study = builder.write()
    command = [sys.executable, "-m", "analysis", "report", str(study)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "5 trials: 4 finished, 1 unreadable." in done.stdout
    assert re.search(
        r"\| fcn8s +\| 30.00 \(n=1\), lr 0.001 \| 30.00 \(n=1\), lr 0.001 \| +\+0.00 \(n=1\) \|", done.stdout
    )
    assert "1 could not be read:\n  fcn16s-unfreeze-lr0.001: " in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"Report: {study / 'report' / 'index.html'}, with ")
    assert {path.name for path in (study / "report" / "tables").iterdir()} == TABLES
    figures = list((study / "report" / "figures").iterdir())
    assert {path.name for path in figures} == {f"{name}.png" for name in FIGURES}
    for path in figures:
        with Image.open(path) as picture:
            assert picture.width > 500


def test_figures_are_of_the_kinds_that_were_asked_for(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    builder.trial()
    study = builder.write()
    for kinds in (["svg", "pdf"], ["png"]):
        assert main(["report", str(study), "--figures", *kinds]) == 0
        figures = [path.suffix.removeprefix(".") for path in (study / "report" / "figures").iterdir()]
        assert set(figures) == set(kinds)
    with pytest.raises(SystemExit):
        main(["report", str(study), "--figures", "gif"])
    assert "invalid choice: 'gif'" in capsys.readouterr().err


def test_several_studies_at_once(builder: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder.trial()
    study = builder.write()
    assert main(["report", str(study), str(tmp_path / "nowhere")]) == 2
    captured = capsys.readouterr()
    assert "Report: " in captured.out
    assert captured.err.startswith("analysis: the study folder is ")


def test_a_study_without_results_is_no_crash(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    builder.enter(builder.config())
    study = builder.write()
    assert main(["report", str(study)]) == 0
    sentence = "Nothing to compare yet: no trial has finished with scores (1 trial: 1 not started)."
    assert capsys.readouterr().out.count(sentence) == 6
    assert sentence in (study / "report" / "index.html").read_text()
    assert list((study / "report" / "figures").iterdir()) == []


def test_a_study_without_trials_is_no_crash(builder: Any) -> None:
    study = builder.write()
    assert main(["report", str(study)]) == 0
    assert "The study has no trials: its last command planned none." in (study / "report" / "index.html").read_text()


def test_a_figure_of_an_earlier_report_goes_when_its_data_are_gone(builder: Any) -> None:
    folder = builder.trial()
    study = builder.write()
    figure = study / "report" / "figures" / "test_scores.png"
    main(["report", str(study)])
    assert figure.exists()
    (folder / "test.json").write_text("{")
    main(["report", str(study)])
    assert not figure.exists()


def test_a_report_can_be_made_from_inside_the_folder(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.trial()
    study = builder.write()
    monkeypatch.chdir(study)
    assert main(["report", "."]) == 0
    assert "finished" in (study / "report" / "tables" / "results.md").read_text()


def test_a_wrong_path_is_exit_code_2_and_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"analysis: the study folder is '{tmp_path}', which has no study.json; "
        "expected <out>/studies/<name>: a sweep writes one when it starts\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_torn_study_file_is_exit_code_2(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    study = builder.write()
    (study / "study.json").write_text('{"name"')
    assert main(["report", str(study)]) == 2
    assert "study.json is not valid JSON" in capsys.readouterr().err


def test_a_dataset_is_looked_at_by_its_own_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "--help"])
    assert "usage: python -m analysis data" in capsys.readouterr().out


def test_the_best_models_of_a_folder(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    builder.trial([0.5], 0.9)
    torn = builder.trial(arch="fcn16s")
    (torn / "test.json").write_text("{")
    builder.write()
    assert main(["best", str(builder.out)]) == 0
    out = capsys.readouterr().out
    assert "| scenes  |    1 | fcn8s | unfreeze | lr 0.001 | 50.00 (n=1) | 90.00 (n=1) | grid  | trials/fcn8s-" in out
    assert "1 could not be read:\n  grid: fcn16s-unfreeze-lr0.001: " in out


def test_a_folder_without_studies_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("analysis: the output folder is ")
