"""A trial's folder -> its model, and what that makes of an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.data.pixels import Pixels, picture, resize
from segtrain.machine.device import Hardware, pick_hardware
from segtrain.models import build_model
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.records import RecordError
from segtrain.training import checkpoint
from segtrain.training.inference.network import by_task, class_probabilities
from segtrain.training.inference.own_resolution import at_own_resolution
from segtrain.training.inference.windows import resized, through_windows
from segtrain.training.inputs.batches import Normalisation
from segtrain.training.model_file import ModelFile, read_model_file
from segtrain.use.image_input import ImageInput, read_pixels

MOST_SQUEEZED = 2.0
"""How much more a picture may be shrunk along one side than along the other before it is looked at in windows."""
OVERLAY_SHARE = 0.55
"""Of the colour of a class in an overlay."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """`facts`: the classes, in the order of the probabilities, their colours, and the normalisation."""

    folder: Path
    config: TrialConfig
    facts: ModelFile
    network: EncoderDecoder
    hardware: Hardware

    @overload
    def predict(
        self, image: ImageInput, output: Literal["mask"] = "mask", own_resolution: bool = False, task: str = ""
    ) -> npt.NDArray[np.uint8]: ...

    @overload
    def predict(
        self, image: ImageInput, output: Literal["probabilities"], own_resolution: bool = False, task: str = ""
    ) -> npt.NDArray[np.float32]: ...

    @overload
    def predict(
        self, image: ImageInput, output: Literal["overlay"], own_resolution: bool = False, task: str = ""
    ) -> Image.Image: ...

    def predict(self, image: ImageInput, output: str = "mask", own_resolution: bool = False, task: str = "") -> Any:
        """`image`, H x W: a file, a PIL image, an (H, W, 3) uint8 array, or a (3, H, W) tensor of uint8 or of floats in
        [0, 1]; for a model of other channels a file, an (H, W, C) array or a (C, H, W) tensor of its bits. -> at its
        resolution: "mask" (H, W) uint8 places in `facts.classes`; "probabilities" (K, H, W) float32; "overlay" the
        image under the colours of its classes; of the first task, or of another in `facts.further` by its name.

        The image is looked at as in the trial's evaluation: resized to what the network was trained on, or, where that
        was crops, in its own pixels. One of other proportions, which would
        be squeezed, is looked at in windows, and with `own_resolution` every one is, in its own pixels: for pictures
        that show more than those of the training did. Raises ImageError on what is no such image.
        """
        if output not in OUTPUTS:
            raise ValueError(f"output is {output!r}; allowed: {', '.join(OUTPUTS)}")
        names = [one.name for one in self.facts.tasks]
        if task not in names:
            raise ValueError(f"task is {task!r}; allowed: {', '.join(map(repr, names))}")
        place, pixels = names.index(task), read_pixels(image, self.facts.to_channels())
        if output == "probabilities":
            rows = [
                by_task(found[None], self.facts.outputs)[place][0]
                for found in self._probability_rows(pixels, own_resolution)
            ]
            return torch.cat(rows, dim=1).cpu().numpy()
        mask = self.predict_tasks(pixels, own_resolution)[place]
        return mask if output == "mask" else overlay(picture(pixels), mask, self.facts.tasks[place].palette)

    def predict_tasks(self, pixels: Pixels, own_resolution: bool = False) -> list[npt.NDArray[np.uint8]]:
        """(H, W, C) of the model's channels -> (H, W) places in the classes of each of `facts.tasks`."""
        bands = [
            [part[0].argmax(0).byte().cpu() for part in by_task(rows[None], self.facts.outputs)]
            for rows in self._probability_rows(pixels, own_resolution)
        ]
        return [torch.cat(band).numpy() for band in zip(*bands, strict=True)]

    def _probability_rows(self, pixels: Pixels, own_resolution: bool) -> Iterator[Tensor]:
        """Probabilities (K, rows, W) of an image (H, W, C), top first."""
        if self.config.resolution == "own":
            return at_own_resolution(self.probabilities, pixels, self.config, self.facts.to_channels())
        height, width = self._seen_size(pixels.shape[0], pixels.shape[1], own_resolution)
        seen = pixels
        if (height, width) != pixels.shape[:2]:
            seen = resize(pixels, height, width)
        rows = through_windows(self.probabilities, np.array(seen), self.config.image_height, self.config.image_width)
        if seen is pixels:
            return rows
        return resized(torch.cat(list(rows), dim=1), pixels.shape[0], pixels.shape[1])

    def _seen_size(self, height: int, width: int, own_resolution: bool) -> tuple[int, int]:
        """Height and width at which an image is looked at: those of the training, or more, in windows of them."""
        trained = self.config.image_height, self.config.image_width
        along_height, along_width = trained[0] / height, trained[1] / width
        factor = max(along_height, along_width)
        if own_resolution:
            factor = max(1.0, factor)
        elif factor <= MOST_SQUEEZED * min(along_height, along_width):
            return trained
        return max(trained[0], round(factor * height)), max(trained[1], round(factor * width))

    def probabilities(self, images: Pixels) -> Tensor:
        """(N, h, w, C), of the size of the training -> (N, K, h, w), on the model's device."""
        normalise = Normalisation(self.hardware, self.facts.to_channels())
        return class_probabilities(self.network, images, normalise, self.hardware, self.facts.outputs)


OUTPUTS = ("mask", "probabilities", "overlay")


def overlay(shown: Image.Image, mask: npt.NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> Image.Image:
    """`shown` (H x W) under the colours of `mask` (H, W)."""
    colours = Image.fromarray(np.array(palette, dtype=np.uint8)[mask])
    return Image.blend(shown.convert("RGB"), colours, OVERLAY_SHARE)


def load_model(folder: Path, hardware: Hardware | None = None) -> TrainedModel:
    """The model with its best weights. Raises RecordError when the folder holds none that is whole."""
    config = _read_config(folder)
    facts = read_model_file(folder, config)
    network = build_model(config, sum(facts.outputs), facts.streams)
    path = folder / records.BEST_FILE
    try:
        network.load_state_dict(checkpoint.load_best(folder))
    except FileNotFoundError:
        raise RecordError(
            f"{path} is missing: the trial has not been validated yet, or has diverged; give the folder of one that "
            "has finished"
        ) from None
    except (SafetensorError, RuntimeError) as error:
        problem = str(error).partition("\n")[0]
        raise RecordError(f"{path} does not hold the weights of this trial ({problem}); {records.REMEDY}") from None
    if hardware is None:
        hardware = pick_hardware(config.precision)
    network.eval().requires_grad_(False).to(hardware.device).to(memory_format=hardware.memory_format)
    return TrainedModel(folder, config, facts, network, hardware)


def _read_config(folder: Path) -> TrialConfig:
    path = folder / records.CONFIG_FILE
    try:
        return TrialConfig.from_dict(records.read_json(path))
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"{folder} is not the folder of a trial: it has no {records.CONFIG_FILE}; give <out>/{records.TRIALS_DIR}/"
            "<trial id>, as the last lines of a sweep and python -m analysis best print it"
        ) from None
    except ConfigError as error:
        raise RecordError(f"{path}: {error}") from None
