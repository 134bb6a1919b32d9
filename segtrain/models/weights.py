"""Pretrained weights through torchvision's own loader, from a local folder first."""

from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torchvision.models import WeightsEnum

from segtrain.errors import UserError

WEIGHTS_FOLDER = "weights"


class WeightsError(UserError):
    """Pretrained weights that were asked for can neither be found nor downloaded."""


def find_or_download(weights: WeightsEnum, data_root: Path) -> Path:
    """The file of `weights`: in `<data_root>/weights`, else in torch's cache, else downloaded into that cache.

    Raises WeightsError that names the file, every place it was looked for, and the ways on.
    """
    name = Path(weights.url).name
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (data_root / WEIGHTS_FOLDER, cache):
        if (folder / name).is_file():
            return folder / name
    try:
        weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        raise WeightsError(
            f"init is 'imagenet' but its weights {name} are neither in {data_root / WEIGHTS_FOLDER} nor in {cache}; "
            f"downloading {weights.url} failed ({error}). Put the file into one of these folders, or train "
            "without it: --set init=scratch"
        ) from None
    return cache / name


def load(weights: WeightsEnum, data_root: Path) -> dict[str, Any]:
    path = find_or_download(weights, data_root)
    return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
