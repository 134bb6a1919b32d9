"""`hf:FOLDER_OR_HUB_NAME`: every model that transformers' AutoModelForSemanticSegmentation opens, from a local folder,
from the Hugging Face cache or from the hub.

`init=pretrained` takes all the weights that are there, whatever they were trained on, but for the scores when the
classes are not as many; `init=scratch` takes the configuration alone. Attention is written out, as in segformer.py.
Auxiliary heads are left out: transformers gives their logits to its own loss only.

transformers is imported when a model is built, not before: that takes seconds which other architectures need not wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from segtrain.config import Init
from segtrain.models.image_channels import RGB_CHANNELS
from segtrain.models.stock.split import ArchError, SplitModel
from segtrain.models.weight_files import HUB_CONFIG, HUB_WEIGHTS, WeightsError


def build_hf(name: str, num_classes: int, channels: int = 3) -> SplitModel:
    """Raises ArchError."""
    from transformers.models.auto.modeling_auto import AutoModelForSemanticSegmentation

    settings = read_settings(name)
    settings.num_labels = num_classes
    if channels != RGB_CHANNELS:
        _set_channels(name, settings, channels)
    try:
        whole = AutoModelForSemanticSegmentation.from_config(settings, attn_implementation="eager")
    except ValueError as error:
        if type(settings) not in AutoModelForSemanticSegmentation._model_mapping:
            known = sorted(one.model_type for one in AutoModelForSemanticSegmentation._model_mapping)
            raise ArchError(
                f"arch is 'hf:{name}', a model of type {settings.model_type}, which is none for semantic segmentation; "
                f"allowed: {', '.join(known)}"
            ) from None
        raise ArchError(f"arch is 'hf:{name}', which transformers refuses: {error}") from None
    backbone = getattr(whole, "backbone", None) is not None
    scored = [layer for layer in whole.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == num_classes]
    scored = [layer for layer in scored if not _is_auxiliary(whole, layer)]
    return SplitModel(whole, "backbone" if backbone else whole.base_model_prefix, scored[-1:])


def _set_channels(name: str, settings: Any, channels: int) -> None:
    places: list[Any] = [settings, getattr(settings, "backbone_config", None)]
    for place in places:
        if hasattr(place, "num_channels"):
            place.num_channels = channels
            return
    raise ArchError(
        f"arch is 'hf:{name}', whose configuration does not say num_channels, and the images have {channels} channels; "
        "choose another model, or images of three"
    )


def read_settings(name: str) -> Any:
    """The configuration, a copy. Raises ArchError."""
    from transformers.models.auto.configuration_auto import AutoConfig

    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ArchError(
            f"arch is 'hf:{name}' and no {HUB_CONFIG} of it is there, neither in a folder of that name, nor in the "
            f"Hugging Face cache, nor on the hub ({reason}); give a folder that save_pretrained wrote, or a "
            "name on the hub"
        ) from None


def find_hf_weights(name: str, init: Init, folder: Path) -> Path:
    """The folder that they lie in. Raises WeightsError."""
    from huggingface_hub import snapshot_download

    if (Path(name) / HUB_CONFIG).is_file():
        found = Path(name)
    else:
        try:
            found = Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "pytorch_model*.bin"]))
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"init is {init!r} but the weights of 'hf:{name}' are neither in a folder of that name nor in the "
                f"Hugging Face cache; downloading them failed ({error}). Save the model into a folder, or train "
                "without its weights: --set init=scratch"
            ) from None
    if not any(path for one in HUB_WEIGHTS for path in found.glob(f"{Path(one).stem}*{Path(one).suffix}")):
        raise WeightsError(
            f"init is {init!r} but {found} holds neither {' nor '.join(HUB_WEIGHTS)}; put the weights there, or train "
            "without them: --set init=scratch"
        )
    return found


def load_hf_weights(model: SplitModel, name: str, init: Init, path: Path) -> list[str]:
    """By transformers' own loader, which knows the names that published files give the tensors."""
    from transformers.models.auto.modeling_auto import AutoModelForSemanticSegmentation

    with quiet_transformers():
        loaded, report = AutoModelForSemanticSegmentation.from_pretrained(
            path, local_files_only=True, output_loading_info=True
        )
    state = loaded.state_dict()
    return model.load_whole({tensor: state[tensor] for tensor in state.keys() - report["missing_keys"]})


def hf_files(name: str) -> dict[str, bytes]:
    """What a local folder gives to a trial; of a hub name nothing, which stays what it is."""
    folder = Path(name)
    if not (folder / HUB_CONFIG).is_file():
        return {}
    found = [folder / HUB_CONFIG, *sorted(folder.glob("*.safetensors")), *sorted(folder.glob("pytorch_model*.bin"))]
    return {path.name: path.read_bytes() for path in found}


def _is_auxiliary(whole: nn.Module, layer: nn.Module) -> bool:
    auxiliary = getattr(whole, "auxiliary_head", None)
    return auxiliary is not None and any(layer is one for one in auxiliary.modules())


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """It reports the classifier that is left over, and draws a progress bar."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
