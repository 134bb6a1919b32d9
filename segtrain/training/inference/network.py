"""A model's answer to a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segtrain.data.pixels import Pixels
from segtrain.machine.device import Hardware
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training.inputs.batches import Batch, Normalisation, as_stored
from segtrain.training.inputs.features import Features


def forward(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Logits (N, K, H, W), from the features where the batch has them."""
    if batch.features is None:
        logits: Tensor = model(batch.images)
        return logits
    height, width = batch.target.shape[-2:]
    return model.decoder(batch.features, (height, width))  # type: ignore[no-any-return]


def forward_with_auxiliary(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """As `forward`, with the logits of auxiliary heads in models that have them."""
    if batch.features is None:
        assert batch.images is not None, "a batch has one or the other"
        return model.forward_with_auxiliary(batch.images)
    height, width = batch.target.shape[-2:]
    return model.decoder.forward_with_auxiliary(batch.features, (height, width))


@torch.no_grad()
def encode(model: EncoderDecoder, images: Tensor, batch_size: int, hardware: Hardware) -> Features:
    """What a frozen encoder makes of at most `batch_size` images (N, C, H, W). They are filled up to that many with the
    last of them: which kernel computes an image, and so its last bits, may depend on the size of the batch."""
    model.encoder.eval()
    whole = images[torch.arange(batch_size, device=images.device).clamp(max=len(images) - 1)]
    with autocast(hardware):
        features = model.encoder(whole.contiguous(memory_format=hardware.memory_format))
    if isinstance(features, dict):
        return {name: tensor[: len(images)] for name, tensor in features.items()}
    return [tensor[: len(images)] for tensor in features]


def by_task(scores: Tensor, outputs: Sequence[int]) -> tuple[Tensor, ...]:
    """(N, K, H, W) -> of each task its own: a model gives those of all tasks behind each other. `outputs` are the
    numbers of their classes."""
    return scores.split([*outputs], dim=1) if len(outputs) > 1 else (scores,)


@torch.inference_mode()
def class_probabilities(
    model: EncoderDecoder, images: Pixels, normalise: Normalisation, hardware: Hardware, outputs: Sequence[int] = ()
) -> Tensor:
    """images (N, h, w, C) -> (N, K, h, w) float32 on the device of the model, which is in evaluation mode. Those of
    each task add up to 1; `outputs` where there are several."""
    pixels = torch.from_numpy(as_stored(images)).to(hardware.device).permute(0, 3, 1, 2)
    with autocast(hardware):
        logits = model(normalise(pixels))
    parts = [part.softmax(1) for part in by_task(logits.float(), outputs)]
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def autocast(hardware: Hardware) -> torch.autocast:
    return torch.autocast(hardware.device.type, torch.bfloat16, enabled=hardware.precision == "bfloat16")


def keeping_casts(hardware: Hardware) -> torch.autocast:
    """What weights are cast to inside an `autocast` is kept until the end of this block, in which none may change, and
    not until that of each one within it."""
    return torch.autocast(hardware.device.type, enabled=False)
