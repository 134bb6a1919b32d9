"""What a trial needs to go on after it was killed, and the weights it hands on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

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


def save_last(
    folder: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: Optimizer,
    average: dict[str, Tensor] | None = None,
    part: EpochPart | None = None,
) -> None:
    state = {"progress": asdict(progress), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    extra = {"average": average, "part": None if part is None else vars(part)}
    with records.atomic_file(folder / records.LAST_FILE) as file:
        torch.save(state | {name: value for name, value in extra.items() if value is not None}, file)


def load_last(folder: Path) -> dict[str, Any] | None:
    """{"progress", "model", "optimizer"}, "average" where the weights are averaged, and "part" when it was saved within
    an epoch; None when the trial has saved nothing yet."""
    path = folder / records.LAST_FILE
    if not path.exists():
        return None
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def save_best(folder: Path, model: nn.Module) -> None:
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    records.write_atomic(folder / records.BEST_FILE, safetensors.torch.save(weights))


def load_best(folder: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / records.BEST_FILE)
