"""The epochs of a trial as they come."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.read.counted_classes import counted_of
from analysis.read.gathering.sweep_state import is_locked
from segtrain import records

POLL_S = 0.5
NUMBERS = (records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU, records.LR, records.EPOCH_S)


def follow(folder: Path, last: int, wait: bool) -> Iterator[dict[str, Any]]:
    """The last lines of metrics.jsonl, at most `last`, and with `wait` those that come while a process trains the
    trial. An epoch that is trained again after a kill comes again. Raises RecordError."""
    told: list[dict[str, Any]] = []
    while True:
        running = is_locked(folder)  # before the lines are read: what it wrote at its end is in them
        lines = records.read_metrics(folder)
        known = len(told) if lines[: len(told)] == told else _common(lines, told)
        yield from lines[known:] if told else lines[-last:]
        told = lines
        if not wait or not running:
            return
        time.sleep(POLL_S)


def _common(lines: list[dict[str, Any]], told: list[dict[str, Any]]) -> int:
    pairs = zip(lines, told, strict=False)
    return next((number for number, (new, old) in enumerate(pairs) if new != old), min(len(lines), len(told)))


def how_it_stands(folder: Path) -> str:
    """Its state, `interrupted` when it is half done and nobody trains it, and why. Raises RecordError."""
    status = records.read_status(folder)
    if status is None:
        return "has not begun"
    if status.state == "running" and not is_locked(folder):
        return "interrupted"
    return status.state + (f": {' '.join(status.reason.split())}" if status.reason else "")


def line_text(line: dict[str, Any], epochs: int) -> str:
    """`epoch  3/10  train/loss 0.812  val/mean_iou 0.3127 (12 of 13)  ...`; what was not measured is left out."""
    few = counted_of(line.get(records.VAL_IOU))
    marks = {records.VAL_MEAN_IOU: f" ({few})" if few else ""}
    numbers = [f"{name} {line[name]:.4g}{marks.get(name, '')}" for name in NUMBERS if line.get(name) is not None]
    return "  ".join([f"epoch {line[records.EPOCH]:>{len(str(epochs))}}/{epochs}", *numbers])


def line_json(line: dict[str, Any]) -> str:
    return json.dumps(line)
