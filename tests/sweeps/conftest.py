"""Small scenes, an empty home, and sweeps that are ended with their test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segtrain.synthetic import write_animals, write_scenes, write_streets
from sweeps.engine.cli import main
from sweeps.fcn_grid import DEMO, STUDY
from tests.sweeps.harness import Sweep


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root whose embedded scenes are there already, and few."""
    root = tmp_path_factory.mktemp("data")
    write_scenes(root / "scenes", "target", {"dataA": 20, "dataB": 20}, 64, 64, seed=1)
    write_scenes(root / "scenes_source", "source", {"dataA": 20}, 64, 64, seed=1)
    write_animals(root / "animals", trainval=7, test=2, seed=1)
    write_streets(root / "streets", {"train": {"ashford": 12, "birkdale": 6}, "val": {"corran": 6}}, 32, 64, seed=1)
    return root


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty home, and no variable that would change what a sweep does."""
    home = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "WANDB_", "SEGTRAIN_", "XDG_", "TORCH_"))}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def call(
    tmp_path: Path,
    data_root: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """call(*arguments, data=...) -> exit code and output of `sweeps/fcn_grid.py` in this process, which has imported
    torch and ray already: for commands that end before Ray would start."""
    monkeypatch.setenv("HOME", environment["HOME"])
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")  # the command sets them; they are put back after the test

    def run(*arguments: str, data: Path = data_root) -> tuple[int, str]:
        code = main(STUDY, DEMO, [*arguments, "--data-root", str(data)])
        return code, "".join(capsys.readouterr())

    return run


@pytest.fixture
def start(tmp_path: Path, data_root: Path, environment: dict[str, str]) -> Iterator[Callable[..., Sweep]]:
    """Starts `python <script> <arguments>` with the small scenes; ends what is left of it afterwards."""
    sweeps: list[Sweep] = []

    def start_sweep(
        *arguments: str, script: str = "sweeps/fcn_grid.py", data: Path = data_root, **variables: str
    ) -> Sweep:
        log = tmp_path / f"sweep{len(sweeps)}.log"
        sweeps.append(Sweep(log, {**environment, **variables}, script, [*arguments, "--data-root", str(data)]))
        return sweeps[-1]

    yield start_sweep
    for sweep in sweeps:
        if sweep.process.poll() is None:
            sweep.kill_everything()
