"""`python -m segtrain export TRIAL --format onnx|torchscript|safetensors`: a trial's model for other programs.

ONNX and TorchScript take `image`, (N, C, H, W) float32 in [0, 1] of the size of the training, N as you like, C mostly
red, green and blue, and give `logits`, (N, K, H, W) float32, of several tasks behind each other; the normalisation is
inside. A safetensors file holds the
weights. Each carries, as JSON under the key `segtrain`, the trial's config, its classes, colours and normalisation.
Nothing is left behind that was not read again and found to agree with the model on real images.
"""

import argparse
import json
import uuid
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor, nn

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.pixels import IMAGE_RESAMPLING
from segtrain.errors import UserError
from segtrain.machine.device import Hardware
from segtrain.models import build_model
from segtrain.training.model_file import ModelFile, ModelTask
from segtrain.use.trained_model import TrainedModel, load_model

Format = Literal["onnx", "torchscript", "safetensors"]
KEY = "segtrain"
TOLERANCE = 1e-4
"""Of a logit, as a share of the largest: float32 sums in another order differ by some 1e-6."""
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


class ExportError(UserError):
    """A model cannot be exported, or what was exported does not agree with it."""


class Normalised(nn.Module):
    """image (N, C, H, W) float32 in [0, 1] -> logits (N, K, H, W)."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: ModelFile) -> None:
        super().__init__()
        self.network, self.facts = network, facts
        for name, values in (("mean", facts.mean), ("std", facts.std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network((image - self.mean) / self.std)
        return logits


Run = Callable[[Tensor], Tensor]
"""images (N, C, H, W) -> logits, by what reads the exported file."""


class Exporter(NamedTuple):
    suffix: str
    write: Callable[[Normalised, Tensor, str, Path], None]  # the model, an example of its input, JSON, the file
    open: Callable[[Path], Run]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m segtrain export", description="A trial's model for other programs, checked against it."
    )
    parser.add_argument("trial", type=Path, help="the folder of a trial, <out>/trials/<trial id>")
    parser.add_argument("--format", choices=list(EXPORTERS), required=True)
    parser.add_argument("--out", type=Path, metavar="FILE", help="(model.<format's ending> in the trial's folder)")
    options = parser.parse_args(arguments)
    print(export(options.trial, options.format, options.out))
    return 0


def export(folder: Path, kind: Format, path: Path | None = None) -> str:
    """Writes the model and gives a sentence about how far the file agrees with it. Raises ExportError when a package is
    missing, when there is no image to check with, and, leaving no file, when they do not agree."""
    exporter = EXPORTERS[kind]
    missing = [name for name in ONNX_PACKAGES if kind == "onnx" and find_spec(name) is None]
    if missing:
        raise ExportError(
            f"format onnx needs {', '.join(missing)}, not installed here: uv pip install -e '.[export]' in the "
            "program's checkout, or another --format"
        )
    path = path or folder / f"model{exporter.suffix}"
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is no folder; make it, or choose another --out")
    model = load_model(folder, Hardware(torch.device("cpu"), "float32", torch.get_num_threads(), channels_last=False))
    images = read_panels(model)
    whole = Normalised(model.network, model.facts).eval()
    description = json.dumps({"config": model.config.to_dict(), **model.facts.to_dict()})
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{records.TEMPORARY_SUFFIX}")
    try:
        exporter.write(whole, images, description, temporary)
        agreement = check(whole, exporter.open(temporary), images)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return f"{path}: {agreement}"


def read_panels(model: TrainedModel) -> Tensor:
    """The test images that the trial keeps as panels, (N, C, H, W) float32 in [0, 1], at the size of the training; a
    model of other channels than three gets those of the panels in turn. Raises ExportError."""
    folder = model.folder / records.PANELS_DIR
    paths = sorted(folder.glob(f"*_{records.PANEL_KINDS[0]}.png"))
    if len(paths) < 2:
        raise ExportError(
            f"{folder} has no images of the test set to check the export with; they are written when a trial finishes: "
            "give the folder of one that has"
        )
    size = model.config.image_width, model.config.image_height
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize(size, IMAGE_RESAMPLING)) for path in paths])
    in_turn = np.arange(len(model.facts.channels)) % pixels.shape[3]
    return torch.from_numpy(pixels[..., in_turn]).permute(0, 3, 1, 2).contiguous().float() / 255


@torch.inference_mode()
def check(model: Normalised, run: Run, images: Tensor) -> str:
    """Compares the logits of all images at once and of the first alone, since N may be any. Raises ExportError when one
    differs by more than TOLERANCE."""
    largest = 0.0
    for batch in (images, images[:1]):
        wanted = model(batch)
        try:
            got = run(batch)
        except Exception as error:  # of the program that reads the file
            raise ExportError(
                f"the exported model cannot be run on {len(batch)} test images: {error}; nothing was kept, try another "
                "--format"
            ) from error
        if got.shape != wanted.shape:
            raise ExportError(f"the exported model gives {tuple(got.shape)} instead of {tuple(wanted.shape)}")
        scale = wanted.abs().max().clamp(min=1e-6)
        difference = float((got - wanted).abs().max() / scale)
        if not difference <= TOLERANCE:  # NaN does not agree
            raise ExportError(
                f"the exported model differs from the trial's by {difference:.1e} of its largest logit on "
                f"{len(batch)} test images; allowed: {TOLERANCE:g}; nothing was kept, try another --format"
            )
        largest = max(largest, difference)
    # Of the first task, where a model has several.
    first, got = model.facts.outputs[0], run(images)
    same = float((got[:, :first].argmax(1) == model(images)[:, :first].argmax(1)).double().mean())
    return (
        f"checked on {len(images)} test images, logits differ by at most {largest:.1e} of the largest, "
        f"{100 * same:.4g} % of the pixels get the same class"
    )


def _write_onnx(model: Normalised, images: Tensor, description: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            model, (images,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("images")},),
            input_names=["image"], output_names=["logits"], external_data=False, verbose=False,
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props[KEY] = description
    program.save(path, external_data=False)


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"image": images.numpy()})[0])


def _write_torchscript(model: Normalised, images: Tensor, description: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is old, and that sizes are fixed, which they are
        traced: Any = torch.jit.trace(model, images)
        torch.jit.save(traced, path, _extra_files={KEY: description})


def _open_torchscript(path: Path) -> Run:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)
        opened: Any = torch.jit.load(path)
    return lambda images: opened(images)


def _write_safetensors(model: Normalised, images: Tensor, description: str, path: Path) -> None:
    weights = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    path.write_bytes(safetensors.torch.save(weights, {KEY: description}))


def _open_safetensors(path: Path) -> Run:
    """From nothing but the file."""
    with safe_open(path, framework="pt") as file:
        kept = json.loads(file.metadata()[KEY])
    config = TrialConfig.from_dict(kept.pop("config"))
    facts = ModelFile(**kept | {"further": tuple(ModelTask(**task) for task in kept.get("further", ()))})
    network = build_model(config, sum(facts.outputs), facts.streams)
    network.load_state_dict(safetensors.torch.load_file(path))
    return Normalised(network, facts).eval()


EXPORTERS: dict[Format, Exporter] = {
    "onnx": Exporter(".onnx", _write_onnx, _open_onnx),
    "torchscript": Exporter(".torchscript.pt", _write_torchscript, _open_torchscript),
    "safetensors": Exporter(".safetensors", _write_safetensors, _open_safetensors),
}
