"""Data that change under a study are noticed before anything runs, and what becomes of its trials is asked."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.spec import DataError
from segtrain.training.trial import train
from sweeps.engine.ask.study import Trial
from sweeps.fcn_grid import DEMO
from tests.sweeps.harness import TINY

Call = Callable[..., tuple[int, str]]
ONE = (*TINY, "--set", "arch=fcn32s", "--set", "freeze=none", "--set", "init=scratch")


def paint(folder: Path) -> None:
    """Another first image."""
    path = min(folder.rglob("CameraRGB/*.png"))
    Image.fromarray(np.full_like(np.asarray(Image.open(path)), 9)).save(path)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """What `fcn_grid.py` makes of ONE."""
    edits = {"width_mult": 0.0625, "image_height": 64, "image_width": 64, "epochs": 3, "val_every": 1}
    axes = {"arch": ("fcn32s",), "freeze": ("none",), "init": ("scratch",)}
    return DEMO.edit({**{name: (value,) for name, value in edits.items()}, **axes}).expand()


def test_a_study_on_changed_data_asks_and_keeps_or_shows(
    call: Call, data_root: Path, tmp_path: Path, trials: list[Trial]
) -> None:
    out, copy = tmp_path / "out", tmp_path / "copy"
    shutil.copytree(data_root, copy)
    (trial,) = trials
    folder = records.trial_dir(out, trial.trial_id)
    list(train(trial.config, folder, data_root, 1))
    asked = (*ONE, "--out", str(out))
    code, text = call(*asked, data=copy)
    assert (code, "1 of 1 trials finished" in text) == (0, True), text

    paint(copy / "scenes")
    sentence = f"the data have changed since 1 of the trials were trained, such as {folder}; --data changed=rerun"
    code, text = call(*asked, data=copy)
    assert (code, f"error: {sentence}" in text, text.count("error:")) == (2, True, 1), text
    code, text = call(*asked, "--plan", data=copy)
    assert (code, sentence in text, "data changed: decide" in text) == (0, True, True), text
    code, text = call(*asked, "--plan", "--data", "changed=rerun", data=copy)
    assert (code, "run again, data changed" in text) == (0, True), text
    code, text = call(*asked, "--data", "changed=keep", data=copy)
    assert (code, "1 of 1 trials finished" in text) == (0, True), text
    status = records.read_status(folder)
    assert status is not None
    assert status.state == "finished"


def test_a_half_trained_trial_does_not_go_on_with_other_data(
    tmp_path: Path, tiny: Callable[..., TrialConfig], write_roads: Callable[..., Path]
) -> None:
    drive = write_roads(tmp_path)
    folder = tmp_path / "trial"
    epochs = train(tiny(), folder, tmp_path, 1)
    next(epochs)
    epochs.close()  # type: ignore[attr-defined]
    then = records.read_data_fingerprint(folder)
    paint(drive)
    with pytest.raises(DataError, match=f"^{re.escape(str(folder))} was begun on other data .fingerprint {then}. than"):
        next(train(tiny(), folder, tmp_path, 1))
    assert records.read_data_fingerprint(folder) == then
