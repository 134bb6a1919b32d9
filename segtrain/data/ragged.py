"""Images of different sizes in one flat array, one behind the other, so that it can be memory-mapped."""

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt


class Ragged(Sequence[npt.NDArray[Any]]):
    """`values` (L,) holds N images, of `sizes` (N, 2) height and width; image i is a view into it, of shape
    (height, width, *depth)."""

    def __init__(self, values: npt.NDArray[Any], sizes: npt.NDArray[np.int64], depth: tuple[int, ...]) -> None:
        self.values, self.sizes, self.depth = values, sizes, depth
        self.ends = np.cumsum(self.sizes.prod(axis=1)) * math.prod(depth)

    @staticmethod
    def length(sizes: npt.NDArray[np.int64], depth: tuple[int, ...]) -> int:
        """Of the `values` of such images."""
        return int(sizes.prod(axis=1).sum()) * math.prod(depth)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[Any]: ...

    @overload
    def __getitem__(self, index: slice) -> "Ragged": ...

    def __getitem__(self, index: int | slice) -> "npt.NDArray[Any] | Ragged":
        if isinstance(index, slice):
            raise TypeError("images of different sizes are taken one at a time")
        height, width = (int(side) for side in self.sizes[index])
        end = int(self.ends[index])
        return self.values[end - height * width * math.prod(self.depth) : end].reshape(height, width, *self.depth)
