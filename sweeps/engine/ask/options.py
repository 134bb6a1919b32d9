"""How a study is run. Standard library only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

ChangedData = Literal["rerun", "keep"]
"""What becomes of trials whose data have changed: all are trained again, or those that ended stay as they are."""

WandbMode = Literal["offline", "online", "disabled"]


@dataclass(frozen=True)
class Replicates:
    """The grid is trained on one seed, and of each setting what validates best there on fresh ones: on `most`, or with
    `until_decided` on as many of these as its claims need."""

    most: int
    until_decided: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a study is run: everything that changes no trial. `out` and `data_root` are absolute."""

    out: Path
    data_root: Path
    num_gpus: int | None
    gpus_per_trial: float | None
    cpus_per_trial: float
    address: str | None
    wandb: WandbMode
    strict: bool
    command: str
    changed_data: ChangedData | None = None  # None: asked for when it comes to that
    replicates: Replicates | None = None  # None: every trial of the study is compared

    @property
    def resources(self) -> tuple[int | None, float | None, float]:
        """What was asked for, as `pick_resources` takes it."""
        return self.num_gpus, self.gpus_per_trial, self.cpus_per_trial
