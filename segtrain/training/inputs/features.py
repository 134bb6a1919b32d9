"""What a frozen encoder makes of a split, computed once per machine and shared by every trial with the same encoder on
the same data: such trials train a decoder on features that they read.

A frozen encoder is in evaluation mode, batch norm and dropout too, so an image has the same features in every epoch;
a flipped image has others, which are computed as well. Kept in the precision and the memory layout that the encoder
gave them, and computed in batches of one size whether they are kept or not: so a trial that reads them and one that
computes them see the same bits.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segtrain import own_code
from segtrain.architectures import library_of
from segtrain.config import TrialConfig
from segtrain.data.cache import DataCache
from segtrain.data.spec import SPLITS, Split
from segtrain.machine.array_store import Array, Layout, SetRecipe, StoredArrays, machine_store
from segtrain.machine.device import Hardware, device_name
from segtrain.machine.disk import DiskError
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.operation_counts import models_code

Features: TypeAlias = dict[str, Tensor] | list[Tensor]
"""What an encoder gives and its decoder takes."""

BITS = {torch.bfloat16: np.uint16, torch.float16: np.uint16, torch.float32: np.uint32}
"""numpy has no bfloat16: features are kept as their bits."""


@dataclass(frozen=True)
class Feature:
    """One tensor of the features of an image."""

    key: str | None  # in the encoder's dict; None where it gives a list
    shape: tuple[int, ...]  # (C, H, W) of an image, or whatever else
    dtype: torch.dtype

    @property
    def channels_last(self) -> bool:
        return len(self.shape) == 3

    def to_bits(self, tensor: Tensor) -> npt.NDArray[Any]:
        """(N, *shape) -> (N, H, W, C) or (N, *shape) in memory."""
        moved = tensor.permute(0, 2, 3, 1) if self.channels_last else tensor
        return moved.contiguous().view(getattr(torch, np.dtype(BITS[self.dtype]).name)).cpu().numpy()

    def from_bits(self, bits: Tensor) -> Tensor:
        tensor = bits.view(self.dtype)
        return tensor.permute(0, 3, 1, 2) if self.channels_last else tensor

    def layout(self, count: int) -> Layout:
        shape = (*self.shape[1:], self.shape[0]) if self.channels_last else self.shape
        return Layout((count, *shape), BITS[self.dtype])


@dataclass(frozen=True)
class SplitFeatures:
    """Of every image of a split, as it is and, where the trial flips, flipped: `arrays` hold the bits of one variant
    after the other, in the order of `kinds`."""

    kinds: list[Feature]
    arrays: list[npt.NDArray[Any]]
    keep: Sequence[StoredArrays]  # keeps them from being evicted
    memory_format: torch.memory_format

    def assemble(self, bits: list[Tensor], flip: Tensor) -> Features:
        """The rows of a batch from every array -> features; `flip` (N,) says which images are flipped."""
        plain, flipped = bits[: len(self.kinds)], bits[len(self.kinds) :]
        chosen = plain
        if flipped:
            pairs = zip(plain, flipped, strict=True)
            chosen = [torch.where(flip.view(-1, *[1] * (p.ndim - 1)), f, p) for p, f in pairs]
        tensors = [kind.from_bits(rows) for kind, rows in zip(self.kinds, chosen, strict=True)]
        if self.memory_format != torch.channels_last:
            tensors = [tensor.contiguous() for tensor in tensors]
        if self.kinds[0].key is None:
            return tensors
        return {str(kind.key): tensor for kind, tensor in zip(self.kinds, tensors, strict=True)}


Encode: TypeAlias = Callable[[Split, npt.NDArray[np.int64], bool], Features]
"""(split, indices of images, whether flipped) -> what the encoder makes of them."""


def kinds_to_keep(config: TrialConfig, model: EncoderDecoder, encode: Encode) -> list[Feature] | None:
    """The features of an image; None where the encoder learns or goes on collecting statistics, where the model needs
    more of an image than its features, where a trial would read them hardly more often than they are computed, and
    where they are neither a dict nor a list of tensors."""
    if (
        config.freeze == "none"
        or config.frozen_norm == "collecting"
        or not model.can_keep_features
        or config.epochs <= len(_variants(config)["train"])
    ):
        return None
    return _kinds(encode("train", np.zeros(1, dtype=np.int64), False))


def open_features(
    config: TrialConfig,
    model: EncoderDecoder,
    data: DataCache,
    hardware: Hardware,
    kinds: list[Feature],
    encode: Encode,
) -> Mapping[Split, SplitFeatures] | None:
    """The features of every split, computed by `encode` where no trial has done so before; None where the cache has no
    room."""
    key = _key(config, model, data, hardware)
    variants = {split: [(split, flip) for flip in flips] for split, flips in _variants(config).items()}

    def fill(split: Split, flip: bool, arrays: Mapping[str, Array]) -> None:
        _fill([*arrays.values()], kinds, config.batch_size, encode, split, flip)

    def recipe(split: Split, flip: bool) -> SetRecipe:
        layouts = {str(number): kind.layout(len(data.splits[split])) for number, kind in enumerate(kinds)}
        return SetRecipe(layouts, partial(fill, split, flip))

    def name(split: Split, flip: bool) -> str:
        return f"features-{key}-{split}{'-flipped' * flip}"

    try:
        # A set for each variant, so that trials that begin together share the work.
        stored = machine_store().open_all({name(*each): recipe(*each) for split in SPLITS for each in variants[split]})
    except DiskError:
        return None

    def features_of(split: Split) -> SplitFeatures:
        sets = [stored[name(*each)] for each in variants[split]]
        arrays = [found[str(number)] for found in sets for number in range(len(kinds))]
        return SplitFeatures(kinds, arrays, sets, hardware.memory_format)

    return {split: features_of(split) for split in SPLITS}


def _variants(config: TrialConfig) -> dict[Split, tuple[bool, ...]]:
    """Whether flipped, of each variant of an image that a trial sees."""
    return dict.fromkeys(SPLITS, (False,)) | {"train": (False, True) if config.flip else (False,)}


def _fill(arrays: list[Array], kinds: list[Feature], batch_size: int, encode: Encode, split: Split, flip: bool) -> None:
    count = len(arrays[0])
    for start in range(0, count, batch_size):
        rows = np.arange(start, min(start + batch_size, count))
        tensors = _tensors(encode(split, rows, flip))
        for array, kind, tensor in zip(arrays, kinds, tensors, strict=True):
            array[start : start + batch_size] = kind.to_bits(tensor)


def _kinds(features: Any) -> list[Feature] | None:
    """None for what cannot be kept."""
    tensors = _tensors(features)
    if not tensors or not all(isinstance(tensor, Tensor) and tensor.dtype in BITS for tensor in tensors):
        return None
    keys = [*features] if isinstance(features, dict) else [None] * len(tensors)
    return [Feature(key, tuple(tensor.shape[1:]), tensor.dtype) for key, tensor in zip(keys, tensors, strict=True)]


def _tensors(features: Any) -> list[Tensor]:
    if isinstance(features, dict):
        return [*features.values()]
    return [*features] if isinstance(features, list | tuple) else []


def _key(config: TrialConfig, model: EncoderDecoder, data: DataCache, hardware: Hardware) -> str:
    """Of all that the last bit of a feature depends on."""
    digest = hashlib.sha256()
    for name, tensor in model.encoder.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    about = [
        type(model.encoder).__qualname__, models_code(), data.fingerprint, config.dataset,
        config.image_height, config.image_width, config.batch_size, config.flip,
        str(hardware.memory_format), hardware.precision, hardware.threads, device_name(hardware.device),
    ]  # fmt: skip
    if library_of(config.arch) == "own":
        about.append(own_code.digest(own_code.sources(config.arch)))
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()[:16]
