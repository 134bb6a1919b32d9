"""Published weights as files: under the data root, else in the library's cache, else downloaded into that cache."""

import zipfile
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from segtrain.config import Init
from segtrain.errors import UserError

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

HUB_CONFIG = "config.json"
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class WeightsError(UserError):
    """Pretrained weights that were asked for can neither be found nor downloaded, or are not what they should be."""


def find_of_torchvision(weights: "WeightsEnum", folder: Path, init: Init = "imagenet") -> Path:
    """Raises WeightsError that names the file, every place it was looked for, and the ways on."""
    name = Path(weights.url).name
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for place in (folder, cache):
        if (place / name).is_file():
            return place / name
    try:
        weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        raise WeightsError(
            f"init is {init!r} but its weights {name} are neither in {folder} nor in {cache}; "
            f"downloading {weights.url} failed ({error}). Put the file into one of these folders, or train "
            "without it: --set init=scratch"
        ) from None
    return cache / name


def find_on_hub(repository: str, folder: Path, revision: str | None = None) -> Path:
    """The folder with the configuration and the weights of `repository`. Raises WeightsError, as above."""
    from httpx import HTTPError
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError

    local = folder / repository.partition("/")[2]
    cached = try_to_load_from_cache(repository, HUB_CONFIG, revision=revision)
    for place in (local, *([Path(cached).parent] if isinstance(cached, str) else [])):
        if (place / HUB_CONFIG).is_file() and any((place / name).is_file() for name in HUB_WEIGHTS):
            return place
    try:
        config = hf_hub_download(repository, HUB_CONFIG, revision=revision)
        try:
            hf_hub_download(repository, HUB_WEIGHTS[0], revision=revision)
        except RemoteEntryNotFoundError:
            hf_hub_download(repository, HUB_WEIGHTS[1], revision=revision)
    except (OSError, HTTPError) as error:
        raise WeightsError(
            f"init is 'imagenet' but its weights {HUB_CONFIG} and {' or '.join(HUB_WEIGHTS)} of {repository} are "
            f"neither in {local} nor in the Hugging Face cache {constants.HF_HUB_CACHE}; downloading them failed "
            f"({error}). Put both files into {local}, or train without them: --set init=scratch"
        ) from None
    return Path(config).parent


def read_pth(path: Path) -> dict[str, Tensor]:
    """In either format of torch.save: only the zip file of torch 1.6 and later can be mapped into memory, and the
    weights that torchvision published first are older."""
    return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)))
