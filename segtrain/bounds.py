"""The values that the fields of a trial may have, each by itself. Standard library only."""

from collections.abc import Callable, Mapping
from typing import Any

from segtrain.fields import is_name

MOST, MOST_PIXELS, LEAST_RATE, MOST_RATE = 10**6, 2**14, 1e-30, 1e30
"""Bounds of epochs and batch sizes, of a side of an image, and of rates."""
MOST_ACCUMULATED = 10**4

BOUNDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "image_height": (lambda value: 32 <= value <= MOST_PIXELS, f"an integer from 32 to {MOST_PIXELS}"),
    "image_width": (lambda value: 32 <= value <= MOST_PIXELS, f"an integer from 32 to {MOST_PIXELS}"),
    "width_mult": (lambda value: 0.001 <= value <= 4, "a number from 0.001 to 4"),
    "epochs": (lambda value: 1 <= value <= MOST, f"an integer from 1 to {MOST}"),
    "batch_size": (lambda value: 1 <= value <= MOST, f"an integer from 1 to {MOST}"),
    # In float32 smaller numbers than these are 0 and greater ones infinite.
    "lr": (lambda value: LEAST_RATE <= value <= MOST_RATE, f"a number from {LEAST_RATE:g} to {MOST_RATE:g}"),
    "lr_gamma": (lambda value: LEAST_RATE <= value <= 1, f"a number from {LEAST_RATE:g} to 1"),
    "weight_decay": (lambda value: 0 <= value <= MOST_RATE, f"a number from 0 to {MOST_RATE:g}"),
    "val_every": (lambda value: 1 <= value <= MOST, f"an integer from 1 to {MOST}"),
    "test_every": (lambda value: 0 <= value <= MOST, f"an integer from 0 to {MOST}"),
    "parent": (lambda value: value is None or is_name(value), "the id of a trial"),
    "seed": (lambda value: 0 <= value < 2**32, "an integer in [0, 2^32)"),
    "label_smoothing": (lambda value: 0 <= value < 1, "a number from 0 to less than 1"),
    "momentum": (lambda value: 0 <= value < 1, "a number from 0 to less than 1"),
    "encoder_lr_factor": (lambda value: LEAST_RATE <= value <= MOST, f"a number from {LEAST_RATE:g} to {MOST}"),
    "poly_power": (lambda value: 0 < value <= 10, "a number above 0, up to 10"),
    "warmup_epochs": (lambda value: 0 <= value <= MOST, f"an integer from 0 to {MOST}"),
    "clip_norm": (lambda value: 0 <= value <= MOST_RATE, f"a number from 0 to {MOST_RATE:g}"),
    "accumulate": (lambda value: 1 <= value <= MOST_ACCUMULATED, f"an integer from 1 to {MOST_ACCUMULATED}"),
    "ema_decay": (lambda value: 0 <= value < 1, "a number from 0 to less than 1"),
    "bias_lr_factor": (lambda value: LEAST_RATE <= value <= MOST, f"a number from {LEAST_RATE:g} to {MOST}"),
    "skip_scale": (lambda value: 1e-6 <= value <= MOST, f"a number from 1e-06 to {MOST}"),
    "random_scale": (lambda value: 1 <= value <= 10, "a number from 1 to 10"),
    "random_rotation": (lambda value: 0 <= value <= 180, "degrees, from 0 to 180"),
    "color_jitter": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
}
"""Field -> whether a value of its type is within, and what is."""
