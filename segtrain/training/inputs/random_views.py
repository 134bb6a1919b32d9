"""A training split that is seen anew in every epoch: random views of its images -> batches on the training device."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segtrain.config import TrialConfig
from segtrain.data.cache import SplitArrays
from segtrain.machine.device import Hardware
from segtrain.training.inputs.augmentation import Side, View, draw_views, place, show
from segtrain.training.inputs.batches import Batch, Normalisation, as_stored, beyond, draw_order, one_ahead, values


class Seen(NamedTuple):
    """The part of an image that a view shows, (H', W', C) and (T, H', W') uint8 of T tasks, and where it lies."""

    image: Tensor
    masks: Tensor
    rows: Side
    columns: Side
    view: View


class RandomViews:
    """Stands in for Inputs where a trial augments its training images; they stay in the memory of the host, for of each
    another part is seen in every epoch."""

    def __init__(self, arrays: SplitArrays, hardware: Hardware) -> None:
        self.arrays, self.hardware = arrays, hardware
        self.masks = (arrays.masks, *arrays.further)
        self.normalise = Normalisation(hardware, arrays.channels)
        self.fill = beyond(arrays.channels)

    def __len__(self) -> int:
        return len(self.arrays)

    def training_batches(self, config: TrialConfig, epoch: int) -> Iterator[Batch]:
        """A view of every image, in an order of its own per epoch; the last batch may be short."""
        order, flips = draw_order(config, epoch, len(self))
        views = draw_views(config, epoch, flips)

        def gather(rows: npt.NDArray[np.int64]) -> list[Seen]:
            return [self._cut(row, views[row], config.image_height, config.image_width) for row in rows]

        parts = [order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size)]
        gathered = one_ahead(gather, parts) if self.hardware.device.type == "cuda" else map(gather, parts)
        for batch in gathered:
            yield self._assemble(batch)

    def _cut(self, row: int, view: View, height: int, width: int) -> Seen:
        image, masks = as_stored(self.arrays.images[row]), [each[row] for each in self.masks]
        rows = place(image.shape[0], height, view.scale, view.down)
        columns = place(image.shape[1], width, view.scale, view.right)
        part = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        seen = np.stack([mask[part] for mask in masks])
        return Seen(self._copy(image[part]), self._copy(seen), rows, columns, view)

    def _copy(self, pixels: npt.NDArray[Any]) -> Tensor:
        copied = torch.from_numpy(np.array(pixels))
        return copied.pin_memory() if self.hardware.device.type == "cuda" else copied

    def _assemble(self, batch: list[Seen]) -> Batch:
        device, images, targets = self.hardware.device, [], []
        for seen in batch:
            image, masks = (part.to(device, non_blocking=True) for part in (seen.image, seen.masks))
            if image.dtype == torch.int16:
                image = values(image).float()  # which is what torchvision resizes
            image, masks = show(image.permute(2, 0, 1), masks, seen.rows, seen.columns, seen.view, self.fill)
            images.append(image)
            targets.append(masks)
        target, *further = torch.stack(targets, dim=1).long()
        return Batch(target, self.normalise(torch.stack(images)), further=tuple(further))
