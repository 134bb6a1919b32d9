import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.__main__ import main

REPO = Path(__file__).parents[2]
TABLES = {f"{name}.{kind}" for name in ("results", "architecture_by_freeze", "best_models") for kind in ("csv", "md")}
MASK = [[0] * 8 + [1] * 8] * 12


def test_a_study_from_the_command_line(builder: Any) -> None:
    for arch in ("fcn32s", "fcn8s"):
        for freeze in ("none", "encoder"):
            folder = builder.trial([0.2, 0.4], 0.3, arch=arch, freeze=freeze)
            builder.panel(folder, 0, MASK, MASK)
    torn = builder.trial(arch="fcn16s")
    (torn / "test.json").write_text("{")
    study = builder.write()
    command = [sys.executable, "-m", "analysis", str(study)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "5 trials: 4 finished, 1 unreadable." in done.stdout
    assert "| fcn8s          | 30.00 (lr 0.001, n=1) | 30.00 (lr 0.001, n=1) | +0.00" in done.stdout
    assert "1 could not be read:\n  fcn16s-unfreeze-lr0.001: " in done.stdout
    figures = {"train_loss.png", "val_loss.png", "val_mean_iou.png", "class_iou.png", "test_mean_iou.png", "panels.png"}
    assert {path.name for path in (study / "report" / "tables").iterdir()} == TABLES
    assert {path.name for path in (study / "report" / "figures").iterdir()} == figures
    for name in TABLES | figures:
        assert f"/{name}\n" in done.stdout
    for name in figures:
        with Image.open(study / "report" / "figures" / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 500


def test_a_study_without_results_is_no_crash(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    builder.enter(builder.config())
    study = builder.write()
    assert main([str(study)]) == 0
    assert capsys.readouterr().out.count("Nothing to compare yet: no trial has finished with scores (1 trial: 1") == 2
    assert {path.name for path in (study / "report" / "tables").iterdir()} == TABLES
    assert list((study / "report" / "figures").iterdir()) == []


def test_a_figure_of_an_earlier_report_goes_when_its_data_are_gone(builder: Any) -> None:
    folder = builder.trial()
    study = builder.write()
    bars = study / "report" / "figures" / "test_mean_iou.png"
    main([str(study)])
    assert bars.exists()
    (folder / "test.json").write_text("{")
    main([str(study)])
    assert not bars.exists()


def test_a_report_can_be_made_from_inside_the_folder(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.trial()
    study = builder.write()
    monkeypatch.chdir(study)
    assert main(["."]) == 0
    assert "finished" in (study / "report" / "tables" / "results.md").read_text()


def test_a_wrong_path_is_exit_code_2_and_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
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
    assert main([str(study)]) == 2
    assert "study.json is not valid JSON" in capsys.readouterr().err
