"""Small datasets on disk in the layouts of the real ones, a recipe that trains in a blink, and a quiet process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.roads import PALETTE
from segtrain.training.trial import train

BLOCK_PX = 8
MEASURED = (records.EPOCH_S, records.IMAGES_PER_S, records.PEAK_MEMORY_BYTES)


def road_scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of random classes, each in the colour of its class under noise: (H, W, 3) image, (H, W) labels."""
    blocks = rng.integers(0, len(PALETTE), (-(-height // BLOCK_PX), -(-width // BLOCK_PX)))
    labels = np.kron(blocks, np.ones((BLOCK_PX, BLOCK_PX), dtype=int))[:height, :width]
    image = np.array(PALETTE)[labels] + rng.integers(-30, 31, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)


def write_road_pair(folder: Path, name: str, image: np.ndarray, labels: np.ndarray) -> None:
    """`image` and a mask with `labels` in red and other numbers in green and blue, under `folder` (a drive)."""
    mask = np.stack([labels, 200 - labels, np.full_like(labels, 77)], axis=-1)
    for kind, pixels in (("CameraRGB", image), ("CameraSeg", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / name, compress_level=1)


@pytest.fixture(scope="session")
def write_roads() -> Callable[..., Path]:
    """write_roads(root, count=20, height=32, width=48, seed=0, drive="dataA") -> the folder of that drive."""

    def write(
        root: Path, count: int = 20, height: int = 32, width: int = 48, seed: int = 0, drive: str = "dataA"
    ) -> Path:
        rng, folder = np.random.default_rng(seed), root / drive / drive
        for frame in range(count):
            write_road_pair(folder, f"{frame:03d}.png", *road_scene(rng, height, width))
        return folder

    return write


@pytest.fixture(scope="session")
def roads_root(tmp_path_factory: pytest.TempPathFactory, write_roads: Callable[..., Path]) -> Path:
    """A data root with 20 road images of 32 x 48: 14 to train, 3 to validate, 3 to test. Read it, never write it."""
    root = tmp_path_factory.mktemp("roads")
    write_roads(root)
    return root


@pytest.fixture(scope="session")
def tiny() -> Callable[..., TrialConfig]:
    """tiny(**edits): a recipe on the road images that trains an epoch in well under a tenth of a second."""

    def config(**edits: Any) -> TrialConfig:
        base = TrialConfig(
            arch="fcn16s", dataset="roads", image_height=32, image_width=48, width_mult=0.0625, init="scratch",
            epochs=3, batch_size=4, lr=3e-3, val_every=1, precision="float32",
        )  # fmt: skip
        return base.edit(**edits)

    return config


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The data cache is the test's own, and what a trial sets process-wide is put back."""
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.use_deterministic_algorithms(deterministic)
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a trial, empty."""
    path = tmp_path / "trial"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def run_trial() -> Callable[..., list[dict[str, Any]]]:
    """run_trial(config, folder, data_root, threads=1) -> the lines of the epochs that were left."""

    def run(config: TrialConfig, folder: Path, data_root: Path, threads: int = 1) -> list[dict[str, Any]]:
        return list(train(config, folder, data_root, threads))

    return run


@pytest.fixture(scope="session")
def status() -> Callable[[Path], records.Status]:
    """status(folder) -> the status of a trial that has one."""

    def read(folder: Path) -> records.Status:
        found = records.read_status(folder)
        assert found is not None
        return found

    return read


def read_outcome(folder: Path) -> dict[str, Any]:
    """Everything about a finished trial that a rerun has to give again, to the bit."""
    names = (
        records.CONFIG_FILE, records.BEST_FILE, records.TEST_FILE, records.CONFUSION_FILE,
        records.IMAGE_CONFUSION_FILE, records.ROC_FILE,
    )  # fmt: skip
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in names}
    for path in [*(folder / records.PANELS_DIR).iterdir(), *(folder / records.EXAMPLES_DIR).iterdir()]:
        found[path.name] = path.read_bytes()
    lines = records.read_metrics(folder)
    found["lines"] = [{key: value for key, value in line.items() if key not in MEASURED} for line in lines]
    return found


@pytest.fixture(scope="session")
def outcome() -> Callable[[Path], dict[str, Any]]:
    """outcome(folder) -> what `read_outcome` gives."""
    return read_outcome
