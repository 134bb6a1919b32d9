"""The last lines of a sweep."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.__main__ import main as analyse
from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.run.run_study import _summarise
from tests.sweeps.harness import SCORES

REACHED = {("fcn32s", 0): 0.9, ("fcn32s", 1): 0.1, ("fcn8s", 0): 0.6, ("fcn8s", 1): 0.7}


def _options(out: Path) -> Options:
    return Options(
        out=out, data_root=out, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None,
        wandb="disabled", strict=False, command="python a.py",
    )  # fmt: skip


def _finish(out: Path, study: Study, validated: Sequence[Mapping[str, Any]]) -> list[Trial]:
    """The study's trials, each finished after one epoch that was validated so."""
    trials = study.expand()
    for trial, line in zip(trials, validated, strict=True):
        folder = records.trial_dir(out, trial.trial_id)
        folder.mkdir(parents=True)
        records.write_json(folder / records.CONFIG_FILE, trial.config.to_dict())
        records.append_metrics(folder, {records.EPOCH: 1, **line})
        records.write_status(folder, records.Status(state="finished", epoch=1, epochs=1, runtime_s=1.0))
        records.write_test_scores(folder, dataclasses.replace(SCORES, epoch=1))
    folder = records.study_dir(out, study.name)
    folder.mkdir(parents=True)
    records.write_json(folder / records.STUDY_FILE, study.describe(trials, "python a.py"))
    return trials


def test_they_name_the_model_that_the_analysis_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The luckiest seed of all belongs to the worse architecture."""
    base = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")
    study = Study(name="a", title="A", base=base, axes={"arch": ("fcn32s", "fcn8s"), "seed": (0, 1)})
    reached = [REACHED[trial.config.arch, trial.config.seed] for trial in study.expand()]
    trials = _finish(tmp_path, study, [{records.VAL_MEAN_IOU: value} for value in reached])
    console = Console(file=io.StringIO(), width=200)
    assert _summarise(study, trials, _options(tmp_path), console) == 0
    assert analyse(["best", str(tmp_path)]) == 0
    best = capsys.readouterr().out.splitlines()[-3:]
    assert best[1] == f"  in {records.trial_dir(tmp_path, trials[3].trial_id)}"
    assert console.file.getvalue().splitlines()[-4:-1] == best  # type: ignore[attr-defined]


def test_a_mean_over_fewer_classes_is_explained_where_it_stands(tmp_path: Path) -> None:
    study = Study(name="a", title="A", base=TrialConfig(arch="fcn8s", dataset="scenes", init="scratch"), axes={})
    line = {records.VAL_MEAN_IOU: 0.5, records.VAL_IOU: [0.5] * 10 + [None] * 3}
    trials = _finish(tmp_path, study, [line])
    console = Console(file=io.StringIO(), width=200)
    assert _summarise(study, trials, _options(tmp_path), console) == 0
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "(10 of 13): the mean is over those classes that occur" in text
