"""The layers of a model in the order in which an image meets them, for a picture of it: what each gives, and whose
output it takes. Run on the meta device where the model can go there: no weights, no arithmetic."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from segtrain.config import TrialConfig
from segtrain.models import build_model, set_trainable
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.operations import on_meta_or_cpu
from segtrain.models.stock.split import EncoderSlot

RESAMPLING = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate")
"""Functions that are layers, too, where a model calls them without a module: they change the size."""
IMAGE = -1
"""The input of the first layer."""


@dataclass(frozen=True)
class Layer:
    """`name` is the module's path, `shape` what it gives without the batch, (C, H, W) of maps and (L, C) of tokens.
    `trained` is None without parameters. `inputs` are the numbers of the layers whose output arrives here, through
    whatever sums, crops and concatenations lie between; IMAGE is the image."""

    name: str
    kind: str
    kernel: int | None
    stride: int | None
    shape: tuple[int, ...]
    parameters: int
    trained: bool | None
    inputs: tuple[int, ...]


def list_layers(config: TrialConfig, num_classes: int, streams: Sequence[int] = (3,)) -> list[Layer]:
    """Raises ArchError and CodeError for a model that cannot be built or run."""
    return on_meta_or_cpu(config, lambda device: _list_on(device, config, num_classes, streams))


def _list_on(device: str, config: TrialConfig, num_classes: int, streams: Sequence[int]) -> list[Layer]:
    with torch.device(device):
        model = build_model(config, num_classes, streams)
        set_trainable(model, config.freeze)
        image = torch.zeros(1, sum(streams), config.image_height, config.image_width)
    return trace(model, image)


@torch.no_grad()
def trace(model: EncoderDecoder, image: Tensor) -> list[Layer]:
    """image: (1, C, H, W). The model is left in evaluation mode."""
    model.eval()
    tracer = _Tracer(image)
    with tracer.watching(model), tracer:
        model(image)
    return tracer.layers


class _Tracer(TorchFunctionMode):
    """Every tensor that comes up carries the numbers of the layers that it was made from."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.origins: dict[int, tuple[int, ...]] = {id(image): (IMAGE,)}
        self.kept: list[Tensor] = [image]  # while a tensor lives, no other has its id
        self.inside = 0  # of a layer, whose own operations are no layers

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
        leaves = [(name, leaf) for name, leaf in leaves if not isinstance(leaf, EncoderSlot)]  # it hides the encoder
        handles = []
        for name, module in leaves:
            handles.append(module.register_forward_pre_hook(self._enter))
            handles.append(module.register_forward_hook(self._leaving(name), with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, *_: Any) -> None:
        self.inside += 1

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self.inside -= 1
            outputs = _tensors(output)
            if outputs and self.inside == 0:
                self._add(name, module, self._origins_of((args, kwargs)), outputs)

        return leave

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = _tensors(result)
        if self.inside or not outputs:
            return result
        origins = self._origins_of((args, kwargs))
        if getattr(func, "__name__", "") in RESAMPLING:
            self._add("", func, origins, outputs)
        elif origins:
            self._carry(outputs, origins)
        return result

    def _origins_of(self, values: Any) -> tuple[int, ...]:
        return tuple(sorted({origin for value in _tensors(values) for origin in self.origins.get(id(value), ())}))

    def _add(self, name: str, what: Any, origins: tuple[int, ...], outputs: list[Tensor]) -> None:
        parameters = list(what.parameters()) if isinstance(what, nn.Module) else []
        layer = Layer(
            name=name,
            kind=_kind(what),
            kernel=_first(getattr(what, "kernel_size", None)),
            stride=_first(getattr(what, "stride", None)),
            shape=tuple(outputs[0].shape[1:]),
            parameters=sum(parameter.numel() for parameter in parameters),
            trained=any(parameter.requires_grad for parameter in parameters) if parameters else None,
            inputs=origins,
        )
        self._carry(outputs, (len(self.layers),))
        self.layers.append(layer)

    def _carry(self, outputs: list[Tensor], origins: tuple[int, ...]) -> None:
        for output in outputs:
            self.origins[id(output)] = origins
            self.kept.append(output)


def _kind(what: Any) -> str:
    """The layer of torch that a module is or is derived from, else its class; of a function its name."""
    if not isinstance(what, nn.Module):
        return str(what.__name__)
    ancestors = [
        kind for kind in type(what).__mro__ if kind.__module__.startswith("torch.nn.") and kind is not nn.Module
    ]
    return next((kind.__name__ for kind in ancestors), type(what).__name__)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _first(sizes: Any) -> int | None:
    """Of kernels and strides, which are one number or one a side."""
    size = sizes[0] if isinstance(sizes, tuple) else sizes
    return size if isinstance(size, int) else None
