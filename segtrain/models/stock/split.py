"""Any model with one encoder in it, as an EncoderDecoder; its own forward stays what it is.

    EncoderSlot     takes the encoder's place in the model, so that a forward can end there, or begin there
    SplitEncoder    the model's forward up to and with its encoder
    SplitDecoder    the model's forward with features that are there already
    SplitModel      both; as a whole, the model's own forward

Deviations from the libraries: logits of another size than the image are upsampled bilinearly to it, in float32; a
batch norm that would see a single value per channel, as in the pooled branch of DeepLab with a batch of one, uses its
running statistics and leaves them as they are.

Shapes: N images, K classes, H x W pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segtrain.errors import UserError
from segtrain.models.encoder_decoder import Decoder, EncoderDecoder

AUXILIARY = "aux"
"""The key of auxiliary logits in what a model returns, as torchvision has it."""


class ArchError(UserError):
    """An architecture that was asked for cannot be built, or does not give what a segmentation model gives."""


class Reached(Exception):
    """Ends a forward behind its encoder."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = features


class EncoderSlot(nn.Module):
    """Passes calls through to the encoder, ends them there with Reached, or answers them with `features`."""

    mode: Literal["through", "encode", "decode"] = "through"
    features: Any = None

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self._body = (body,)  # in a tuple: its parameters are those of SplitEncoder

    def __getattr__(self, name: str) -> Any:
        body = self.__dict__.get("_body")
        return super().__getattr__(name) if body is None else getattr(body[0], name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer("__call__", args, kwargs)

    def forward_with_filtered_kwargs(self, *args: Any, **kwargs: Any) -> Any:
        """How transformers calls a backbone."""
        return self._answer("forward_with_filtered_kwargs", args, kwargs)

    def _answer(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.mode == "decode":
            return self.features
        features = getattr(self._body[0], method)(*args, **kwargs)
        if self.mode == "encode":
            raise Reached(features)
        return features


class SplitEncoder(nn.Module):
    """x: (N, C, H, W) -> (x, features), x padded to multiples of `stride`: what comes behind the encoder may look at
    the image again."""

    def __init__(self, whole: nn.Module, slot: EncoderSlot, body: nn.Module, stride: int) -> None:
        super().__init__()
        self.body, self.stride = body, stride
        self._rest = (whole, slot)  # in a tuple: the rest of the model is SplitDecoder's

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        whole, slot = self._rest
        x = _padded(x, self.stride)
        slot.mode = "encode"
        try:
            whole(x)
        except Reached as reached:
            return x, reached.features
        finally:
            slot.mode = "through"
        raise ArchError(f"{type(whole).__name__} never calls its encoder; call it in forward, or name it otherwise")


class NoEncoder(nn.Module):
    """Of a model whose encoder is not known: x -> (x, nothing)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return x, None


class SplitDecoder(Decoder):
    """(x, features) of its encoder, size (H, W) -> logits (N, K, H, W)."""

    def __init__(self, whole: nn.Module, slot: EncoderSlot | None, scores: Sequence[nn.Module]) -> None:
        super().__init__()
        self.whole = whole
        self._slot, self._scores = (slot,), tuple(scores)

    def score_layers(self) -> Sequence[nn.Module]:
        return self._scores

    def forward(self, features: tuple[Tensor, Any], size: tuple[int, int]) -> Tensor:
        return self.forward_with_auxiliary(features, size)[0]

    def forward_with_auxiliary(
        self, features: tuple[Tensor, Any], size: tuple[int, int]
    ) -> tuple[Tensor, list[Tensor]]:
        x, (slot,) = features[0], self._slot
        if slot is not None:
            slot.mode, slot.features = "decode", features[1]
        try:
            logits, *auxiliary = read_logits(self.whole(x), x, size)
            return logits, auxiliary
        finally:
            if slot is not None:
                slot.mode, slot.features = "through", None


class RestOnOneValue:
    """Of one batch norm: puts it into evaluation mode for a call with a single value per channel."""

    resting = False

    def before(self, layer: nn.Module, args: tuple[Tensor]) -> None:
        if layer.training and args[0].numel() == args[0].shape[1]:
            self.resting = True
            layer.eval()

    def after(self, layer: nn.Module, *_: Any) -> None:
        if self.resting:
            self.resting = False
            layer.train()


class SplitModel(EncoderDecoder):
    """`whole` with its encoder, the attribute `encoder_name`, taken out of it; None where it has none that is known.
    `scores` are its layers that give class scores. Images are padded to multiples of `stride`."""

    # A forward that is not ours may have layers in front of its encoder that learn, and may call it more than once.
    can_keep_features = False

    def __init__(
        self, whole: nn.Module, encoder_name: str | None, scores: Sequence[nn.Module], stride: int = 1
    ) -> None:
        slot: EncoderSlot | None = None
        encoder: nn.Module = NoEncoder()
        if encoder_name is not None:
            body = getattr(whole, encoder_name)
            slot = EncoderSlot(body)
            setattr(whole, encoder_name, slot)
            encoder = SplitEncoder(whole, slot, body, stride)
        super().__init__(encoder, SplitDecoder(whole, slot, scores))
        self.encoder_name, self.stride = encoder_name, stride
        for layer in self.modules():
            if isinstance(layer, _BatchNorm):
                rest = RestOnOneValue()
                layer.register_forward_pre_hook(rest.before)
                layer.register_forward_hook(rest.after, always_call=True)

    @property
    def body(self) -> Any:
        """The encoder as its library built it."""
        return self.encoder.body

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_with_auxiliary(x)[0]

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        height, width = x.shape[-2:]
        x = _padded(x, self.stride)
        assert isinstance(self.decoder, SplitDecoder)
        logits, *auxiliary = read_logits(self.decoder.whole(x), x, (height, width))
        return logits, auxiliary

    def load_whole(self, state: Mapping[str, Tensor]) -> list[str]:
        """Takes tensors under the names that they have in the model as its library builds it; gives the names of its
        own that stay new, because `state` lacks them or has them in another shape."""
        own, prefix = self.state_dict(), f"{self.encoder_name}."
        named = {
            f"encoder.body.{name.removeprefix(prefix)}" if name.startswith(prefix) else f"decoder.whole.{name}": tensor
            for name, tensor in state.items()
        }
        fitting = {name: tensor for name, tensor in named.items() if name in own and own[name].shape == tensor.shape}
        self.load_state_dict(fitting, strict=False)
        return sorted(own.keys() - fitting.keys())


def read_logits(output: Any, x: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """What a model returns for x (N, 3, H', W') -> [logits, auxiliary logits if any], (N, K, H, W) each: a tensor, a
    mapping with "out" and perhaps "aux", or an object with `logits`. Raises ArchError."""
    found: list[Any]
    if isinstance(output, Tensor):
        found = [output]
    elif isinstance(output, Mapping) and "out" in output:
        found = [output[name] for name in ("out", AUXILIARY) if name in output]
    else:
        found = [getattr(output, "logits", None)]
    for logits in found:
        # Not by len(), which an export takes for a number that is always the same.
        if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[0] != x.shape[0]:
            got = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(output).__name__
            raise ArchError(
                f"the model returns {got} for images of shape {tuple(x.shape)}; allowed: logits (N, classes, h, w), "
                "alone, as `out` of a dictionary or as an attribute `logits`"
            )
    return [_resized(logits, x, size) for logits in found]


def _padded(x: Tensor, stride: int) -> Tensor:
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % stride, 0, -height % stride)) if height % stride or width % stride else x


def _resized(logits: Tensor, x: Tensor, size: tuple[int, int]) -> Tensor:
    # In float32 whatever the precision: bfloat16 logits tie often enough to leave blocks in the argmax.
    logits = logits.float()
    if logits.shape[-2:] != x.shape[-2:]:
        logits = F.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)
    return logits[..., : size[0], : size[1]]
