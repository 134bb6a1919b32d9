"""A trial in memory, as it is at its beginning or was when its last checkpoint was written."""

import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
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
    release_freed_memory,
    release_memory,
)
from segtrain.models import build_model, load_parent, set_trainable
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.models.resolve import code_of, head_note
from segtrain.training import checkpoint
from segtrain.training.checkpoint import EpochPart, Progress, Writer
from segtrain.training.continuation import read_origin
from segtrain.training.data_file import write_data_file
from segtrain.training.evaluation import Evaluation, evaluate
from segtrain.training.examples import save_training_examples
from segtrain.training.inference.network import encode
from segtrain.training.inference.predictions import FileInputs, Judged, RestoredInputs
from segtrain.training.inputs.batches import Inputs
from segtrain.training.inputs.features import Features, kinds_to_keep, open_features
from segtrain.training.inputs.random_views import RandomViews
from segtrain.training.model_file import write_model_file
from segtrain.training.objective.losses import Loss, build_loss
from segtrain.training.objective.optimizer import AveragedWeights, build_optimizer
from segtrain.training.operation_counts import flops_per_image, layers_of

WRITTEN_ONCE = (records.MODEL_FILE, records.NETWORK_FILE, records.DATA_FILE, records.EXAMPLES_DIR)
"""A folder that was begun by an earlier version may lack one of them."""
SMALL_BYTES = 2**24
"""A checkpoint of less is waited for, which takes no time: an epoch that was told of is then on the disk."""


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
    best: dict[str, Tensor] | None = None  # weights that are the best so far, and not written yet
    writer: Writer = field(default_factory=Writer)

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
        """Writes a checkpoint while the training goes on; before it, the best weights that it counts on."""
        average = None if self.average is None else self.average.state
        state = checkpoint.copy_state(self.progress, self.model, self.optimizer, average, part)
        best, self.best = self.best, None

        def write() -> None:
            if best is not None:
                checkpoint.save_best(self.folder, best)
            checkpoint.save_last(self.folder, state)

        self.writer.start(write)
        if checkpoint.count_bytes(state) < SMALL_BYTES:
            self.writer.wait()

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
    _remove_strays(folder)
    last = checkpoint.load_last(folder)
    progress = Progress(**last["progress"]) if last is not None else None
    hardware = _prepare_hardware(config, threads, use_gpu, progress)
    data = _open_data(config, folder, data_root, resumed=last is not None)
    model, new_layers = _build_model(config, folder, data_root, resumed=last is not None)
    model.to(hardware.device).to(memory_format=hardware.memory_format)
    optimizer = build_optimizer(config, model)
    average = AveragedWeights(model, config.ema_decay) if config.ema_decay else None
    if last is None:
        records.write_json(folder / records.CONFIG_FILE, config.to_dict())
    else:
        _load(last, model, optimizer, average)
    training, inputs = prepare_inputs(config, model, data, hardware)
    release_freed_memory()  # what only the beginning took, such as features that were computed
    before = records.read_status(folder)
    run = Run(
        config=config,
        folder=folder,
        data=data,
        hardware=hardware,
        model=model,
        optimizer=optimizer,
        progress=progress or _beginning(hardware),
        attempts=1 + (before.attempts if before else 0),
        training=training,
        inputs=inputs,
        losses=_build_losses(config, data, hardware),
        average=average,
        part=EpochPart(**last["part"]) if last is not None and "part" in last else None,
    )
    records.truncate_metrics(folder, run.progress.epoch)
    _describe(run, new_layers, resumed=last is not None)
    run.write_status("running")
    return run


def _remove_strays(folder: Path) -> None:
    """What a process that was killed was just writing."""
    written = [folder, *folder.glob(f"{records.TASKS_DIR}/*")]
    written += [place / kind for place in written for kind in (records.PANELS_DIR, records.EXAMPLES_DIR)]
    for place in written:
        for stray in place.glob(f".*{records.TEMPORARY_SUFFIX}"):
            stray.unlink(missing_ok=True)


def _prepare_hardware(config: TrialConfig, threads: int | None, use_gpu: bool, kept: Progress | None) -> Hardware:
    """Sets this process up for the trial; one that goes on keeps what its last bits depend on."""
    hardware = pick_hardware(config.precision, threads, use_gpu)
    if kept is not None:
        hardware = Hardware(hardware.device, kept.precision, kept.threads, kept.channels_last)
    make_deterministic(hardware)
    keep_freed_memory()
    release_memory(hardware.device)
    return hardware


def _beginning(hardware: Hardware) -> Progress:
    return Progress(precision=hardware.precision, threads=hardware.threads, channels_last=hardware.channels_last)


def _open_data(config: TrialConfig, folder: Path, data_root: Path, *, resumed: bool) -> DataCache:
    """Raises DataError where a trial that goes on would do so on other data."""
    dataset = find_dataset(config.dataset)
    data = open_cache(dataset, data_root, config.image_height, config.image_width, config.resolution)
    made_from = records.read_data_fingerprint(folder)
    if resumed and made_from not in (data.fingerprint, None):
        raise DataError(
            f"{folder} was begun on other data (fingerprint {made_from}) than lie in {data_root} here and now "
            f"({data.fingerprint}); restore them, or delete the folder to train the trial again"
        )
    return data


def _build_model(
    config: TrialConfig, folder: Path, data_root: Path, *, resumed: bool
) -> tuple[EncoderDecoder, list[str] | None]:
    """The model before its first step, and which of its layers are new where it took all that fit of its parent. One
    that goes on is about to get its own weights, so no others are looked for."""
    dataset = find_dataset(config.dataset)
    torch.manual_seed(config.seed)
    num_outputs = sum(dataset.outputs)
    model = build_model(config, num_outputs, dataset.streams)
    new_layers = records.read_new_layers(folder) if resumed else None
    if not resumed and config.init in PUBLISHED:
        from segtrain.models import weights  # torchvision, which takes seconds

        weights.start_from(model, config, num_outputs, data_root, dataset.streams)
    elif not resumed and config.parent is not None:
        new_layers = load_parent(model, checkpoint.load_best(folder.parent / config.parent), config.freeze, config.take)
    set_trainable(model, config.freeze)
    return model, new_layers


def _load(
    last: Mapping[str, Any], model: EncoderDecoder, optimizer: Optimizer, average: AveragedWeights | None
) -> None:
    model.load_state_dict(last["model"])
    optimizer.load_state_dict(last["optimizer"])
    if average is not None:
        average.load(last["average"])


def _build_losses(config: TrialConfig, data: DataCache, hardware: Hardware) -> list[Loss] | None:
    if (config.loss, config.class_weights, config.label_smoothing) == ("cross_entropy", "none", 0):
        return None
    masks = (data.splits["train"].masks, *data.splits["train"].further)
    outputs = find_dataset(config.dataset).outputs
    return [
        build_loss(config, of_task, classes, hardware.device) for of_task, classes in zip(masks, outputs, strict=True)
    ]


def _describe(run: Run, new_layers: list[str] | None, *, resumed: bool) -> None:
    """Writes what the folder says of its trial but for how it goes. Another start may be on another machine; all else
    follows from recipe and data, and is written once."""
    config, folder, data, dataset = run.config, run.folder, run.data, find_dataset(run.config.dataset)
    num_outputs = sum(dataset.outputs)
    _, flops = flops_per_image(config, num_outputs, dataset.streams)
    described = environment.describe(run.hardware, data.fingerprint, run.model, flops)
    if config.take == "all":
        described[records.NEW_LAYERS_KEY] = new_layers
    if resumed:
        described |= read_origin(folder)
    if dataset.task:
        described[records.TASK_KEY] = dataset.task
    described |= keep_code(config, num_outputs, folder, resumed)
    records.write_json(folder / records.ENV_FILE, described)
    if resumed and all((folder / name).exists() for name in WRITTEN_ONCE):
        return
    write_model_file(folder, dataset)
    layers = layers_of(config, num_outputs, dataset.streams)
    records.write_json(folder / records.NETWORK_FILE, {"layers": layers})
    write_data_file(folder, config, dataset, data)
    save_training_examples(folder, data.splits["train"], dataset)


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

    encoder = functools.partial(encode, model, batch_size=config.batch_size, hardware=hardware)

    def encode_rows(split: Split, rows: npt.NDArray[np.int64], flip: bool) -> Features:
        images_of = images[split].batch(rows, np.full(len(rows), flip)).images
        assert images_of is not None, "no features yet"
        return encoder(images_of)

    kinds = None if config.augmented else kinds_to_keep(config, model, encode_rows)
    if kinds is not None:
        kept = open_features(config, model, data, hardware, kinds, encode_rows)
        images = {
            split: Inputs(data.splits[split], hardware, encode=encoder)
            if kept is None
            else Inputs(data.splits[split], hardware, kept[split])
            for split in SPLITS
        }
    training = RandomViews(data.splits["train"], hardware) if config.augmented else images["train"]
    if config.resolution == "restored":
        return training, {split: RestoredInputs(images[split], data.scored[split]) for split in judged}
    return training, images
