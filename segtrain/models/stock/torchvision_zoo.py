"""`torchvision:MODEL`: the segmentation models of torchvision, with their auxiliary heads where they have them.

`init=imagenet` gives the backbone torchvision's own weights for it; `init=pretrained` gives the whole model those that
torchvision trained on COCO, all but the scores when the classes are not as many.

torchvision is imported when it is asked for something: that takes seconds which other architectures need not wait.
"""

import difflib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from segtrain.config import Init
from segtrain.models.image_channels import see_channels
from segtrain.models.stock.split import ArchError, SplitModel
from segtrain.models.weight_files import find_of_torchvision, read_pth

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum


def build_torchvision(name: str, num_classes: int, channels: int = 3) -> SplitModel:
    """Raises ArchError."""
    from torchvision.models import get_model_builder, list_models, segmentation

    known = list_models(module=segmentation)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ArchError(f"arch is 'torchvision:{name}'; {hint}allowed: {', '.join(known)}")
    settings = {} if name.startswith("lraspp") else {"aux_loss": True}
    whole = get_model_builder(name)(weights=None, weights_backbone=None, num_classes=num_classes, **settings)
    see_channels(whole.backbone, channels)
    head = whole.classifier
    scores = [head[-1]] if isinstance(head, nn.Sequential) else [head.low_classifier, head.high_classifier]
    return SplitModel(whole, "backbone", scores)


def find_torchvision_weights(name: str, init: Init, folder: Path) -> Path:
    return find_of_torchvision(_published(name, init), folder, init)


def load_torchvision_weights(model: SplitModel, name: str, init: Init, path: Path) -> list[str]:
    state = read_pth(path)
    if init == "pretrained":
        return model.load_whole(state)
    # A classifier's: the backbone is its ResNet without `fc`, or the `features` of its MobileNet.
    state = {tensor_name.removeprefix("features."): tensor for tensor_name, tensor in state.items()}
    model.body.load_state_dict({tensor_name: state[tensor_name] for tensor_name in model.body.state_dict()})
    return []


def published_classes(name: str) -> int:
    """Of the weights that `init=pretrained` takes."""
    return len(_published(name, "pretrained").meta["categories"])


def _published(name: str, init: Init) -> "WeightsEnum":
    from torchvision.models import get_model_builder, get_model_weights

    if init == "pretrained":
        return get_model_weights(name).DEFAULT
    weights: WeightsEnum = inspect.signature(get_model_builder(name)).parameters["weights_backbone"].default
    return weights
