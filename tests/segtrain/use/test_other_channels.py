"""A trial on images with near infrared, from its files to its use: four channels of 16 bits all the way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imread, imwrite

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.by_name import register
from segtrain.data.cache import open_cache
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.training.evaluation import predict
from segtrain.training.model_file import read_model_file
from segtrain.training.run import start_or_resume
from segtrain.training.trial import train
from segtrain.use.export import export
from segtrain.use.image_input import ImageError
from segtrain.use.predict_command import list_jobs, predict_files
from segtrain.use.trained_model import load_model

NAMES = ["red", "green", "blue", "near infrared"]
TOML = f"""
name = "infrared"
[images]
files = "images/*.tif"
bits = 16
channels = 4
names = {NAMES}
[masks]
files = "masks/*.png"
labels = "ids"
[split]
by = "shares"
train = 0.5
val = 0.25
test = 0.25
[[classes]]
name = "ground"
id = 0
[[classes]]
name = "plant"
id = 1
"""


@pytest.fixture(scope="module")
def infrared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plants that near infrared alone shows, among noise."""
    folder, rng = tmp_path_factory.mktemp("infrared"), np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(16):
        mask = np.zeros((32, 48), dtype=np.uint8)
        top, left = rng.integers(0, 16), rng.integers(0, 24)
        mask[top : top + 16, left : left + 24] = 1
        pixels = rng.integers(20000, 30000, (32, 48, 4), dtype=np.uint16)
        pixels[..., 3] += np.uint16(30000) * mask
        imwrite(folder / "images" / f"{number}.tif", pixels, photometric="minisblack", planarconfig="contig")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    (folder / "dataset.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="module")
def learned(infrared: Path, tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., TrialConfig]) -> Path:
    out = tmp_path_factory.mktemp("learned")
    name = register([str(infrared / "dataset.toml")])[str(infrared / "dataset.toml")]
    config = tiny(arch="unet", dataset=name, epochs=16, lr=1e-2, batch_size=2)
    folder = records.trial_dir(out, config.trial_id)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEGTRAIN_CACHE", str(out / "cache"))
        list(train(config, folder, infrared, threads=1))
    return folder


def test_what_only_the_fourth_channel_shows_is_learned(learned: Path) -> None:
    scores = records.read_test_scores(learned)
    assert scores is not None
    assert scores.mean_iou > 0.8


def test_the_folder_says_what_goes_into_the_model(learned: Path) -> None:
    facts = read_model_file(learned, load_model(learned).config)
    assert (facts.channels, facts.bits, facts.streams) == (tuple(NAMES), 16, (4,))
    assert facts.mean == (0.449,) * 4


def test_the_panel_shows_the_first_three_channels(learned: Path, infrared: Path) -> None:
    image = np.asarray(Image.open(learned / records.PANELS_DIR / records.panel_file(0, "image"))).astype(int)
    dataset = read_dataset(infrared / "dataset.toml")
    pixels = imread(dataset.list_pairs(infrared)["test"][0].image)[..., :3].astype(int)
    assert image.shape == (32, 48, 3)
    assert np.abs(image - (pixels - pixels.min()) * 255 / (pixels.max() - pixels.min())).max() <= 1


def test_a_file_is_predicted_as_it_was_evaluated(learned: Path, infrared: Path) -> None:
    model = load_model(learned)
    again = learned.with_name("again")
    again.mkdir()
    run = start_or_resume(model.config, again, infrared, threads=1)
    logits = next(predict(model.network, run.inputs["test"], 1, run.hardware))[0]
    dataset = read_dataset(infrared / "dataset.toml")
    path = dataset.list_pairs(infrared)["test"][0].image
    mask = model.predict(path)
    assert np.array_equal(mask, logits[0].argmax(0).numpy())
    assert np.array_equal(mask, model.predict(imread(path)))
    assert np.array_equal(open_cache(dataset, infrared, 32, 48).splits["test"].images[0], imread(path))


def test_a_folder_is_predicted_and_an_image_of_other_channels_is_named(
    learned: Path, infrared: Path, tmp_path: Path
) -> None:
    model, wrong = load_model(learned), tmp_path / "wrong.png"
    jobs = list_jobs([infrared / "images"], tmp_path / "out")
    assert predict_files(model, jobs) == 16
    assert Image.open(jobs[0].files()[1]).mode == "RGB"
    Image.fromarray(np.zeros((32, 48, 3), dtype=np.uint8)).save(wrong)
    sentence = rf"^{wrong}: is 32 x 48 x 3 of uint8; the model takes \(H, W, 4\) of uint16: {', '.join(NAMES)}$"
    with pytest.raises(ImageError, match=sentence):
        model.predict(wrong)


@pytest.mark.parametrize("kind", ["torchscript", "safetensors"])
def test_exports_take_four_channels_and_agree(learned: Path, tmp_path: Path, kind: str) -> None:
    assert "checked on" in export(learned, kind, tmp_path / "model")  # type: ignore[arg-type]
