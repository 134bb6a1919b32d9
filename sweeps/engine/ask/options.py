"""How a study is run. Standard library only."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

HUNG_AFTER = 10.0

ChangedData = Literal["rerun", "keep"]
"""What becomes of trials whose data have changed: all are trained again, or those that ended stay as they are."""

TrackerName = Literal["wandb", "tensorboard", "mlflow"]
WandbMode = Literal["offline", "online", "disabled"]
Share = Literal["cpus", "gpus"]
CodeChoice = Literal["changed=rerun", "changed=keep"]
"""What becomes of trials whose own code has changed since they were trained."""


@dataclass(frozen=True)
class Replicates:
    """The grid is trained on one seed, and of each setting what validates best there on fresh ones: on `most`, or with
    `until_decided` on as many of these as its claims need."""

    most: int
    until_decided: bool = False


@dataclass(frozen=True)
class Budget:
    """The wall time that a command may take. `text` is how it was given, `ends` of time.monotonic()."""

    text: str
    seconds: float
    ends: float

    @property
    def left_s(self) -> float:
        return max(0.0, self.ends - time.monotonic())


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
    code: CodeChoice | None = None  # likewise
    hung_after: float = HUNG_AFTER  # times the expected time without an epoch; 0: never
    replicates: Replicates | None = None  # None: every trial of the study is compared
    track: tuple[TrackerName, ...] = ("wandb",)
    mirror: str | None = None  # address of an object store
    notify: str | None = None  # a command line, without a shell
    from_mirror: bool = False  # what it holds comes here before anything is planned
    budget: Budget | None = None
    measured: tuple[Share, ...] = ()  # shares of a trial that were not given, but are to be measured
    all_cores: frozenset[str] = frozenset()  # ids of trials that are to have all cores of a machine
    extendable: bool = False  # finished trials keep what one of more epochs goes on from
    memory_per_trial: float | None = None  # GiB
    gpu_type: str | None = None

    @property
    def resources(self) -> tuple[int | None, float | None, float, float | None, str | None]:
        """What was asked for, as `pick_resources` takes it."""
        return self.num_gpus, self.gpus_per_trial, self.cpus_per_trial, self.memory_per_trial, self.gpu_type
