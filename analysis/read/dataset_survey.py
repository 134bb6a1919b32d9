"""The files of a dataset -> how many pixels of each class they have, and what is wrong with them."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress

from segtrain.data.cache import list_pairs, read_pair
from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Survey:
    """The pairs that can be used, `pixels[split]` (N, K + 1) with their count of each class and of ignored pixels, and
    what is wrong with the others."""

    dataset: Dataset
    pairs: Mapping[Split, list[Pair]]
    pixels: Mapping[Split, Counts]
    problems: list[str]


def read_survey(dataset: Dataset, data_root: Path) -> Survey:
    """Reads every file of every split. Raises DataError when they cannot be listed."""
    listed = list_pairs(dataset, data_root)
    problems: list[str] = []
    pairs: dict[Split, list[Pair]] = {}
    pixels: dict[Split, Counts] = {}
    console = Console(stderr=True)
    with (
        Progress(console=console, disable=not console.is_terminal, transient=True) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        task = progress.add_task(f"reading {dataset.name}", total=sum(map(len, listed.values())))

        def count(pair: Pair) -> Counts | DataError:
            try:
                return _count(dataset, pair)
            except DataError as error:
                return error
            finally:
                progress.advance(task)

        for split in SPLITS:
            found = list(zip(listed[split], pool.map(count, listed[split]), strict=True))
            problems += [problem for _, bad in found if isinstance(bad, DataError) for problem in bad.problems]
            good = [(pair, counts) for pair, counts in found if not isinstance(counts, DataError)]
            pairs[split] = [pair for pair, _ in good]
            pixels[split] = np.array([counts for _, counts in good]).reshape(len(good), len(dataset.classes) + 1)
    return Survey(dataset, pairs, pixels, problems)


def _count(dataset: Dataset, pair: Pair) -> Counts:
    """(K + 1,): pixels of each class, and ignored ones."""
    _, labels = read_pair(dataset, pair)
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
    return np.append(counts[: len(dataset.classes)], counts[IGNORE])
