"""One tiny trial for all tests of what is done with a trained model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.training.trial import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, roads_root: Path, tiny: Callable[..., TrialConfig]) -> Path:
    """The folder of a finished trial. Read it, never write it."""
    out = tmp_path_factory.mktemp("trained")
    config = tiny(epochs=4, lr=1e-2)
    folder = records.trial_dir(out, config.trial_id)
    with pytest.MonkeyPatch.context() as patched:  # a session's fixture comes before the cache of each test
        patched.setenv("SEGTRAIN_CACHE", str(out / "cache"))
        list(train(config, folder, roads_root, threads=1))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three images, in folders, of three sizes and three formats."""
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    for name, height, width in (("a.png", 32, 48), ("drive/b.jpg", 45, 70), ("drive/c.tif", 20, 25)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """call("predict", ...) -> exit code, stdout and stderr of `python -m segtrain predict ...`, in this process."""
    from segtrain.__main__ import main

    def run(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["segtrain", *map(str, arguments)])
        code = main()
        return (code, *capsys.readouterr())

    return run
