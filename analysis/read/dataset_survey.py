"""The files of a dataset -> how many pixels of each class they have, and what is wrong with them."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from analysis.read.stride_bounds import STRIDES, Counts, count_at_strides
from segtrain.data.cache import list_pairs
from segtrain.data.pair_files import read_pair
from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split


@dataclass(frozen=True, eq=False)
class Survey:
    """The pairs that can be used, `pixels[split]` (N, K + 1) with their count of each class and of ignored pixels, what
    labels at a stride could say of them at best, `bounds[split]` (S, K, K), and what is wrong with the others."""

    dataset: Dataset
    pairs: Mapping[Split, list[Pair]]
    pixels: Mapping[Split, Counts]
    bounds: Mapping[Split, Counts]
    problems: list[str]


def read_survey(dataset: Dataset, data_root: Path) -> Survey:
    """Reads every file of every split. Raises DataError when they cannot be listed."""
    listed = list_pairs(dataset, data_root)
    problems: list[str] = []
    pairs: dict[Split, list[Pair]] = {}
    pixels: dict[Split, Counts] = {}
    classes = len(dataset.classes)
    bounds: dict[Split, Counts] = {split: np.zeros((len(STRIDES), classes, classes), np.int64) for split in SPLITS}
    console = Console(stderr=True)
    with (
        Progress(console=console, disable=not console.is_terminal, transient=True) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        task = progress.add_task(f"reading {dataset.name}", total=sum(map(len, listed.values())))

        def count(pair: Pair) -> tuple[Counts, Counts] | DataError:
            try:
                return _count(dataset, pair)
            except DataError as error:
                return error
            finally:
                progress.advance(task)

        for split in SPLITS:
            good: list[tuple[Pair, Counts]] = []
            for pair, found in zip(listed[split], pool.map(count, listed[split]), strict=True):
                if isinstance(found, DataError):
                    problems += found.problems
                else:
                    good.append((pair, found[0]))
                    bounds[split] += found[1]
            pairs[split] = [pair for pair, _ in good]
            pixels[split] = np.array([counts for _, counts in good]).reshape(len(good), classes + 1)
    return Survey(dataset, pairs, pixels, bounds, problems)


def _count(dataset: Dataset, pair: Pair) -> tuple[Counts, Counts]:
    """(K + 1,): pixels of each class, and ignored ones; and (S, K, K), what labels at a stride could say at best."""
    _, labels, *_ = read_pair(dataset, pair)
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
    classes = len(dataset.classes)
    return np.append(counts[:classes], counts[IGNORE]), count_at_strides(labels, classes, IGNORE)
