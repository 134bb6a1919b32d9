"""Pretrained weights: whose an architecture starts from, where they are found, and how they get into a model."""

import hashlib
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from safetensors import SafetensorError
from torch import Tensor
from torchvision.models import ResNet50_Weights, VGG16_Weights, WeightsEnum
from torchvision.models.segmentation import FCN_ResNet50_Weights

from segtrain.architectures import Arch
from segtrain.config import Init, TrialConfig
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.fcn import load_vgg16
from segtrain.models.fcn_resnet50 import load_fcn_resnet50, load_resnet50
from segtrain.models.image_channels import RGB_CHANNELS, LateFusion, adapt
from segtrain.models.resolve import build_model, build_on_meta, stock_of
from segtrain.models.segformer import load_mit
from segtrain.models.stock.huggingface import quiet_transformers
from segtrain.models.stock.split import SplitModel
from segtrain.models.weight_files import WeightsError, find_of_torchvision, find_on_hub, read_pth

WEIGHTS_FOLDER = "weights"
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError)
UNFITTING = (AttributeError, KeyError, RuntimeError, TypeError)
"""What reading a file that is torn, and taking the weights of another network, raise."""


class Pretrained(NamedTuple):
    source: WeightsEnum | str  # of torchvision, or the repository on the Hugging Face hub
    load: Callable[[EncoderDecoder, dict[str, Tensor]], list[str] | None]  # gives what stays new


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
COCO: dict[Arch, Pretrained] = {
    "fcn_resnet50": Pretrained(FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1, load_fcn_resnet50),
}
"""Whole networks, trained on the images of COCO that have classes of PASCAL VOC, for these."""


def _published(arch: str, init: Init) -> Pretrained:
    return (COCO if init == "coco" else IMAGENET)[cast(Arch, arch)]


def find_or_download(arch: str, data_root: Path, init: Init = "imagenet") -> Path:
    """The file or the folder of the weights that `arch` starts from: under `<data_root>/weights`, else in the library's
    cache, else downloaded into that cache.

    Raises WeightsError that names the files, every place they were looked for, and the ways on.
    """
    folder = data_root / WEIGHTS_FOLDER
    stock = stock_of(arch)
    if stock is not None:
        return stock[0].find_weights(stock[1], init, folder)
    source = _published(arch, init).source
    return find_on_hub(source, folder) if isinstance(source, str) else find_of_torchvision(source, folder, init)


def check(config: TrialConfig, num_classes: int, data_root: Path, streams: Sequence[int] = (3,)) -> None:
    """Tries the weights that a trial of `config` starts from on a model of its own: the names of the tensors, and their
    shapes. Without a copy in memory, but for models of libraries: not each can be built without numbers. Raises
    WeightsError."""
    model = build_on_meta(config, num_classes, streams)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
        start_from(model, config, num_classes, data_root, streams)


def start_from(
    model: EncoderDecoder, config: TrialConfig, num_classes: int, data_root: Path, streams: Sequence[int]
) -> None:
    """Gives `model` the weights that `config` starts from; those of its first layer adapted, where it sees other
    channels than red, green and blue (image_channels.py). Raises WeightsError."""
    if [*streams] == [RGB_CHANNELS]:
        load(model, config.arch, data_root, config.init)
        return
    alone, device = config.edit(fusion="early"), next(model.parameters()).device
    with device:
        donor = build_model(alone, num_classes)
    load(donor, config.arch, data_root, config.init)
    trained = donor.state_dict()
    if not isinstance(model, LateFusion):
        model.load_state_dict(adapt(trained, model.state_dict()))
        return
    with device:
        networks = [build_model(alone, num_classes, (channels,)) for channels in streams]
    model.load_each([adapt(trained, network.state_dict()) for network in networks])


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


def load(model: EncoderDecoder, arch: str, data_root: Path, init: Init = "imagenet") -> list[str]:
    """The names of the layers' tensors that should have come from the weights and stay new, such as those of a head for
    other classes. Raises WeightsError when they are not found, cannot be read, or are another network's. A model on the
    meta device takes nothing, but its names and shapes are held against theirs."""
    path = find_or_download(arch, data_root, init)
    stock = stock_of(arch)
    try:
        if stock is not None:
            assert isinstance(model, SplitModel)
            return stock[0].load_weights(model, stock[1], init, path)
    except (*UNREADABLE, *UNFITTING):
        raise _unfitting(path, arch) from None
    try:
        state = _read_mit(path) if path.is_dir() else read_pth(path)
    except UNREADABLE as error:
        problem = str(error).partition("\n")[0]
        raise WeightsError(
            f"{path} cannot be read as weights ({type(error).__name__}: {problem}); delete it and fetch it again, or "
            "train without it: --set init=scratch"
        ) from None
    try:
        return _published(arch, init).load(model, state) or []
    except UNFITTING:
        raise _unfitting(path, arch) from None


def _unfitting(path: Path, arch: str) -> WeightsError:
    return WeightsError(
        f"{path} does not hold the weights that {arch} starts from; put the right ones there, or train without "
        "them: --set init=scratch"
    )


def _read_mit(folder: Path) -> dict[str, Tensor]:
    """By transformers' own loader, which knows the names that published files give the tensors."""
    from transformers.models.segformer.modeling_segformer import SegformerModel

    with quiet_transformers():
        mit, report = SegformerModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    state: dict[str, Tensor] = mit.state_dict()
    return {name: tensor for name, tensor in state.items() if name not in report["missing_keys"]}
