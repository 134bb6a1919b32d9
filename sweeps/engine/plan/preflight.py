"""What can be wrong with a sweep is found here, before its first trial starts."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console

from segtrain import own_code, records
from segtrain.config import Dataset, TrialConfig, library_of
from segtrain.data import DATASETS
from segtrain.data.cache import open_cache
from segtrain.data.spec import SPLITS
from segtrain.errors import UserError
from segtrain.models import weights
from segtrain.models.operations import flops_per_image
from segtrain.models.resolve import code_of, head_note
from segtrain.models.stock.split import ArchError
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
    for arch, init in sorted({(c.arch, c.init) for c in starting if c.init in ("imagenet", "pretrained")}):
        weights.find_or_download(arch, data_root, init)


def check_models(configs: Iterable[TrialConfig], console: Console) -> None:
    """Builds every model that is not the program's own and sends one image through it; tells of trained heads that are
    not used. Raises ArchError and CodeError."""
    notes: dict[str | None, None] = {}
    for config in configs:
        if library_of(config.arch) is None:
            continue
        num_classes = len(DATASETS[config.dataset].classes)
        try:
            flops_per_image(config, num_classes)
        except UserError:
            raise
        except Exception as error:
            raise ArchError(
                f"arch is {config.arch!r}, and sending one image of {config.image_height}x{config.image_width} through "
                f"it failed: {own_code.describe_error(error)}"
            ) from error
        notes[head_note(config, num_classes)] = None
    for note in notes:
        if note is not None:
            console.print(note, markup=False, highlight=False, soft_wrap=True)


def keep_code(configs: Iterable[TrialConfig], folder: Path) -> None:
    """Copies own code into the folder of the study, where the workers of other machines find it."""
    own = sorted({config.arch for config in configs if library_of(config.arch) == "own"})
    files = {name: content for arch in own for name, content in code_of(arch).items()}
    if files:
        own_code.keep(files, folder / records.CODE_DIR)


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
