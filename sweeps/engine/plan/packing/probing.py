"""Some processes that train on noise at once: how fast each is then, and what memory they leave. Remembered by the
machine, since it takes seconds."""

import json
import platform
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from threading import Timer
from typing import Any

from segtrain import own_code
from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.fields import NUMBER
from segtrain.machine.remembered import recalled, remembered
from segtrain.training.operation_counts import SHAPE, models_code
from sweeps.engine.plan.resources import local_node

FOLDER = "packing"
MEASURED_S = 2.0
LONGEST_S = 180.0
"""What has not come to its end by then does not fit."""
COMMAND = (sys.executable, "-m", "segtrain.training.probe")
KINDS = dict.fromkeys(("images_per_s", "free_share"), NUMBER)


@dataclass(frozen=True)
class Packing:
    """Trials that share a GPU, or without one the cores of the machine, and the threads of each."""

    trials: int
    threads: int
    on_gpu: bool = False


@dataclass(frozen=True)
class Measured:
    """Of trials beside one another, the slowest; the share of memory that they all leave. Both are 0 where one of them
    did not come to its end."""

    images_per_s: float
    free_share: float


def measure(config: TrialConfig, packing: Packing) -> Measured:
    """What this machine remembers, or else measures now."""
    return Measured(**remembered(FOLDER, _key(config, packing), KINDS, lambda: asdict(probe(config, packing))))


def recall(config: TrialConfig, packing: Packing) -> Measured | None:
    """Without measuring."""
    found = recalled(FOLDER, _key(config, packing), KINDS)
    return None if found is None else Measured(**found)


def shape_of(config: TrialConfig) -> tuple[Any, ...]:
    """Trials that are alike in this train at one speed, and take as much memory."""
    return (*(getattr(config, name) for name in SHAPE), config.batch_size, config.precision, config.optimizer)


def _key(config: TrialConfig, packing: Packing) -> list[Any]:
    outputs = sum(find_dataset(config.dataset).outputs)
    return [platform.node(), local_node(), models_code(), shape_of(config), outputs, asdict(packing)]


def probe(config: TrialConfig, packing: Packing) -> Measured:
    """Has as many processes begin together as the packing has trials."""
    dataset = find_dataset(config.dataset)
    asked = {
        "config": config.to_dict(),
        "num_outputs": sum(dataset.outputs),
        "streams": dataset.streams,
        "threads": packing.threads,
        "use_gpu": packing.on_gpu,
        "seconds": MEASURED_S,
        "import_path": own_code.import_path(),
    }
    with ExitStack() as stack:
        processes = [_start(stack) for _ in range(packing.trials)]
        for line in (json.dumps(asked), "go"):  # a process that dies answers with nothing
            for process in processes:
                _say(process, line)
            answers = [_hear(process) for process in processes]
    try:
        found = [json.loads(answer) for answer in answers]
        return Measured(*(min(float(each[name]) for each in found) for name in KINDS))
    except (ValueError, TypeError, KeyError):
        return Measured(0.0, 0.0)


def _start(stack: ExitStack) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,  # what a dead process does not take is not kept either
    )
    timer = Timer(LONGEST_S, process.kill)
    timer.start()
    stack.enter_context(process)
    stack.callback(process.kill)
    stack.callback(timer.cancel)
    return process


def _say(process: "subprocess.Popen[bytes]", line: str) -> None:
    assert process.stdin is not None, "it is a pipe"
    with suppress(BrokenPipeError):
        process.stdin.write(f"{line}\n".encode())


def _hear(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None, "it is a pipe"
    return process.stdout.readline()
