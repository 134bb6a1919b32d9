"""A trial's folder is enough to use its model."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import segtrain
from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.roads import CLASSES, PALETTE
from segtrain.records import RecordError
from segtrain.use.image_input import ImageError
from segtrain.use.trained_model import overlay


def test_importing_segtrain_does_not_import_torch() -> None:
    program = "import segtrain, sys; assert segtrain.load; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_predictions_are_those_of_the_trial_itself(trained: Path) -> None:
    model = segtrain.load(trained)
    panels = sorted((trained / records.PANELS_DIR).glob("*_image.png"))
    assert len(panels) == 3
    for path in panels:
        kept = np.asarray(Image.open(path.with_name(path.name.replace("image", "prediction"))))
        assert len(np.unique(kept)) > 1, "a model that says one thing of everything would prove nothing"
        assert (model.predict(path) == kept).all()


def test_every_way_to_give_an_image_is_the_same_image(trained: Path) -> None:
    model, path = segtrain.load(str(trained)), trained / records.PANELS_DIR / "00_image.png"
    picture = Image.open(path)
    pixels = np.asarray(picture)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    wanted = model.predict(path)
    for image in (str(path), picture, pixels, tensor, tensor.float() / 255):
        assert (model.predict(image) == wanted).all()


def test_the_three_outputs_belong_together_at_the_resolution_of_the_input(trained: Path) -> None:
    model, pixels = segtrain.load(trained), np.random.default_rng(1).integers(0, 256, (61, 77, 3), dtype=np.uint8)
    mask, found = model.predict(pixels), model.predict(pixels, "probabilities")
    assert (mask.shape, mask.dtype) == ((61, 77), np.uint8)
    assert (found.shape, found.dtype) == ((len(CLASSES), 61, 77), np.float32)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)
    assert (found.argmax(0) == mask).all()
    picture = model.predict(pixels, "overlay")
    assert picture.size == (77, 61)
    assert picture.tobytes() == overlay(Image.fromarray(pixels), mask, PALETTE).tobytes()
    with pytest.raises(ValueError, match="output is 'masks'; allowed: mask, probabilities, overlay"):
        model.predict(pixels, "masks")  # type: ignore[call-overload]


def test_an_overlay_has_the_colour_of_the_class() -> None:
    grey = Image.new("RGB", (2, 1), (100, 100, 100))
    found = np.asarray(overlay(grey, np.array([[0, 1]], dtype=np.uint8), [(0, 0, 0), (200, 100, 0)]))
    assert found.tolist() == [[[45, 45, 45], [155, 100, 45]]]


@pytest.mark.parametrize(
    ("size", "own_resolution", "seen"),
    [
        ((32, 48), False, (32, 48)),
        ((600, 800), False, (32, 48)),  # squeezed by 1.1
        ((32, 200), False, (32, 200)),  # four times as wide: windows side by side
        ((320, 2000), False, (32, 200)),
        ((900, 30), False, (1440, 48)),
        ((600, 800), True, (600, 800)),
        ((16, 100), True, (32, 200)),  # never less than a window
    ],
)
def test_how_large_an_image_is_looked_at(
    trained: Path, size: tuple[int, int], own_resolution: bool, seen: tuple[int, int]
) -> None:
    model = segtrain.load(trained)
    assert model._seen_size(*size, own_resolution) == seen
    image = np.zeros((*size, 3), dtype=np.uint8)
    assert model.predict(image, own_resolution=own_resolution).shape == size


def test_a_wide_picture_of_two_is_as_each_of_them(trained: Path) -> None:
    """Through windows, away from the seam, where a window sees nothing of the other picture."""
    model = segtrain.load(trained)
    one, two = (np.asarray(Image.open(trained / records.PANELS_DIR / f"0{i}_image.png")) for i in (0, 1))
    mask = model.predict(np.concatenate([one, one, two, two], axis=1))
    assert (mask[:, :12] == model.predict(one)[:, :12]).mean() > 0.95
    assert (mask[:, -12:] == model.predict(two)[:, -12:]).mean() > 0.95


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 4), dtype=np.uint8), "the image is 4 x 4 x 4 of uint8; allowed: (H, W, 3) or (H, W) uint8"),
        (np.zeros((4, 4, 3)), "the image is 4 x 4 x 3 of float64; allowed: "),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), "the image is 4 x 4 x 3 of torch.uint8; allowed: "),
        (torch.full((3, 4, 4), float("nan")), "the tensor has values from nan to nan; allowed: "),
        (torch.full((3, 4, 4), -2.1), "the tensor has values from -2.1 to -2.1; allowed: "),
        (Image.new("I;16", (4, 4)), "the image: has wider pixels than a byte (mode I;16); save it with 8 bits"),
        ("gone.png", "gone.png: cannot be read ([Errno 2] No such file or directory"),
    ],
)
def test_what_is_no_image_is_said(trained: Path, image: Any, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        segtrain.load(trained).predict(image)


def copy(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "trial")


def test_the_folder_says_what_the_classes_are_and_a_foreign_one_is_believed(trained: Path, tmp_path: Path) -> None:
    assert segtrain.load(trained).facts.classes == CLASSES
    folder = copy(trained, tmp_path)
    kept = records.read_json(folder / records.MODEL_FILE)
    assert [tuple(colour) for colour in kept["palette"]] == [*PALETTE]
    records.write_json(folder / records.MODEL_FILE, kept | {"classes": list("abcdefghijklm"), "mean": [0.1, 0.2, 0.3]})
    model = segtrain.load(folder)
    assert model.facts.classes == tuple("abcdefghijklm")
    image = trained / records.PANELS_DIR / "00_image.png"
    assert (model.predict(image, "probabilities") != segtrain.load(trained).predict(image, "probabilities")).any()


def test_a_folder_from_before_model_json_is_that_of_a_dataset_of_the_program(trained: Path, tmp_path: Path) -> None:
    folder = copy(trained, tmp_path)
    (folder / records.MODEL_FILE).unlink()
    assert segtrain.load(folder).facts == segtrain.load(trained).facts


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (records.CONFIG_FILE, None, "trial is not the folder of a trial: it has no config.json; give <out>/trials/"),
        (records.BEST_FILE, None, "best.safetensors is missing: the trial has not been validated yet, or has diverged"),
        (records.BEST_FILE, b"torn", "best.safetensors does not hold the weights of this trial ("),
        (records.CONFIG_FILE, {"width_mult": 0.5}, "best.safetensors does not hold the weights of this trial ("),
        (records.CONFIG_FILE, {"arch": "vgg"}, "config.json: arch is 'vgg'; "),
        (records.MODEL_FILE, {"palette": [[0, 0, 0]]}, "model.json has 1 colours for 13 classes; allowed: one each"),
        (records.MODEL_FILE, {"std": [1, 1, 0]}, "model.json: std is [1, 1, 0]; allowed: numbers above 0"),
        (records.MODEL_FILE, {"palette": [[0, 0, 256]]}, "allowed: a list, each three integers from 0 to 255"),
    ],
)
def test_a_folder_that_is_not_whole_is_named(
    trained: Path, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    path = copy(trained, tmp_path) / name
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    else:
        records.write_json(path, records.read_json(path) | change)
    with pytest.raises(RecordError, match=re.escape(message)):
        segtrain.load(path.parent)


def test_a_model_of_own_data_needs_its_model_json(
    trained: Path, tmp_path: Path, tiny: Callable[..., TrialConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy(trained, tmp_path)
    monkeypatch.delitem(segtrain.training.model_file.DATASETS, "roads")  # type: ignore[attr-defined]
    assert segtrain.load(folder).facts.classes == CLASSES
    (folder / records.MODEL_FILE).unlink()
    with pytest.raises(RecordError, match=r"model\.json is missing, and dataset 'roads' is none of the program's own"):
        segtrain.load(folder)
