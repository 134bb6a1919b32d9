"""The last lines of a sweep."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from analysis.__main__ import main as analyse
from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study
from sweeps.engine.run.run_study import _summarise
from tests.sweeps.harness import SCORES

REACHED = {("fcn32s", 0): 0.9, ("fcn32s", 1): 0.1, ("fcn8s", 0): 0.6, ("fcn8s", 1): 0.7}


def _options(out: Path) -> Options:
    return Options(
        out=out, data_root=out, num_gpus=None, gpus_per_trial=None, cpus_per_trial=1, address=None,
        wandb="disabled", strict=False, command="python a.py",
    )  # fmt: skip


def test_they_name_the_model_that_the_analysis_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The luckiest seed of all belongs to the worse architecture."""
    base = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch")
    study = Study(name="a", title="A", base=base, axes={"arch": ("fcn32s", "fcn8s"), "seed": (0, 1)})
    trials = study.expand()
    for trial in trials:
        folder = records.trial_dir(tmp_path, trial.trial_id)
        folder.mkdir(parents=True)
        records.write_json(folder / records.CONFIG_FILE, trial.config.to_dict())
        reached = REACHED[trial.config.arch, trial.config.seed]
        records.append_metrics(folder, {records.EPOCH: 1, records.VAL_MEAN_IOU: reached})
        records.write_status(folder, records.Status(state="finished", epoch=1, epochs=1, runtime_s=1.0))
        records.write_test_scores(folder, dataclasses.replace(SCORES, epoch=1))
    records.study_dir(tmp_path, "a").mkdir(parents=True)
    records.write_json(records.study_dir(tmp_path, "a") / records.STUDY_FILE, study.describe(trials, "python a.py"))
    console = Console(file=io.StringIO(), width=200)
    assert _summarise(study, trials, _options(tmp_path), console) == 0
    assert analyse(["best", str(tmp_path)]) == 0
    best = capsys.readouterr().out.splitlines()[-3:]
    assert best[1] == f"  in {records.trial_dir(tmp_path, trials[3].trial_id)}"
    assert console.file.getvalue().splitlines()[-4:-1] == best  # type: ignore[attr-defined]


def test_a_mean_over_fewer_classes_is_explained_where_it_stands(tmp_path: Path) -> None:
    study = Study(name="a", title="A", base=TrialConfig(arch="fcn8s", dataset="scenes", init="scratch"), axes={})
    (trial,) = study.expand()
    folder = records.trial_dir(tmp_path, trial.trial_id)
    folder.mkdir(parents=True)
    records.write_json(folder / records.CONFIG_FILE, trial.config.to_dict())
    line = {records.EPOCH: 1, records.VAL_MEAN_IOU: 0.5, records.VAL_IOU: [0.5] * 10 + [None] * 3}
    records.append_metrics(folder, line)
    records.write_status(folder, records.Status(state="finished", epoch=1, epochs=1, runtime_s=1.0))
    records.write_test_scores(folder, dataclasses.replace(SCORES, epoch=1))
    records.study_dir(tmp_path, "a").mkdir(parents=True)
    records.write_json(records.study_dir(tmp_path, "a") / records.STUDY_FILE, study.describe([trial], "python a.py"))
    console = Console(file=io.StringIO(), width=200)
    assert _summarise(study, [trial], _options(tmp_path), console) == 0
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "(10 of 13): the mean is over those classes that occur" in text
