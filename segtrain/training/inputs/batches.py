"""Splits of the data cache -> batches on the training device; order and flips derive from (seed, epoch)."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.data.pixels import Pixels
from segtrain.data.spec import RGB, Channels
from segtrain.machine.device import Hardware
from segtrain.training.inputs.features import Features, SplitFeatures

RESIDENT_SHARE = 0.25
"""A split lives on a GPU when it takes less than this share of the memory that is free there."""

Placed = Tensor | npt.NDArray[Any]
"""An array on the device, or the memory-mapped one that batches are copied from."""


T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Batch:
    target: Tensor  # (N, H, W) int64, 255 = ignore
    images: Tensor | None  # (N, C, H, W) float, normalised; None where a frozen encoder has made its features of them
    features: Features | None = None
    further: tuple[Tensor, ...] = ()  # targets of the dataset's further tasks

    @property
    def targets(self) -> tuple[Tensor, ...]:
        """One a task."""
        return (self.target, *self.further)


class Normalisation:
    """(N, C, H, W) values of channels -> what a model takes, on the trial's device."""

    def __init__(self, hardware: Hardware, channels: Channels = RGB) -> None:
        self.memory_format = hardware.memory_format
        self.mean, self.std = (
            channels.most * torch.tensor(each, device=hardware.device).view(-1, 1, 1)
            for each in (channels.mean, channels.std)
        )

    def __call__(self, pixels: Tensor) -> Tensor:
        return values(pixels).float().sub_(self.mean).div_(self.std).contiguous(memory_format=self.memory_format)


def beyond(channels: Channels) -> list[int]:
    """The values of what lies beyond an image: next to zero, once they are normalised."""
    return [round(channels.most * mean) for mean in channels.mean]


def as_stored(images: Pixels) -> npt.NDArray[Any]:
    """Torch indexes and flips no uint16: it gets their bits as int16."""
    return images if images.dtype == np.uint8 else images.view(np.int16)


def values(pixels: Tensor) -> Tensor:
    """What `as_stored` stands for, in a type that holds it."""
    return pixels.int().bitwise_and_(0xFFFF) if pixels.dtype == torch.int16 else pixels


def draw_order(config: TrialConfig, epoch: int, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The images of an epoch in the order in which they come; and whether each is flipped, by its own number."""
    generator = np.random.default_rng([config.seed, epoch])
    order = generator.permutation(count)
    return order, generator.random(count) < 0.5 if config.flip else np.zeros(count, dtype=bool)


def one_ahead(gather: Callable[[T], U], parts: Sequence[T]) -> Iterator[U]:
    """What `gather` makes of each part, made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(gather, part) for part in parts[:1]]
        for number in range(len(parts)):
            current = waiting.pop().result()
            waiting += [pool.submit(gather, part) for part in parts[number + 1 : number + 2]]
            yield current


class Inputs:
    """A split on its way into a model: from host memory, or living on the GPU as integers where it fits. Its batches
    are images, kept `features`, or what `encode` makes of images, which has the same bits."""

    def __init__(
        self,
        arrays: SplitArrays,
        hardware: Hardware,
        features: SplitFeatures | None = None,
        encode: Callable[[Tensor], Features] | None = None,
    ) -> None:
        self.hardware, self.features, self.encode, self.count = hardware, features, encode, len(arrays)
        assert isinstance(arrays.masks, np.ndarray)
        assert isinstance(arrays.images, np.ndarray), "ragged arrays are no batches"
        self.tasks = 1 + len(arrays.further)
        placed = self._place(
            [arrays.masks, *arrays.further, *(features.arrays if features else [as_stored(arrays.images)])]
        )
        self.masks, self.sources = placed[: self.tasks], placed[self.tasks :]
        self.normalise = Normalisation(hardware, arrays.channels)

    def __len__(self) -> int:
        return self.count

    def training_batches(self, config: TrialConfig, epoch: int) -> Iterator[Batch]:
        """Every image once, in an order of its own per epoch; the last batch may be short."""
        order, flips = draw_order(config, epoch, len(self))
        yield from self._batches(order, flips[order], config.batch_size)

    def evaluation_batches(self, batch_size: int, indices: npt.NDArray[np.int64] | None = None) -> Iterator[Batch]:
        """The images as they are, in order; `indices` picks some of them."""
        order = np.arange(len(self)) if indices is None else indices
        yield from self._batches(order, np.zeros(len(order), dtype=bool), batch_size)

    def batch(self, rows: npt.NDArray[np.int64], flips: npt.NDArray[np.bool_]) -> Batch:
        """The images `rows`, flipped where `flips` says so."""
        (batch,) = self._batches(rows, flips, len(rows))
        return batch

    def _place(self, arrays: list[npt.NDArray[Any]]) -> list[Placed]:
        device = self.hardware.device
        if device.type != "cuda":
            return [*arrays]
        free, _ = torch.cuda.mem_get_info(device)
        if sum(array.nbytes for array in arrays) > RESIDENT_SHARE * free:
            return [*arrays]
        return [torch.from_numpy(np.array(array)).to(device) for array in arrays]

    def _batches(self, order: npt.NDArray[np.int64], flips: npt.NDArray[np.bool_], size: int) -> Iterator[Batch]:
        device = self.hardware.device
        # One copy an epoch: an index or a flag that had to be fetched for every batch would make a GPU wait.
        indices, flip = torch.from_numpy(order).to(device), torch.from_numpy(flips).to(device)
        parts = [slice(start, start + size) for start in range(0, len(order), size)]
        if isinstance(self.masks[0], Tensor) or device.type != "cuda":
            for part in parts:
                yield self._assemble([self._take(source, indices[part]) for source in self._all()], flip[part])
            return
        gathered = one_ahead(self._gather, [order[part] for part in parts])
        for part, current in zip(parts, gathered, strict=True):
            yield self._assemble([tensor.to(device, non_blocking=True) for tensor in current], flip[part])

    def _all(self) -> list[Placed]:
        return [*self.masks, *self.sources]

    def _take(self, source: Placed, indices: Tensor) -> Tensor:
        return source[indices] if isinstance(source, Tensor) else torch.from_numpy(source[indices.numpy()])

    def _gather(self, indices: npt.NDArray[np.int64]) -> list[Tensor]:
        """In pinned memory, from which a GPU copies while it computes."""
        return [torch.from_numpy(source[indices]).pin_memory() for source in self._all()]

    def _assemble(self, tensors: list[Tensor], flip: Tensor) -> Batch:
        """masks (N, H, W) uint8 of each task, and images (N, H, W, C) or the encoder's features -> a batch."""
        masks, rest = tensors[: self.tasks], tensors[self.tasks :]
        target, *further = (torch.where(flip.view(-1, 1, 1), mask.flip(-1), mask).long() for mask in masks)
        if self.features is not None:
            return Batch(target, None, self.features.assemble(rest, flip), tuple(further))
        (images,) = rest
        pixels = torch.where(flip.view(-1, 1, 1, 1), images.flip(2), images)
        # (N, H, W, C) in memory is what channels_last means for (N, C, H, W): the permute copies nothing.
        normalised = self.normalise(pixels.permute(0, 3, 1, 2))
        if self.encode is not None:
            return Batch(target, None, self.encode(normalised), tuple(further))
        return Batch(target, normalised, further=tuple(further))
