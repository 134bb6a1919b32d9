"""`python -m analysis data --dataset roads`: looks at a dataset before anything is trained on it.

Reads every file at its own size with the function that a sweep reads it with before its first trial, and so finds what
a sweep would refuse; no cache is written, since the shares are of the pixels in the files, not of resized ones. Prints
the shares and the bad files, and writes them with pictures of samples and of one mask's classes.
Exit code 1 when there are bad files, 2 when there is no dataset to look at.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rich.console import Console
from rich.progress import Progress

from analysis import static
from analysis.table import Table, numbers, words
from segtrain.data import DATASETS
from segtrain.data.cache import download, list_pairs, read_pair
from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split
from segtrain.errors import UserError
from segtrain.records import write_atomic

SAMPLES_PER_SPLIT = 2
MAX_SIDE_PX = 512  # of a picture in a figure
BAD_FILES = "bad_files.txt"

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Survey:
    """The pairs that can be used, `pixels[split]` (N, K + 1) with their count of each class and of ignored pixels, and
    what is wrong with the others."""

    dataset: Dataset
    pairs: Mapping[Split, list[Pair]]
    pixels: Mapping[Split, Counts]
    problems: list[str]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis data", description="Samples, shares and bad files.")
    parser.add_argument("--dataset", required=True, choices=DATASETS, help="the dataset to look at")
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the datasets (%(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the report (runs/data/<dataset>)")
    parser.add_argument("--download", action="store_true", help="fetch the dataset into the data root first")
    options = parser.parse_args(arguments)
    dataset, out = DATASETS[options.dataset], options.out or Path("runs/data") / options.dataset
    try:
        if options.download:
            download(dataset, options.data_root)
        survey = read_survey(dataset, options.data_root)
        paths = write_report(survey, out)
    except (UserError, OSError) as error:
        problems = error.problems if isinstance(error, UserError) else (str(error),)
        print(*(f"analysis: {problem}" for problem in problems), sep="\n", file=sys.stderr)
        return 2
    print(class_shares(survey).markdown())
    print("Written:", *(f"  {path}" for path in paths), sep="\n")
    if survey.problems:
        print(f"\n{len(survey.problems)} bad files:", *(f"  {problem}" for problem in survey.problems), sep="\n")
    return 1 if survey.problems else 0


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


def class_shares(survey: Survey) -> Table:
    """Per class and split: its share of all pixels, ignored ones among them, and in how many images it occurs."""
    columns = [words("class", "class", [*survey.dataset.classes, "ignored"])]
    notes = []
    for split in SPLITS:
        pixels = survey.pixels[split]
        shares = pixels.sum(axis=0) / (pixels.sum() or np.nan)
        images = (pixels > 0).sum(axis=0)
        columns.append(numbers(f"{split} pixels [%]", f"{split}_pixel_share", shares.tolist(), ".2f", scale=100))
        columns.append(numbers(f"{split} images", f"{split}_images", images.tolist(), "d"))
        absent = [name for name, count in zip(survey.dataset.classes, images, strict=False) if count == 0]
        notes.append(f"{split}: {len(pixels)} images" + (f", none with {', '.join(absent)}" if absent else ""))
    title = f"{survey.dataset.name}: pixels and images of each class"
    return Table("class_shares", title, "; ".join(notes) + ".", columns)


def write_report(survey: Survey, out: Path) -> list[Path]:
    """Writes the table, the figures and, when there are any, the bad files; what does not apply any more goes."""
    out.mkdir(parents=True, exist_ok=True)
    paths = class_shares(survey).write(out)
    figures = {"samples": draw_samples(survey), "classes": draw_classes(survey)}
    for name, figure in figures.items():
        if figure is None:
            for path in out.glob(f"{name}.*"):
                path.unlink()
        else:
            paths += static.write(figure, name, out)
    if survey.problems:
        write_atomic(out / BAD_FILES, "".join(f"{problem}\n" for problem in survey.problems).encode())
        paths.append(out / BAD_FILES)
    else:
        (out / BAD_FILES).unlink(missing_ok=True)
    return paths


def draw_samples(survey: Survey) -> Figure | None:
    """Images evenly spaced over each split, their labels, and the labels over the image; ignored pixels are black in
    the labels and left bare over the image. None when no file can be used."""
    rows = [
        (split, survey.pairs[split][index])
        for split in SPLITS
        for index in np.unique(np.linspace(0, len(survey.pairs[split]) - 1, SAMPLES_PER_SPLIT).round().astype(int))
        if survey.pairs[split]
    ]
    if not rows:
        return None
    colours = np.zeros((IGNORE + 1, 3), dtype=np.uint8)
    colours[: len(survey.dataset.palette)] = survey.dataset.palette
    pictures = [_read_small(survey.dataset, pair) for _, pair in rows]
    tallest = max(image.shape[0] / image.shape[1] for image, _ in pictures)
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="#444444", linewidth=0.5, label=name)
        for name, (red, green, blue) in zip(survey.dataset.classes, survey.dataset.palette, strict=True)
    ]
    figure = Figure(figsize=(9, 3 * tallest * len(rows) + 0.4 + 0.25 * -(-len(patches) // 6)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for line, (split, pair), (image, labels) in zip(grid, rows, pictures, strict=True):
        truth = colours[labels]
        over = np.where((labels == IGNORE)[..., None], image, image // 2 + truth // 2)
        for axes, pixels in zip(line, (image, truth, over), strict=True):
            _show(axes, pixels)
        line[0].set_ylabel(split, fontsize=9)
        line[0].set_title(pair.image.name, fontsize=8)
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), frameon=False, fontsize=9)
    return figure


def draw_classes(survey: Survey) -> Figure | None:
    """The image whose mask has the most classes, and a binary picture of where each class is; None without images."""
    present = [
        ((pixels[:-1] > 0).sum(), pair)
        for split in SPLITS
        for pixels, pair in zip(survey.pixels[split], survey.pairs[split], strict=True)
    ]
    if not present:
        return None
    _, pair = max(present, key=lambda item: item[0])
    image, labels = _read_small(survey.dataset, pair)
    names = {**dict(enumerate(survey.dataset.classes)), IGNORE: "ignored"}
    columns = 5
    rows = -(-(1 + len(names)) // columns)
    figure = Figure(figsize=(10, rows * (2 * image.shape[0] / image.shape[1] + 0.3) + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    _show(grid[0, 0], image)
    grid[0, 0].set_title("image", fontsize=9)
    for axes, (label, name) in zip(list(grid.flat)[1:], names.items(), strict=False):
        where = labels == label
        _show(axes, where)
        axes.set_title(f"{name}, {100 * where.mean():.2f} %", fontsize=9)
    for axes in list(grid.flat)[1 + len(names) :]:
        axes.set_visible(False)
    figure.suptitle(f"{survey.dataset.name}: {pair.mask.name}, class by class", fontsize=11)
    return figure


def _read_small(dataset: Dataset, pair: Pair) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Image and labels with every n-th pixel, so that a figure of large files stays small."""
    image, labels = read_pair(dataset, pair)
    step = -(-max(labels.shape) // MAX_SIDE_PX)
    return np.asarray(image)[::step, ::step], labels[::step, ::step]


def _show(axes: Axes, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> None:
    """RGB, or black where False and white where True."""
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
