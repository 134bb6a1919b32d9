"""What can be wrong with a sweep is found here, before its first trial starts."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from segtrain.config import Dataset, TrialConfig
from segtrain.data import DATASETS
from segtrain.data.cache import open_cache
from segtrain.data.spec import SPLITS
from segtrain.models import build_model, weights
from sweeps.engine.ask.options import Options
from sweeps.engine.plan.cost import epoch_flops
from sweeps.engine.plan.resources import local_node, pick_resources

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
    hashed: set[Path] = set()
    for arch, config in {config.arch: config for config in starting if config.init == "imagenet"}.items():
        path = weights.find_or_download(arch, data_root)
        if path not in hashed:  # which three FCNs share
            weights.check_hash(path)
            hashed.add(path)
        with torch.device("meta"):
            model = build_model(config, len(DATASETS[config.dataset].classes))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
            weights.load(model, arch, data_root)


def check_data(configs: Iterable[TrialConfig], data_root: Path) -> Callable[[TrialConfig], float]:
    """Builds the image caches that the trials need, which reads every file; gives a function from the config of any
    trial on this data to the floating-point operations of one of its epochs. Raises DataError."""
    images = {}
    for name, height, width in {_data(config): None for config in configs}:
        splits = open_cache(DATASETS[name], data_root, height, width).splits
        images[name, height, width] = {split: len(splits[split]) for split in SPLITS}
    return lambda config: epoch_flops(config, images[_data(config)])


def _data(config: TrialConfig) -> tuple[Dataset, int, int]:
    return config.dataset, config.image_height, config.image_width
