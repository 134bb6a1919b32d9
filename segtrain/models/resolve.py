"""The name of an architecture -> what builds it: the one place where a string becomes a model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch

from segtrain import own_code
from segtrain.architectures import Arch, library_of
from segtrain.config import Init, TrialConfig
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.fcn import build_fcn
from segtrain.models.fcn_resnet50 import COCO_CLASSES, build_fcn_resnet50
from segtrain.models.image_channels import LateFusion
from segtrain.models.segformer import build_segformer
from segtrain.models.stock.huggingface import build_hf, find_hf_weights, hf_files, load_hf_weights, read_settings
from segtrain.models.stock.own_module import build_own
from segtrain.models.stock.smp_zoo import build_smp, find_smp_weights, load_smp_weights
from segtrain.models.stock.split import ArchError, SplitModel
from segtrain.models.stock.torchvision_zoo import (
    build_torchvision,
    find_torchvision_weights,
    load_torchvision_weights,
    published_classes,
)
from segtrain.models.unet import build_unet


def _build_fcn(config: TrialConfig, classes: int, channels: int, *skips: str) -> EncoderDecoder:
    return build_fcn(classes, skips, config.width_mult, config.upsampling, config.skip_scale, channels)


MODELS: dict[Arch, Callable[[TrialConfig, int, int], EncoderDecoder]] = {
    "fcn32s": lambda config, classes, channels: _build_fcn(config, classes, channels),
    "fcn16s": lambda config, classes, channels: _build_fcn(config, classes, channels, "pool4"),
    "fcn8s": lambda config, classes, channels: _build_fcn(config, classes, channels, "pool4", "pool3"),
    "fcn_resnet50": lambda _, classes, channels: build_fcn_resnet50(classes, channels),
    "segformer_b0": lambda config, classes, channels: build_segformer(classes, "b0", config.weight_init, channels),
    "segformer_b1": lambda config, classes, channels: build_segformer(classes, "b1", config.weight_init, channels),
    "segformer_b2": lambda config, classes, channels: build_segformer(classes, "b2", config.weight_init, channels),
    "segformer_b3": lambda config, classes, channels: build_segformer(classes, "b3", config.weight_init, channels),
    "segformer_b4": lambda config, classes, channels: build_segformer(classes, "b4", config.weight_init, channels),
    "segformer_b5": lambda config, classes, channels: build_segformer(classes, "b5", config.weight_init, channels),
    "unet": lambda config, classes, channels: build_unet(classes, config.width_mult, channels),
    "unet_noskip": lambda config, classes, channels: build_unet(classes, config.width_mult, channels, skips=False),
    "unet_residual": lambda config, classes, channels: build_unet(classes, config.width_mult, channels, residual=True),
    "unet_attention_residual": lambda config, classes, channels: build_unet(
        classes, config.width_mult, channels, residual=True, gate=config.gate
    ),
}


class Stock(NamedTuple):
    """A library; `name` is what stands behind its colon."""

    build: Callable[[str, int, int], SplitModel]  # name, classes, channels of the image
    find_weights: Callable[[str, Init, Path], Path]  # name, init, folder to look in first
    load_weights: Callable[[SplitModel, str, Init, Path], list[str]]  # where they were found; gives what stays new
    published_classes: Callable[[str], int | None]  # of the weights of init=pretrained


LIBRARIES: dict[str, Stock] = {
    "smp": Stock(build_smp, find_smp_weights, load_smp_weights, lambda _: None),
    "torchvision": Stock(build_torchvision, find_torchvision_weights, load_torchvision_weights, published_classes),
    "hf": Stock(build_hf, find_hf_weights, load_hf_weights, lambda name: int(read_settings(name).num_labels)),
}


def stock_of(arch: str) -> tuple[Stock, str] | None:
    """The library of `arch`, and the name of `arch` in it; None for what no library builds."""
    library = library_of(arch)
    return (LIBRARIES[library], arch.partition(":")[2]) if library in LIBRARIES else None


def build_model(config: TrialConfig, num_classes: int, streams: Sequence[int] = (3,)) -> EncoderDecoder:
    """`streams`: the channels of the image, in several parts where it has several kinds of them. Raises ArchError and
    CodeError."""
    if config.fusion == "early":
        return _build(config, num_classes, sum(streams))
    if len(streams) == 1:
        raise ArchError(
            "fusion is 'late' and the images have one kind of channels; set fusion=early, or a dataset with several"
        )
    return LateFusion([_build(config, num_classes, channels) for channels in streams], streams)


def _build(config: TrialConfig, num_classes: int, channels: int) -> EncoderDecoder:
    stock = stock_of(config.arch)
    if stock is not None:
        return stock[0].build(stock[1], num_classes, channels)
    if library_of(config.arch) == "own":
        return build_own(config.arch, num_classes, channels)
    return MODELS[cast(Arch, config.arch)](config, num_classes, channels)


def build_on_meta(config: TrialConfig, num_classes: int, streams: Sequence[int] = (3,)) -> EncoderDecoder:
    """For names and shapes: without numbers, but for models of libraries, of which not each can be built so."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if library_of(config.arch) else "meta"):
        return build_model(config, num_classes, streams)


def code_of(config: TrialConfig) -> Mapping[str, bytes]:
    """Name -> content of the files outside this program and the libraries that decide what a trial is: own code, or a
    model in a local folder. Empty for most. Raises CodeError."""
    found = hf_files(config.arch.partition(":")[2]) if library_of(config.arch) == "hf" else {}
    for field in ("arch", "loss", "optimizer"):
        name = getattr(config, field)
        if name in config.own_code:
            own_code.import_object(name, field)
            found |= own_code.sources(name)
    return found


def head_note(config: TrialConfig, num_classes: int) -> str | None:
    """What is to be said when a head that was trained is not used because the classes are others in number."""
    stock = stock_of(config.arch)
    published = COCO_CLASSES if config.init == "coco" else None
    if stock is not None and config.init == "pretrained":
        published = stock[0].published_classes(stock[1])
    if published in (None, num_classes):
        return None
    return f"{config.arch}: its head was trained on {published} classes, {config.dataset} has {num_classes}: a new one"
