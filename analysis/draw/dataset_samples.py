"""A dataset's survey -> pictures of samples, and of one mask class by class."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.read.dataset_survey import Survey
from segtrain.data.pair_files import read_pair
from segtrain.data.pixels import picture
from segtrain.data.spec import IGNORE, SPLITS, Dataset, Pair

SAMPLES_PER_SPLIT = 2
MAX_SIDE_PX = 512  # of a picture in a figure


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
    image, labels, *_ = read_pair(dataset, pair)
    step = -(-max(labels.shape) // MAX_SIDE_PX)
    return np.asarray(picture(image).convert("RGB"))[::step, ::step], labels[::step, ::step]


def _show(axes: Axes, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> None:
    """RGB, or black where False and white where True."""
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
