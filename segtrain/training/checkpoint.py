"""What a trial needs to go on after it was killed, and the weights it hands on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves, tree_map_only

from segtrain import records
from segtrain.config import Precision


@dataclass(kw_only=True)
class Progress:
    """How far a trial has come. With the weights and the optimiser's state this is all that `last.pt` holds after an
    epoch: data order, augmentation and dropout derive from (seed, epoch), so no generator has to be saved."""

    epoch: int = 0  # epochs finished
    best_epoch: int = 0  # 0 before the first validation
    best_mean_iou: float = 0.0
    runtime_s: float = 0.0  # spent so far, over all attempts
    precision: Precision  # resolved; a trial keeps the one it began with, on whatever machine it goes on
    threads: int  # likewise: another number adds in another order
    channels_last: bool = True  # likewise


@dataclass(kw_only=True)
class EpochPart:
    """How far the epoch after `Progress.epoch` has come: what its batches gave, and the generators of dropout."""

    loss_sums: list[Tensor]  # (tasks,) each
    pixels: list[Tensor]  # likewise
    cpu_generator: Tensor
    gpu_generator: Tensor | None  # of the trial's GPU
    confusion: Tensor | None = None  # (K, K) so far, in an epoch that is validated


class Writer:
    """Writes in a thread of its own what it is given, one after the other, while the training goes on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Waits for what was given before, and raises what that raised."""
        self.wait()
        self._writing = self._thread.submit(write)

    def wait(self) -> None:
        """Until all is on the disk. Raises what its writing raised, once."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Until what is being written has come to its end, a good one or a bad one."""
        self._thread.shutdown()


def copy_state(
    progress: Progress,
    model: nn.Module,
    optimizer: Optimizer,
    average: dict[str, Tensor] | None = None,
    part: EpochPart | None = None,
) -> dict[str, Any]:
    """What `last.pt` holds, in memory of its own: the training may go on while it is written."""
    state = {"progress": asdict(progress), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    extra = {"average": average, "part": None if part is None else vars(part)}
    copied: dict[str, Any] = tree_map_only(
        Tensor,
        lambda tensor: tensor.detach().to("cpu", copy=True),
        state | {name: value for name, value in extra.items() if value is not None},
    )
    return copied


def count_bytes(state: dict[str, Any]) -> int:
    return sum(leaf.nbytes for leaf in tree_leaves(state) if isinstance(leaf, Tensor))


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """What `best.safetensors` holds, likewise."""
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def save_last(folder: Path, state: dict[str, Any]) -> None:
    with records.atomic_file(folder / records.LAST_FILE) as file:
        torch.save(state, file)


def load_last(folder: Path) -> dict[str, Any] | None:
    """{"progress", "model", "optimizer"}, "average" where the weights are averaged, and "part" when it was saved within
    an epoch; None when the trial has saved nothing yet."""
    path = folder / records.LAST_FILE
    if not path.exists():
        return None
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def save_best(folder: Path, weights: dict[str, Tensor]) -> None:
    records.write_atomic(folder / records.BEST_FILE, safetensors.torch.save(weights))


def load_best(folder: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / records.BEST_FILE)
