"""Test images side by side: image, truth, and the predictions of each model, frozen and fine-tuned, with what differs
marked."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from analysis.read.arrays import read_picture
from analysis.read.frames import Study
from analysis.read.trial_files.task_folders import task_folders
from analysis.statistics import cells as cells_of
from segtrain.records import (
    PANEL_COUNT,
    PANEL_KINDS,
    PANELS_DIR,
    TASKS_DIR,
    RecordError,
    panel_file,
    read_test_scores,
)

IGNORED = 255
TITLE_WIDTH = 28  # characters above a picture; a setting of many fields is longer
_FADE = 0.7  # how far towards white a right pixel goes, so that a wrong one stands out on any palette
_WRONG = ((0, 0, 0), (255, 0, 0), (255, 0, 255), (0, 0, 255), (255, 120, 0), (0, 200, 255))
"""Colours of wrong pixels to choose from."""

Pixels = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]
RGB = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Panels:
    """`cells[row, title]` is an (H, W, 3) uint8 picture, absent where it could not be read; `marked[row, title]` is a
    prediction with its wrong pixels in `wrong_colour` on the faded rest, `wrong[row, title]` their share of those
    that count, and `iou[row, title]` the mean IoU of that image alone. `rows` are the numbers of the test images,
    `titles` the columns, `legend` is (class name, RGB in [0, 1]), `problems` names what is absent."""

    rows: list[int]
    titles: list[str]
    cells: dict[tuple[int, str], Pixels]
    marked: dict[tuple[int, str], Pixels]
    wrong: dict[tuple[int, str], float]
    iou: dict[tuple[int, str], float]
    legend: list[tuple[str, Colour]]
    wrong_colour: RGB
    problems: list[str]


def read_panels(study: Study, task: str | None = None) -> Panels | None:
    """The pictures of up to PANEL_COUNT test images, of the models that know the `task`, or the first one of the first
    model; None when none of them has any.

    Image and truth are those of the first model that has them. A model whose truth of an image is another one was
    tested on other data: its prediction is left out and named in `problems`.
    """
    places = {m["trial_id"]: task_folders(study, m["trial_id"]) for m in cells_of.shown(study).to_dict("records")}
    if task is None:
        task = next((first for folders in places.values() for first in folders), "")
    models = [m for m in cells_of.shown(study).to_dict("records") if task in places[m["trial_id"]]]
    folders = {f"{m['name']}\n{m['setting_name']}": places[m["trial_id"]][task] / PANELS_DIR for m in models}
    cells: dict[tuple[int, str], Pixels] = {}
    marked: dict[tuple[int, str], Pixels] = {}
    wrong: dict[tuple[int, str], float] = {}
    iou: dict[tuple[int, str], float] = {}
    truths: dict[int, Pixels] = {}
    predicted: dict[tuple[int, str], Pixels] = {}
    palette: list[int] = []
    problems = []
    for row in range(PANEL_COUNT):
        if not any((folder / panel_file(row, "image")).exists() for folder in folders.values()):
            continue
        for title, folder in folders.items():
            try:
                image, truth, prediction = (_open(folder / panel_file(row, kind)) for kind in PANEL_KINDS)
                ids, labels = np.asarray(truth), np.asarray(prediction)
                if not np.array_equal(truths.setdefault(row, ids), ids) or labels.shape != ids.shape:
                    raise RecordError(f"{folder / panel_file(row, 'truth')} is not the truth that other models have")
            except RecordError as error:
                problems.append(str(error))
                continue
            palette = palette or truth.getpalette() or []
            for name, picture in (("image", image), ("truth", truth), (title, prediction)):
                cells.setdefault((row, name), np.asarray(picture.convert("RGB")))
            predicted[row, title] = labels
    if not cells:
        return None
    names = _class_names(study, models[0]["trial_id"], places[models[0]["trial_id"]][task])
    if any((truth == IGNORED).any() for truth in truths.values()):
        names[IGNORED] = "ignored"
    legend = legend_entries(names, palette)
    colour = furthest(_WRONG, [[255 * value for value in shown] for _, shown in legend])
    for (row, title), labels in predicted.items():
        marked[row, title], wrong[row, title] = mark(cells[row, title], labels, truths[row], colour)
        iou[row, title] = image_iou(labels, truths[row])
    titles = ["image", "truth", *folders]
    return Panels(sorted(truths), titles, cells, marked, wrong, iou, legend, colour, problems)


def read_further(study: Study) -> dict[str, Panels]:
    """The pictures of the tasks that `read_panels` leaves out, by the tasks' names."""
    shown = cells_of.shown(study)["trial_id"]
    tasks = list(dict.fromkeys(task for trial_id in shown for task in task_folders(study, trial_id)))
    found = {task: read_panels(study, task) for task in tasks[1:]}
    return {task: pictures for task, pictures in found.items() if pictures is not None}


def _class_names(study: Study, trial_id: str, folder: Path) -> dict[int, str]:
    if folder.parent.name == TASKS_DIR:
        return dict(enumerate(read_test_scores(folder).classes))
    classes = study.classes[study.classes["trial_id"] == trial_id]
    return dict(zip(classes["class_index"], classes["class_name"], strict=True))


def image_iou(prediction: Pixels, truth: Pixels) -> float:
    """(H, W) ids each -> the mean IoU of the classes that either has in this image, NaN when all is ignored."""
    counted = truth != IGNORED
    pairs = 256 * truth[counted].astype(np.intp) + prediction[counted]
    confusion = np.bincount(pairs, minlength=256 * 256).reshape(256, 256)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return float((hits[union > 0] / union[union > 0]).mean()) if union.any() else float("nan")


def furthest(candidates: Sequence[RGB], taken: Sequence[Sequence[float]]) -> RGB:
    """The candidate whose nearest colour of those `taken` is the furthest away; 0..255 each."""
    return max(candidates, key=lambda colour: min((math.dist(colour, other) for other in taken), default=0.0))


def mark(picture: Pixels, prediction: Pixels, truth: Pixels, colour: RGB) -> tuple[Pixels, float]:
    """`picture` (H, W, 3) of `prediction` (H, W) with the pixels that differ from `truth` in `colour` and the others
    faded, and the share of those that differ; NaN when all are ignored. An ignored pixel does not differ."""
    counted = truth != IGNORED
    differs = (prediction != truth) & counted
    faded = (picture + _FADE * (255.0 - picture)).round().astype(np.uint8)
    faded[differs] = colour
    return faded, float(differs.sum() / counted.sum()) if counted.any() else float("nan")


def _open(path: Path) -> Image.Image:
    """Raises RecordError when the picture is absent or torn, or should hold class ids and does not."""
    picture = read_picture(path)
    if picture.mode != "P" and not path.name.endswith("_image.png"):
        raise RecordError(f"{path} is of mode {picture.mode!r}; expected a palette picture ('P') of class ids")
    return picture


def legend_entries(names: Mapping[int, str], palette: Sequence[int]) -> list[tuple[str, Colour]]:
    """(class name, RGB in [0, 1]) of each class that the flat 0..255 `palette` has a colour for."""
    entries: list[tuple[str, Colour]] = []
    for index, name in names.items():
        if 3 * index + 2 < len(palette):
            red, green, blue = (value / 255 for value in palette[3 * index : 3 * index + 3])
            entries.append((name, (red, green, blue)))
    return entries


def draw_panels(panels: Panels, *, marked: bool = False) -> Figure:
    """One row per test image, one column per title; a picture that is absent is an empty frame that says so."""
    cells = panels.cells | panels.marked if marked else panels.cells
    height, width, _ = next(iter(panels.cells.values())).shape
    inches = 2.3
    legend_rows = -(-len(panels.legend) // 6)
    size = (inches * len(panels.titles) + 0.4, inches * height / width * len(panels.rows) + 0.8 + 0.25 * legend_rows)
    figure = Figure(figsize=size, layout="constrained")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[call-arg]
    grid = figure.subplots(len(panels.rows), len(panels.titles), squeeze=False)
    for line, row in zip(grid, panels.rows, strict=True):
        for axes, title in zip(line, panels.titles, strict=True):
            _draw_cell(axes, cells.get((row, title)), (width, height))
            if row == panels.rows[0]:
                axes.set_title("\n".join(textwrap.fill(line, TITLE_WIDTH) for line in title.splitlines()), fontsize=10)
        line[0].set_ylabel(f"test {row}", fontsize=9)
    patches = [Patch(facecolor=colour, edgecolor="#444444", linewidth=0.5, label=n) for n, colour in panels.legend]
    wrong = (panels.wrong_colour[0] / 255, panels.wrong_colour[1] / 255, panels.wrong_colour[2] / 255)
    patches += [Patch(facecolor=wrong, label="wrong")] if marked else []
    if patches:
        columns = max(1, min(len(patches), int(size[0] / 1.5)))
        figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure


def _draw_cell(axes: Axes, pixels: Pixels | None, size: tuple[int, int]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if pixels is not None:
        axes.imshow(pixels, interpolation="nearest")
        return
    width, height = size
    axes.set_aspect("equal")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.text(width / 2, height / 2, "missing", ha="center", va="center", color="#444444")
