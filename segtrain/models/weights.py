"""ImageNet weights: whose an architecture starts from, where they are found, and how they get into a model."""

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor
from torchvision.models import ResNet50_Weights, VGG16_Weights, WeightsEnum

from segtrain.config import Arch, TrialConfig
from segtrain.errors import UserError
from segtrain.models import build_model
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.fcn import load_vgg16
from segtrain.models.fcn_resnet50 import load_resnet50
from segtrain.models.segformer import load_mit

WEIGHTS_FOLDER = "weights"
HUB_CONFIG = "config.json"
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class Pretrained(NamedTuple):
    source: WeightsEnum | str  # of torchvision, or the repository on the Hugging Face hub
    load: Callable[[EncoderDecoder, dict[str, Tensor]], None]


_VGG16 = Pretrained(VGG16_Weights.IMAGENET1K_V1, load_vgg16)
IMAGENET: dict[Arch, Pretrained] = {
    "fcn32s": _VGG16,
    "fcn16s": _VGG16,
    "fcn8s": _VGG16,
    "fcn_resnet50": Pretrained(ResNet50_Weights.IMAGENET1K_V1, load_resnet50),
    "segformer_b0": Pretrained("nvidia/mit-b0", load_mit),
    "segformer_b1": Pretrained("nvidia/mit-b1", load_mit),
    "segformer_b2": Pretrained("nvidia/mit-b2", load_mit),
    "segformer_b3": Pretrained("nvidia/mit-b3", load_mit),
    "segformer_b4": Pretrained("nvidia/mit-b4", load_mit),
    "segformer_b5": Pretrained("nvidia/mit-b5", load_mit),
}


class WeightsError(UserError):
    """Pretrained weights that were asked for can neither be found nor downloaded, or are not what they should be."""


def find_or_download(arch: Arch, data_root: Path) -> Path:
    """The file, or for SegFormer the folder, of the weights that `arch` starts from: under `<data_root>/weights`, else
    in the library's cache, else downloaded into that cache.

    Raises WeightsError that names the files, every place they were looked for, and the ways on.
    """
    source = IMAGENET[arch].source
    folder = data_root / WEIGHTS_FOLDER
    return _find_on_hub(source, folder) if isinstance(source, str) else _find_of_torchvision(source, folder)


def check(config: TrialConfig, num_classes: int, data_root: Path) -> None:
    """Tries the weights that a trial of `config` starts from on a model of its own, without a copy in memory: the names
    of the tensors, and their shapes. Raises WeightsError."""
    with torch.device("meta"):
        model = build_model(config, num_classes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
        load(model, config.arch, data_root)


def check_hash(path: Path) -> None:
    """Raises WeightsError when the file is not the one whose hash stands in its name, as torchvision publishes them:
    `vgg16-397923af.pth`. A folder has no hash in its name, and nothing to check."""
    named = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if path.is_dir() or named is None:
        return
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(named[1]):
        raise WeightsError(
            f"{path} is damaged or another file: its SHA-256 begins with {found[: len(named[1])]}, and its name says "
            f"{named[1]}; delete it and fetch it again, or train without it: --set init=scratch"
        )


def load(model: EncoderDecoder, arch: Arch, data_root: Path) -> None:
    """Raises WeightsError when they are not found, cannot be read, or are another network's. A model on the meta
    device takes nothing, but its names and shapes are held against theirs."""
    path = find_or_download(arch, data_root)
    try:
        state = _read_mit(path) if path.is_dir() else _read_pth(path)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        problem = str(error).partition("\n")[0]
        raise WeightsError(
            f"{path} cannot be read as weights ({type(error).__name__}: {problem}); delete it and fetch it again, or "
            "train without it: --set init=scratch"
        ) from None
    try:
        IMAGENET[arch].load(model, state)
    except (AttributeError, KeyError, RuntimeError, TypeError):
        raise WeightsError(
            f"{path} does not hold the weights that {arch} starts from; put the right ones there, or train without "
            "them: --set init=scratch"
        ) from None


def _read_pth(path: Path) -> dict[str, Tensor]:
    """In either format of torch.save: only the zip file of torch 1.6 and later can be mapped into memory, and the
    weights that torchvision published first are older."""
    return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)))


def _find_of_torchvision(weights: WeightsEnum, folder: Path) -> Path:
    name = Path(weights.url).name
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for place in (folder, cache):
        if (place / name).is_file():
            return place / name
    try:
        weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        raise WeightsError(
            f"init is 'imagenet' but its weights {name} are neither in {folder} nor in {cache}; "
            f"downloading {weights.url} failed ({error}). Put the file into one of these folders, or train "
            "without it: --set init=scratch"
        ) from None
    return cache / name


def _find_on_hub(repository: str, folder: Path) -> Path:
    from httpx import HTTPError
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError

    local = folder / repository.partition("/")[2]
    cached = try_to_load_from_cache(repository, HUB_CONFIG)
    for place in (local, *([Path(cached).parent] if isinstance(cached, str) else [])):
        if (place / HUB_CONFIG).is_file() and any((place / name).is_file() for name in HUB_WEIGHTS):
            return place
    try:
        config = hf_hub_download(repository, HUB_CONFIG)
        try:
            hf_hub_download(repository, HUB_WEIGHTS[0])
        except RemoteEntryNotFoundError:
            hf_hub_download(repository, HUB_WEIGHTS[1])
    except (OSError, HTTPError) as error:
        raise WeightsError(
            f"init is 'imagenet' but its weights {HUB_CONFIG} and {' or '.join(HUB_WEIGHTS)} of {repository} are "
            f"neither in {local} nor in the Hugging Face cache {constants.HF_HUB_CACHE}; downloading them failed "
            f"({error}). Put both files into {local}, or train without them: --set init=scratch"
        ) from None
    return Path(config).parent


def _read_mit(folder: Path) -> dict[str, Tensor]:
    """By transformers' own loader, which knows the names that published files give the tensors."""
    from transformers.models.segformer.modeling_segformer import SegformerModel
    from transformers.utils import logging

    # It reports the classifier that is left over, and draws a progress bar.
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        mit, report = SegformerModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    state: dict[str, Tensor] = mit.state_dict()
    return {name: tensor for name, tensor in state.items() if name not in report["missing_keys"]}
