"""`smp:MODEL/ENCODER`: segmentation_models_pytorch (Iakubovskii et al.), with its own encoders and timm's (`tu-NAME`).

`init=imagenet` gives its encoder the weights that it would download, from the same repositories.
"""

import difflib
from pathlib import Path
from types import ModuleType
from typing import cast

from safetensors.torch import load_file
from torch import nn

from segtrain.config import Init
from segtrain.models.stock.split import ArchError, SplitModel
from segtrain.models.weight_files import HUB_WEIGHTS, WeightsError, find_on_hub

EXTRA = "models"
OF_TIMM = "tu-"


def build_smp(name: str, num_classes: int, channels: int = 3) -> SplitModel:
    """Raises ArchError."""
    smp = import_smp(name)
    model, _, encoder = name.partition("/")
    models = {one.__name__: one for one in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    if model not in models:
        raise ArchError(f"arch is 'smp:{name}' and there is no {model}; {_near(model, list(models))}")
    _check_encoder(name, encoder)
    try:
        whole = models[model](encoder_name=encoder, encoder_weights=None, in_channels=channels, classes=num_classes)
    except (KeyError, TypeError, ValueError) as error:
        raise ArchError(f"arch is 'smp:{name}', which the library refuses: {error}") from None
    stride = whole.encoder.output_stride if whole.requires_divisible_input_shape else 1
    return SplitModel(whole, "encoder", [m for m in whole.segmentation_head if isinstance(m, nn.Conv2d)][-1:], stride)


def find_smp_weights(name: str, init: Init, folder: Path) -> Path:
    """Raises WeightsError, also when none are published."""
    encoder = name.partition("/")[2]
    import_smp(name)
    if encoder.startswith(OF_TIMM):
        import timm

        settings = timm.models.get_pretrained_cfg(encoder.removeprefix(OF_TIMM))
        if settings is not None and settings.hf_hub_id:
            return find_on_hub(settings.hf_hub_id, folder)
    else:
        from segmentation_models_pytorch.encoders import encoders

        published = encoders[encoder]["pretrained_settings"].get(init)
        if published is not None:
            return find_on_hub(published["repo_id"], folder, published["revision"])
    raise WeightsError(
        f"init is {init!r} and arch is 'smp:{name}', whose encoder has no such weights; set init=scratch"
    )


def load_smp_weights(model: SplitModel, name: str, init: Init, path: Path) -> list[str]:
    encoder, body = name.partition("/")[2], model.body
    file = next(path / one for one in HUB_WEIGHTS if (path / one).is_file())
    if encoder.startswith(OF_TIMM):
        from segmentation_models_pytorch.encoders import get_encoder

        settings = {"pretrained_cfg_overlay": {"file": str(file)}}
        loaded = get_encoder(encoder, weights=True, output_stride=body._output_stride, **settings)
        body.load_state_dict(loaded.state_dict())
    else:
        body.load_state_dict(load_file(file))
    return []


def import_smp(name: str) -> ModuleType:
    """Imported when a model is built, not before: it is an extra. Raises ArchError."""
    try:
        import segmentation_models_pytorch as smp
    except ModuleNotFoundError as error:
        raise ArchError(
            f"arch is 'smp:{name}' and {error.name} is not installed; install the extra: uv pip install -e '.[{EXTRA}]'"
        ) from None
    return cast(ModuleType, smp)


def _check_encoder(name: str, encoder: str) -> None:
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    known = list(get_encoder_names())
    if encoder.startswith(OF_TIMM):
        if timm.is_model(encoder.removeprefix(OF_TIMM)):
            return
        known = [f"{OF_TIMM}{one}" for one in timm.list_models()]
    if encoder not in known:
        raise ArchError(f"arch is 'smp:{name}' and there is no encoder {encoder}; {_near(encoder, known)}")


def _near(got: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(got, allowed, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"allowed: {', '.join(sorted(allowed)[:60])} and so on"
