"""The names of architectures, and what each can. Standard library only."""

import re
from pathlib import Path
from typing import Literal

from segtrain.own_code import NAME

Arch = Literal[
    "fcn32s", "fcn16s", "fcn8s",
    "fcn_resnet50",
    "segformer_b0", "segformer_b1", "segformer_b2", "segformer_b3", "segformer_b4", "segformer_b5",
    "unet", "unet_noskip", "unet_residual", "unet_attention_residual",
]  # fmt: skip
"""The architectures that come with the program; TrialConfig.arch may also be one of FOREIGN_ARCHS."""
Library = Literal["smp", "torchvision", "hf", "own"]
FOREIGN_ARCHS: dict[Library, str] = {
    "smp": "smp:MODEL/ENCODER",
    "torchvision": "torchvision:MODEL",
    "hf": "hf:FOLDER_OR_HUB_NAME",
    "own": "package.module:function",
}
_FOREIGN_ARCH = re.compile(
    r"(?P<smp>smp:\w+/[\w.-]+)|(?P<torchvision>torchvision:\w+)|(?P<hf>hf:\S.*)"
    rf"|(?P<own>(?!(?:smp|torchvision|hf):){NAME})"
)
SCALABLE = ("fcn32s", "fcn16s", "fcn8s", "unet", "unet_noskip", "unet_residual", "unet_attention_residual")
"""Architectures that `width_mult` scales; the others have their sizes by name."""
WITHOUT_IMAGENET = ("unet", "unet_noskip", "unet_residual", "unet_attention_residual")
"""Architectures whose encoder nobody publishes ImageNet weights for."""
WITH_SKIPS = ("fcn16s", "fcn8s")
"""Architectures that `skip_scale` is of."""
WITH_IMAGENET_HEAD = ("fcn32s", "fcn16s", "fcn8s")
"""Architectures whose decoder starts from ImageNet weights, too: fc6 and fc7 of VGG16."""

MAX_SLUG = 80  # characters of an architecture's name in the name of a folder


def library_of(arch: str) -> Library | None:
    """Whose model it is; None for one that comes with the program, and for what is no architecture."""
    match = _FOREIGN_ARCH.fullmatch(arch)
    return next((library for library in FOREIGN_ARCHS if match[library]), None) if match else None


def slug(arch: str) -> str:
    """`smp-Unet-resnet18`: fit for the name of a folder; of a Hugging Face model the last part of its path."""
    if library_of(arch) == "hf":
        arch = f"hf-{Path(arch[3:]).name}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", arch)[:MAX_SLUG]
