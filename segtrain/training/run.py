"""A trial in memory, as it is at its beginning or was when its last checkpoint was written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.cache import DataCache, SplitArrays, open_cache
from segtrain.machine import environment
from segtrain.machine.device import Hardware, make_deterministic, pick_hardware
from segtrain.models import build_model, load_parent, set_trainable, weights
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.operations import flops_per_image
from segtrain.models.resolve import code_of, head_note
from segtrain.training import checkpoint
from segtrain.training.checkpoint import Progress
from segtrain.training.evaluation import (
    Evaluation,
    evaluate,
)
from segtrain.training.optimizer import build_optimizer


@dataclass
class Run:
    """A trial in memory."""

    config: TrialConfig
    folder: Path
    data: DataCache
    hardware: Hardware
    model: EncoderDecoder
    optimizer: AdamW
    progress: Progress
    attempts: int

    def evaluate(self, arrays: SplitArrays) -> Evaluation:
        num_classes = len(DATASETS[self.config.dataset].classes)
        return evaluate(self.model, arrays, num_classes, self.config.batch_size, self.hardware)

    def write_status(self, state: records.State, reason: str | None = None, step: int | None = None) -> None:
        status = records.Status(
            state=state,
            epoch=self.progress.epoch,
            epochs=self.config.epochs,
            runtime_s=self.progress.runtime_s,
            reason=reason,
            step=step,
            attempts=self.attempts,
        )
        records.write_status(self.folder, status)


def start_or_resume(
    config: TrialConfig, folder: Path, data_root: Path, threads: int | None, use_gpu: bool = True
) -> Run:
    """Builds the trial as it was when `last.pt` was written, or at its beginning."""
    for written in (folder, folder / records.PANELS_DIR):
        for stray in written.glob(f".*{records.TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)
    hardware = pick_hardware(config.precision, threads, use_gpu)
    last = checkpoint.load_last(folder)
    if last is not None:
        kept = Progress(**last["progress"])
        hardware = Hardware(hardware.device, kept.precision, kept.threads)
    make_deterministic(hardware)
    if hardware.device.type == "cuda":
        torch.cuda.empty_cache()  # of the trial before, in a process that runs several; a neighbour may need it

    dataset = DATASETS[config.dataset]
    data = open_cache(dataset, data_root, config.image_height, config.image_width)
    torch.manual_seed(config.seed)
    model = build_model(config, len(dataset.classes))
    if last is None and config.init in ("imagenet", "pretrained"):
        weights.load(model, config.arch, data_root, config.init)
    elif last is None and config.parent is not None:
        load_parent(model, checkpoint.load_best(folder.parent / config.parent), config.freeze)
    set_trainable(model, config.freeze)
    model.to(hardware.device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, model)
    if last is None:
        progress = Progress(precision=hardware.precision, threads=hardware.threads)
        records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    else:
        progress = kept
        model.load_state_dict(last["model"])
        optimizer.load_state_dict(last["optimizer"])
    records.truncate_metrics(folder, progress.epoch)
    before = records.read_status(folder)
    attempts = 1 + (before.attempts if before else 0)
    run = Run(config, folder, data, hardware, model, optimizer, progress, attempts)
    _, flops = flops_per_image(config, len(dataset.classes))
    described = environment.describe(hardware, data.fingerprint, model, flops)
    records.write_json(
        folder / records.ENV_FILE, described | keep_code(config, len(dataset.classes), folder, last is not None)
    )
    run.write_status("running")
    return run


def keep_code(config: TrialConfig, num_classes: int, folder: Path, resumed: bool) -> dict[str, Any]:
    """Copies the code that makes the model into the trial's folder; gives what env.json says of it. Nothing for a model
    of the program."""
    files, note = code_of(config.arch), head_note(config, num_classes)
    kept: dict[str, Any] = {"head": note} if note else {}
    if files:
        before = records.read_code(folder) if resumed else None
        own_code.keep(files, folder / records.CODE_DIR)
        digest = own_code.digest(files)
        # Of a trial that went on with changed code: what its first epochs were trained with.
        earlier = [] if before is None else [*before["earlier"], *[before["sha256"]] * (before["sha256"] != digest)]
        kept[records.CODE_KEY] = {"sha256": digest, "files": sorted(files), "earlier": earlier}
    return kept
