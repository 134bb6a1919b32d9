"""A trial in memory, as it is at its beginning or was when its last checkpoint was written."""

import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.optim import Optimizer

from segtrain import own_code, records
from segtrain.config import PUBLISHED, TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.cache import DataCache, open_cache
from segtrain.data.spec import SPLITS, DataError, Split
from segtrain.machine import environment
from segtrain.machine.device import (
    Hardware,
    keep_freed_memory,
    make_deterministic,
    pick_hardware,
    release_memory,
)
from segtrain.models import build_model, load_parent, set_trainable
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.resolve import code_of, head_note
from segtrain.training import checkpoint
from segtrain.training.checkpoint import EpochPart, Progress
from segtrain.training.continuation import read_origin
from segtrain.training.data_file import write_data_file
from segtrain.training.evaluation import Evaluation, evaluate
from segtrain.training.examples import save_training_examples
from segtrain.training.inference.network import autocast
from segtrain.training.inference.predictions import FileInputs, Judged, RestoredInputs
from segtrain.training.inputs.batches import Inputs
from segtrain.training.inputs.features import Features, open_features
from segtrain.training.inputs.random_views import RandomViews
from segtrain.training.model_file import write_model_file
from segtrain.training.objective.losses import Loss, build_loss
from segtrain.training.objective.optimizer import AveragedWeights, build_optimizer
from segtrain.training.operation_counts import flops_per_image, layers_of


@dataclass
class Run:
    """A trial in memory."""

    config: TrialConfig
    folder: Path
    data: DataCache
    hardware: Hardware
    model: EncoderDecoder
    optimizer: Optimizer
    progress: Progress
    attempts: int
    training: Inputs | RandomViews
    inputs: Mapping[Split, Judged]  # of the splits that are evaluated
    losses: list[Loss] | None  # of each task; None: the plain cross-entropy, which is recorded in any case
    average: AveragedWeights | None
    part: EpochPart | None = None  # of the next epoch, when it was under way

    @functools.cached_property
    def outputs(self) -> tuple[int, ...]:
        """The number of classes of each task."""
        return find_dataset(self.config.dataset).outputs

    @functools.cached_property
    def tasks(self) -> tuple[str, ...]:
        """As records call them."""
        return ("", *(task.name for task in find_dataset(self.config.dataset).further))

    def judged_weights(self) -> AbstractContextManager[None]:
        """The model has the weights that validation judges, until the end of the block."""
        return nullcontext() if self.average is None else self.average.in_place_of(self.model)

    def save_last(self, part: EpochPart | None = None) -> None:
        average = None if self.average is None else self.average.state
        checkpoint.save_last(self.folder, self.progress, self.model, self.optimizer, average, part)

    def evaluate(self, split: Split) -> list[Evaluation]:
        """One a task."""
        return evaluate(self.model, self.inputs[split], self.outputs, self.config.batch_size, self.hardware)

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
    written = [folder, *folder.glob(f"{records.TASKS_DIR}/*")]
    written += [place / kind for place in written for kind in (records.PANELS_DIR, records.EXAMPLES_DIR)]
    for place in written:
        for stray in place.glob(f".*{records.TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)
    hardware = pick_hardware(config.precision, threads, use_gpu)
    last = checkpoint.load_last(folder)
    if last is not None:
        kept = Progress(**last["progress"])
        hardware = Hardware(hardware.device, kept.precision, kept.threads, kept.channels_last)
    make_deterministic(hardware)
    keep_freed_memory()
    release_memory(hardware.device)

    dataset = find_dataset(config.dataset)
    data = open_cache(dataset, data_root, config.image_height, config.image_width, config.resolution)
    made_from = records.read_data_fingerprint(folder)
    if last is not None and made_from not in (data.fingerprint, None):
        raise DataError(
            f"{folder} was begun on other data (fingerprint {made_from}) than lie in {data_root} here and now "
            f"({data.fingerprint}); restore them, or delete the folder to train the trial again"
        )
    torch.manual_seed(config.seed)
    num_outputs = sum(dataset.outputs)
    model = build_model(config, num_outputs, dataset.streams)
    new_layers = records.read_new_layers(folder) if last is not None else None
    if last is None and config.init in PUBLISHED:
        from segtrain.models import weights  # torchvision, which takes seconds

        weights.start_from(model, config, num_outputs, data_root, dataset.streams)
    elif last is None and config.parent is not None:
        new_layers = load_parent(model, checkpoint.load_best(folder.parent / config.parent), config.freeze, config.take)
    set_trainable(model, config.freeze)
    model.to(hardware.device).to(memory_format=hardware.memory_format)
    optimizer = build_optimizer(config, model)
    if last is None:
        progress = Progress(
            precision=hardware.precision, threads=hardware.threads, channels_last=hardware.channels_last
        )
        records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    else:
        progress = kept
        model.load_state_dict(last["model"])
        optimizer.load_state_dict(last["optimizer"])
    average = AveragedWeights(model, config.ema_decay) if config.ema_decay else None
    if average is not None and last is not None:
        average.load(last["average"])
    records.truncate_metrics(folder, progress.epoch)
    before = records.read_status(folder)
    attempts = 1 + (before.attempts if before else 0)
    training, inputs = prepare_inputs(config, model, data, hardware)
    losses = None
    if (config.loss, config.class_weights, config.label_smoothing) != ("cross_entropy", "none", 0):
        masks = (data.splits["train"].masks, *data.splits["train"].further)
        losses = [
            build_loss(config, of_task, num_classes, hardware.device)
            for of_task, num_classes in zip(masks, dataset.outputs, strict=True)
        ]
    part = EpochPart(**last["part"]) if last is not None and "part" in last else None
    run = Run(
        config, folder, data, hardware, model, optimizer, progress, attempts, training, inputs, losses, average, part
    )
    _, flops = flops_per_image(config, num_outputs, dataset.streams)
    described = environment.describe(hardware, data.fingerprint, model, flops)
    if config.take == "all":
        described[records.NEW_LAYERS_KEY] = new_layers
    if last is not None:
        described |= read_origin(folder)
    if dataset.task:
        described[records.TASK_KEY] = dataset.task
    records.write_json(folder / records.ENV_FILE, described | keep_code(config, num_outputs, folder, last is not None))
    write_model_file(folder, dataset)
    layers = layers_of(config, num_outputs, dataset.streams)
    records.write_json(folder / records.NETWORK_FILE, {"layers": layers})
    write_data_file(folder, config, dataset, data)
    save_training_examples(folder, data.splits["train"], dataset)
    run.write_status("running")
    return run


def keep_code(config: TrialConfig, num_classes: int, folder: Path, resumed: bool) -> dict[str, Any]:
    """Copies code of the user's own into the trial's folder; gives what env.json says of it."""
    files, note = code_of(config), head_note(config, num_classes)
    kept: dict[str, Any] = {"head": note} if note else {}
    if files:
        before = records.read_code(folder) if resumed else None
        own_code.keep(files, folder / records.CODE_DIR)
        digest = own_code.digest(files)
        # Of a trial that went on with changed code: what its first epochs were trained with.
        earlier = [] if before is None else [*before["earlier"], *[before["sha256"]] * (before["sha256"] != digest)]
        kept[records.CODE_KEY] = {"sha256": digest, "files": sorted(files), "earlier": earlier}
    return kept


def prepare_inputs(
    config: TrialConfig, model: EncoderDecoder, data: DataCache, hardware: Hardware
) -> tuple[Inputs | RandomViews, Mapping[Split, Judged]]:
    """What the model is trained on, and the splits that it is evaluated on: images, or what its frozen encoder makes of
    them."""
    judged: tuple[Split, ...] = ("val", "test")
    if config.resolution == "own":
        files = {split: FileInputs(data.scored[split], config) for split in judged}
        return RandomViews(data.splits["train"], hardware), files
    images = {split: Inputs(data.splits[split], hardware) for split in (judged if config.augmented else SPLITS)}

    @torch.no_grad()
    def encode(split: Split, rows: npt.NDArray[np.int64], flip: bool) -> Features:
        batch = images[split].batch(rows, np.full(len(rows), flip))
        model.eval()
        with autocast(hardware):
            features: Features = model.encoder(batch.images)
        return features

    features = None if config.augmented else open_features(config, model, data, hardware, encode)
    if features is not None:
        images = {split: Inputs(data.splits[split], hardware, features[split]) for split in SPLITS}
    training = RandomViews(data.splits["train"], hardware) if config.augmented else images["train"]
    if config.resolution == "restored":
        return training, {split: RestoredInputs(images[split], data.scored[split]) for split in judged}
    return training, images
