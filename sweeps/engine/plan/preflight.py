"""What can be wrong with a sweep is found here, before its first trial starts."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from segtrain.config import Dataset, TrialConfig
from segtrain.data import DATASETS
from segtrain.data.cache import list_pairs, open_cache
from segtrain.data.spec import SPLITS
from sweeps.engine.ask.options import Options
from sweeps.engine.plan.cost import epoch_flops
from sweeps.engine.plan.resources import local_node, pick_resources


def check_machine(options: Options) -> None:
    """Raises OSError when the results cannot be written, and ResourceError when this machine holds no trial."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out):
            pass
    except OSError as error:
        raise OSError(
            f"--out {options.out} cannot be written to ({error.strerror}); choose a folder that can"
        ) from None
    if options.address is None:
        pick_resources([local_node()], *options.resources)


def check_weights(starting: Iterable[TrialConfig], data_root: Path) -> None:
    """Finds the pretrained weights of trials that are at their beginning. Raises WeightsError."""
    architectures = sorted({config.arch for config in starting if config.init == "imagenet"})
    if architectures:
        from segtrain.models import weights  # torch and torchvision, seconds

    for arch in architectures:
        weights.find_or_download(arch, data_root)


def find_data(configs: Iterable[TrialConfig], data_root: Path) -> None:
    """Lists the files of the datasets that the trials need, which takes no time; embedded scenes are written first
    where they are not there yet. Raises DataError."""
    for name in dict.fromkeys(config.dataset for config in configs):
        list_pairs(DATASETS[name], data_root)


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
