"""What can be wrong with a sweep is found here, before its first trial starts."""

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from segtrain import own_code, records
from segtrain.architectures import library_of
from segtrain.config import PUBLISHED, TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.data.cache import DataCache, file_size, list_pairs, open_cache, read_fingerprint
from segtrain.data.spec import RGB, SPLITS, DataError
from segtrain.errors import UserError
from segtrain.own_code import is_own_name
from segtrain.recipe import RecipeError, given_weights
from segtrain.training import operation_counts
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.cost import epoch_flops, mean_views, spread
from sweeps.engine.plan.resources import local_node, pick_resources
from sweeps.engine.say import say

LEAST_FREE_BYTES = 2**20
"""What the smallest study leaves before its first checkpoint."""


def check_machine(options: Options) -> None:
    """Raises OSError when the results cannot be written, and ResourceError when this machine holds no trial."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out) as file:
            os.posix_fallocate(file.fileno(), 0, LEAST_FREE_BYTES)
    except OSError as error:
        raise OSError(
            f"--out {options.out} cannot be written to ({error.strerror}); choose a folder that can"
        ) from None
    if options.address is None:
        pick_resources([local_node()], *options.resources)


def check_weights(starting: Iterable[TrialConfig], data_root: Path) -> None:
    """Finds the pretrained weights of trials that are at their beginning, and tries them on: the hash in the name of
    the file, the names of the tensors and their shapes. Raises WeightsError."""
    chosen = {(c.arch, c.init, c.fusion, find_dataset(c.dataset).streams): c for c in starting if c.init in PUBLISHED}
    if not chosen:
        return
    from segtrain.models import weights  # torch, which takes seconds

    for path in sorted({weights.find_or_download(arch, data_root, init) for arch, init, *_ in chosen}):
        weights.check_hash(path)
    for config in chosen.values():
        dataset = find_dataset(config.dataset)
        weights.check(config, sum(dataset.outputs), data_root, dataset.streams)


def check_models(configs: Iterable[TrialConfig], console: Console) -> None:
    """Builds every model that is not the program's own and sends one image through it; tells of trained heads that are
    not used. Raises ArchError and CodeError."""
    foreign = [config for config in configs if library_of(config.arch) is not None or config.init == "coco"]
    if not foreign:
        return
    from segtrain.models.resolve import head_note  # torch and the libraries, which take seconds
    from segtrain.models.stock.split import ArchError

    notes: dict[str | None, None] = {}
    for config in foreign:
        dataset = find_dataset(config.dataset)
        num_outputs = sum(dataset.outputs)
        try:
            operation_counts.flops_per_image(config, num_outputs, dataset.streams)
        except UserError:
            raise
        except Exception as error:
            raise ArchError(
                f"arch is {config.arch!r}, and sending one image of {config.image_height}x{config.image_width} through "
                f"it failed: {own_code.describe_error(error)}"
            ) from error
        notes[head_note(config, num_outputs)] = None
    for note in notes:
        if note is not None:
            say(console, note)


def check_starts(trials: Iterable[Trial], console: Console) -> None:
    """Holds trials that take every layer that fits against those that they start from; tells which layers stay new.
    Raises ParentError."""
    pairs: dict[tuple[Any, ...], tuple[Trial, Trial]] = {}
    for trial in trials:
        if trial.config.take == "all" and trial.start is not None:
            pairs.setdefault((*_layers(trial.config), *_layers(trial.start.config)), (trial, trial.start))
    if not pairs:
        return
    from segtrain.models import ParentError, load_parent  # torch, which takes seconds
    from segtrain.models.resolve import build_on_meta

    notes: dict[str, None] = {}
    for trial, start in pairs.values():
        known = [(c, find_dataset(c.dataset)) for c in (trial.config, start.config)]
        model, before = (build_on_meta(c, sum(data.outputs), data.streams) for c, data in known)
        try:
            new = load_parent(model, before.state_dict(), trial.config.freeze, trial.config.take)
        except ParentError as error:
            raise ParentError(f"{trial.run_name}: {error}") from None
        notes[f"{trial.run_name} takes all layers of {start.run_name}; new: {', '.join(new) or 'none'}"] = None
    for note in notes:
        say(console, note)


def _layers(config: TrialConfig) -> tuple[Any, ...]:
    """What decides the names and shapes of a model's layers, and which of them have to be taken."""
    return config.arch, config.width_mult, config.gate, config.upsampling, config.dataset, config.freeze


def check_recipes(configs: Iterable[TrialConfig]) -> None:
    """Holds weights against the classes that they are for, and tries losses and optimisers of the user's own. Raises
    RecipeError and CodeError."""
    chosen = {
        (c.loss, c.optimizer, c.class_weights, c.dataset, c.arch, c.encoder_lr_factor, c.fusion, c.color_jitter,
         c.resolution): c
        for c in configs
    }  # fmt: skip
    for config in chosen.values():
        _check_channels(config)
        _check_tasks(config)
        dataset = find_dataset(config.dataset)
        given = given_weights(config.class_weights)
        if given is not None and len(given) != len(dataset.classes):
            raise RecipeError(
                f"class_weights is {config.class_weights!r}, {len(given)} numbers, and {config.dataset} has "
                f"{len(dataset.classes)} classes; give one for each: {', '.join(dataset.classes)}"
            )
        if is_own_name(config.loss):
            from segtrain.training.objective.losses import try_own_loss  # torch, which takes seconds

            for num_classes in dataset.outputs:
                try_own_loss(config.loss, num_classes)
        if is_own_name(config.optimizer) or (config.encoder_lr_factor != 1 and library_of(config.arch) is not None):
            from segtrain.models import build_model
            from segtrain.training.objective.optimizer import build_optimizer

            build_optimizer(config, build_model(config, sum(dataset.outputs), dataset.streams))


def _check_channels(config: TrialConfig) -> None:
    dataset = find_dataset(config.dataset)
    names = ", ".join(dataset.channels.names)
    if config.fusion == "late" and len(dataset.streams) == 1:
        raise RecipeError(
            f"fusion is 'late' and the channels of {config.dataset}, {names}, are of one kind; set fusion=early, or a "
            "dataset whose images have several"
        )
    if config.color_jitter and dataset.channels.names != RGB.names:
        raise RecipeError(
            f"color_jitter is {config.color_jitter:g} and {config.dataset} has the channels {names}; it is for red, "
            "green and blue: set color_jitter=0"
        )


def _check_tasks(config: TrialConfig) -> None:
    dataset = find_dataset(config.dataset)
    if not dataset.further:
        return
    names = " and ".join([dataset.task, *(task.name for task in dataset.further)])
    if config.resolution != "resized":
        raise RecipeError(
            f"resolution is {config.resolution!r} and {config.dataset} has several tasks, {names}, which are scored at "
            "the size of the training; set resolution=resized, or a dataset with one of them"
        )
    if given_weights(config.class_weights) is not None:
        raise RecipeError(
            f"class_weights is {config.class_weights!r} and {config.dataset} has several tasks, {names}, with classes "
            "of their own; set class_weights=inverse or median, which are counted for each, or none"
        )


def keep_code(configs: Iterable[TrialConfig], folder: Path) -> None:
    """Copies own code into the folder of the study, where the workers of other machines find it."""
    own = [config for config in configs if config.own_code]
    if not own:
        return
    from segtrain.models.resolve import code_of  # torch, which takes seconds

    files = {name: content for config in own for name, content in code_of(config).items()}
    own_code.keep(files, folder / records.CODE_DIR)


def find_data(configs: Iterable[TrialConfig], data_root: Path) -> None:
    """Lists the files of the datasets that the trials need, which takes no time; embedded scenes are written first
    where they are not there yet. Raises DataError."""
    for name in dict.fromkeys(config.dataset for config in configs):
        list_pairs(find_dataset(name), data_root)


def counting(configs: Iterable[TrialConfig]) -> AbstractContextManager[Callable[[], object]]:
    """Begins to count what the models of the trials cost; gives a function that waits for it."""
    datasets = ((config, find_dataset(config.dataset)) for config in configs)
    return operation_counts.counting((config, sum(data.outputs), data.streams) for config, data in datasets)


def check_data(configs: Iterable[TrialConfig], data_root: Path) -> Callable[[TrialConfig], float]:
    """Builds the image caches that the trials need, which reads every file; gives a function from the config of any
    trial on this data to the floating-point operations of one of its epochs. Raises DataError."""
    # Kept open, so that none is evicted from this machine while the sweep runs.
    caches: dict[object, DataCache] = {}

    def cache_of(config: TrialConfig) -> DataCache:
        key = (config.dataset, config.resolution, config.image_height, config.image_width)
        if key not in caches:
            dataset = find_dataset(config.dataset)
            caches[key] = open_cache(dataset, data_root, config.image_height, config.image_width, config.resolution)
        return caches[key]

    for config in configs:
        cache_of(config)

    def flops(config: TrialConfig) -> float:
        data = cache_of(config)
        masks = data.scored["test"].masks
        views = mean_views(config, (masks[index].shape for index in spread(range(len(masks)))))
        return epoch_flops(config, {split: len(data.splits[split]) for split in SPLITS}, views)

    return flops


def listed_flops(configs: Iterable[TrialConfig], data_root: Path) -> dict[str, float]:
    """By trial id: floating-point operations of an epoch, by the list of files; none is decoded. Raises DataError."""
    configs = list(configs)
    pairs = {name: list_pairs(find_dataset(name), data_root) for name in {config.dataset for config in configs}}

    def flops(config: TrialConfig) -> float:
        listed = pairs[config.dataset]
        sizes = (file_size(find_dataset(config.dataset), pair) for pair in spread(listed["test"]))
        return epoch_flops(config, {split: len(listed[split]) for split in SPLITS}, mean_views(config, sizes))

    return {config.trial_id: flops(config) for config in configs}


def current_data(data_root: Path) -> Callable[[str], str | None]:
    """Dataset -> the fingerprint of what lies under `data_root` now; None where that cannot be read, which is told
    when a trial needs it."""

    @cache
    def current(name: str) -> str | None:
        try:
            return read_fingerprint(find_dataset(name), data_root)
        except (DataError, OSError):
            return None

    return current
