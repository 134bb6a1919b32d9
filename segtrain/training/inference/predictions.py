"""A model on a whole split: logits and truth, batch by batch, at the resolution that the trial is scored at."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.data.pixels import Pixels
from segtrain.machine.device import Hardware
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.inference.network import autocast, class_probabilities, forward, keeping_casts
from segtrain.training.inference.own_resolution import at_own_resolution
from segtrain.training.inference.windows import resized
from segtrain.training.inputs.batches import Inputs, Normalisation

Predictions: TypeAlias = Iterator[tuple[Tensor, tuple[Tensor, ...]]]
"""Logits (N, K, H, W), and targets (N, H, W) of each task, in order."""


class RestoredInputs:
    """A split that the network sees resized; what it says is brought to the size of each file."""

    def __init__(self, inputs: Inputs, files: SplitArrays) -> None:
        self.inputs, self.files = inputs, files

    def predictions(
        self, model: EncoderDecoder, batch_size: int, hardware: Hardware, rows: npt.NDArray[np.int64] | None
    ) -> Predictions:
        order = iter(range(len(self.files)) if rows is None else rows.tolist())
        for logits, _ in _batch_by_batch(model, self.inputs, batch_size, hardware, rows):
            for probabilities in logits.float().softmax(1):
                mask = self.files.masks[next(order)]
                yield _of_file(resized(probabilities, *mask.shape), mask)


class FileInputs:
    """A split whose files keep their resolution: a network looks at each of them through windows, or whole."""

    def __init__(self, files: SplitArrays, config: TrialConfig) -> None:
        self.files, self.config = files, config

    def predictions(self, model: EncoderDecoder, hardware: Hardware, rows: npt.NDArray[np.int64] | None) -> Predictions:
        normalise = Normalisation(hardware, self.files.channels)

        def network(images: Pixels) -> Tensor:
            return class_probabilities(model, images, normalise, hardware)

        for row in range(len(self.files)) if rows is None else rows.tolist():
            found = at_own_resolution(network, self.files.images[row], self.config, self.files.channels)
            yield _of_file(found, self.files.masks[row])


Judged: TypeAlias = Inputs | RestoredInputs | FileInputs


@torch.no_grad()
def predict(
    model: EncoderDecoder,
    inputs: Judged,
    batch_size: int,
    hardware: Hardware,
    indices: npt.NDArray[np.int64] | None = None,
) -> Predictions:
    """Every image of the split, or those of `indices`. Where each has the size of its file they come one by one, and
    their logits are the logarithms of probabilities."""
    model.eval()
    if isinstance(inputs, Inputs):
        yield from _batch_by_batch(model, inputs, batch_size, hardware, indices)
    elif isinstance(inputs, RestoredInputs):
        yield from inputs.predictions(model, batch_size, hardware, indices)
    else:
        yield from inputs.predictions(model, hardware, indices)


def _batch_by_batch(
    model: EncoderDecoder, inputs: Inputs, batch_size: int, hardware: Hardware, rows: npt.NDArray[np.int64] | None
) -> Predictions:
    with keeping_casts(hardware):
        for batch in inputs.evaluation_batches(batch_size, rows):
            with autocast(hardware):
                logits = forward(model, batch)
            yield logits, batch.targets


def _of_file(probabilities: Iterator[Tensor], mask: npt.NDArray[np.uint8]) -> tuple[Tensor, tuple[Tensor]]:
    """(K, rows, W), top first, and (H, W) -> logits (1, K, H, W) and target (1, H, W)."""
    whole = torch.cat(list(probabilities), dim=1)
    target = torch.from_numpy(np.array(mask)).to(whole.device).long()
    # A probability that is too small for a float32 is not impossible: its logarithm stays finite.
    return whole.clamp(min=torch.finfo(whole.dtype).tiny).log()[None], (target[None],)
