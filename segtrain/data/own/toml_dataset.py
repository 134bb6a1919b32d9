"""A dataset.toml -> the same Dataset as those that come with the program."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.data.own.decoding import decode_colours, decode_palette, to_upper_byte
from segtrain.data.own.description import read_description
from segtrain.data.own.listing import list_pairs
from segtrain.data.pixels import read_channels
from segtrain.data.spec import IGNORE, RGB, Dataset, to_rgb


def read_dataset(path: Path) -> Dataset:
    """Raises DataError naming every mistake in the file."""
    told = read_description(path)
    decode_mask: Callable[[Image.Image], npt.NDArray[np.integer]]
    numbered = list(enumerate(told.classes))
    if told.labels == "colours":
        colours = [(one.colour, train_id) for train_id, one in numbered]
        colours += [(colour, IGNORE) for colour in told.ignore if isinstance(colour, tuple)]
        decode_mask = partial(decode_colours, colours=tuple(colours))
        train_ids = {train_id: train_id for train_id, _ in numbered} | {IGNORE: IGNORE}
    else:
        decode_mask = decode_palette if told.labels == "palette" else np.asarray
        train_ids = {one.label: train_id for train_id, one in numbered if one.label is not None}
        train_ids |= {label: IGNORE for label in told.ignore if isinstance(label, int)}
    return Dataset(
        name=told.name,
        classes=tuple(one.name for one in told.classes),
        palette=tuple(one.colour for one in told.classes),
        list_pairs=partial(list_pairs, description=told),
        train_ids=train_ids,
        decode_mask=decode_mask,
        decode_image=to_upper_byte if told.bits == 16 else to_rgb,
        read_image=None if len(told.channels) == len(RGB) else read_channels,
        channels=told.channels,
    )
