"""Outdoor views in the layout of SIFT Flow (see `write_outdoors`): sky, what stands along the horizon, the ground and
what stands on it, in its eight categories; every pixel has a semantic and a geometric label.

Shapes: images and labels are (S, S), canvases (2S, 2S).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segtrain.machine.disk import write_once
from segtrain.synthetic.matlab_writer import write_mat
from segtrain.synthetic.object_photos.silhouettes import Colour
from segtrain.synthetic.outdoor_views import things
from segtrain.synthetic.outdoor_views.things import BY_NAME, COLOURS, GEOMETRY, SCENERIES
from segtrain.synthetic.road_scenes.picture import expose, noise

__all__ = ["render_view", "write_outdoors"]

Points = list[tuple[float, float]]
SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
VOID_SHARE = 0.03
"""Of the pixels whose labels are taken away, in blotches."""
AWAY = (things.ROAD, things.RIVER)
"""Grounds that run away from the camera instead of along the horizon."""


class View(NamedTuple):
    image: npt.NDArray[np.uint8]  # (S, S, 3) RGB
    semantic: npt.NDArray[np.uint8]  # (S, S): 0 none, 1 to 33
    geometric: npt.NDArray[np.int8]  # (S, S): -1 none, 1 to 3


class _Canvas:
    """Colours and labels, painted at once; lengths are shares of the side."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.rng, self.side = rng, side
        self.ids, self.labels = Image.new("I", (side, side)), Image.new("L", (side, side))
        self.pens = ImageDraw.Draw(self.ids), ImageDraw.Draw(self.labels)
        self.colours: list[tuple[float, ...]] = [(0, 0, 0)]

    def pick(self, colours: tuple[Colour, ...]) -> tuple[float, ...]:
        tone = self.rng.uniform(0.85, 1.15)
        return tuple(tone * part for part in colours[int(self.rng.integers(len(colours)))])

    def paint(self, label: int, points: Points, colour: tuple[float, ...], form: str = "shape") -> None:
        """A polygon of `points`, or the box or the oval that they are two corners of."""
        self.colours.append(colour)
        placed = [(x * self.side, y * self.side) for x, y in points]
        for pen, fill in zip(self.pens, (len(self.colours) - 1, label), strict=True):
            if form == "shape":
                pen.polygon(placed, fill=fill)
                continue
            (x0, y0), (x1, y1) = placed
            corners = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
            (pen.rectangle if form == "box" else pen.ellipse)(corners, fill=fill)

    def box(self, label: int, left: float, top: float, right: float, bottom: float) -> None:
        self.paint(label, [(left, top), (right, bottom)], self.pick(COLOURS[label]), "box")

    def put(self, label: int, x: float, foot: float, height: float) -> None:
        """A thing of that height, its middle at `x`, standing at `foot`."""
        kind = BY_NAME[label]
        width, colour = height * kind.aspect, self.pick(kind.colours)
        mirrored = self.rng.random() < 0.5
        for part in kind.parts:
            corners = np.array(part.points).reshape(-1, 2)
            if mirrored:
                corners = corners * (-1, 1) + (1, 0)
            placed = corners * (width, height) + (x - width / 2, foot - height)
            shade = tuple(part.tone * channel for channel in part.colour or colour)
            self.paint(label, [(px, py) for px, py in placed.tolist()], shade, part.form)


def render_view(rng: np.random.Generator, side: int, category: str) -> View:
    canvas, scenery = _Canvas(rng, 2 * side), SCENERIES[category]
    horizon = rng.uniform(0.35, 0.6)
    canvas.box(things.SKY, 0, 0, 1, 1)
    _fill_sky(canvas, scenery.sky, horizon)
    for label in scenery.behind:
        _draw_behind(canvas, label, horizon, tall=category == "tallbuilding")
    _draw_ground(canvas, scenery.ground, horizon)
    standing = [label for label, often in scenery.things.items() for _ in range(rng.poisson(often / 10))]
    feet = np.sort(rng.uniform(0.02, 1, len(standing)) ** 1.5)
    for label, depth in zip(rng.permutation(standing), feet, strict=True):
        person = 0.05 + 0.22 * depth
        height = rng.uniform(*BY_NAME[int(label)].size) * person
        canvas.put(int(label), rng.uniform(0, 1), horizon + depth * (1 - horizon), height)
    return _develop(canvas)


def _fill_sky(canvas: _Canvas, chances: dict[int, int], horizon: float) -> None:
    rng = canvas.rng
    for label, often in chances.items():
        if rng.random() > often / 10:
            continue
        x, y = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.8) * horizon
        if label == things.BIRD:
            for _ in range(int(rng.integers(1, 5))):
                canvas.put(label, x + rng.uniform(-0.2, 0.2), y + rng.uniform(-0.05, 0.1), rng.uniform(0.03, 0.08))
            continue
        radius = rng.uniform(0.03, 0.07)
        canvas.paint(label, [(x - radius, y - radius), (x + radius, y + radius)], canvas.pick(COLOURS[label]), "oval")


def _draw_behind(canvas: _Canvas, label: int, horizon: float, tall: bool) -> None:
    """Along the horizon, from the left to the right."""
    rng = canvas.rng
    x = -rng.uniform(0, 0.2)
    while x < 1:
        if label == things.MOUNTAIN:
            width, top = rng.uniform(0.4, 0.9), rng.uniform(0.1, 0.75) * horizon
            peak = x + rng.uniform(0.3, 0.7) * width
            canvas.paint(
                label, [(x - 0.1, horizon), (peak, horizon - top), (x + width, horizon)], canvas.pick(COLOURS[label])
            )
            x += 0.6 * width
        elif label == things.TREE:
            height = rng.uniform(0.12, 0.3)
            canvas.put(label, x, horizon + 0.02, height)
            x += rng.uniform(0.3, 1.2) * height
        else:
            width = rng.uniform(0.15, 0.35)
            top = horizon * rng.uniform(0.05, 0.6) if tall else horizon * rng.uniform(0.15, 0.85)
            _draw_building(canvas, x, top, x + width, horizon + 0.03)
            x += width * rng.uniform(0.9, 1.3)


def _draw_building(canvas: _Canvas, left: float, top: float, right: float, foot: float) -> None:
    rng = canvas.rng
    canvas.box(things.BUILDING, left, top, right, foot)
    floor, bay = rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.09)
    glass = canvas.pick(COLOURS[things.WINDOW])
    balconies = rng.random() < 0.3
    for row in np.arange(top + 0.02, foot - 2 * floor, floor).tolist():
        for column in np.arange(left + 0.015, right - 0.7 * bay, bay).tolist():
            corners = [(column, row), (column + 0.55 * bay, row + 0.6 * floor)]
            canvas.paint(things.WINDOW, corners, glass, "box")
            if balconies:
                canvas.box(things.BALCONY, column - 0.01, row + 0.5 * floor, column + 0.65 * bay, row + 0.72 * floor)
    door = rng.uniform(left, max(left, right - 0.07))
    canvas.box(things.DOOR, door, foot - 1.3 * floor, door + 0.05, foot)
    if rng.random() < 0.5:
        canvas.box(things.AWNING, left, foot - 1.75 * floor, right, foot - 1.35 * floor)


def _draw_ground(canvas: _Canvas, labels: tuple[int, ...], horizon: float) -> None:
    rng = canvas.rng
    canvas.box(labels[0], 0, horizon, 1, 1)
    for label in labels[1:]:
        colour = canvas.pick(COLOURS[label])
        if label == things.CROSSWALK:
            row = rng.uniform(0.5, 0.9) * (1 - horizon) + horizon
            for x in np.arange(0.12, 0.9, 0.13).tolist():
                canvas.paint(label, [(x, row), (x + 0.07, row), (x + 0.06, row + 0.09), (x - 0.02, row + 0.09)], colour)
        elif label in AWAY:
            end, half = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)
            near = 0.5 + rng.uniform(-0.2, 0.2)
            canvas.paint(
                label, [(end - 0.03, horizon), (end + 0.03, horizon), (near + half, 1), (near - half, 1)], colour
            )
        else:
            shore = horizon + rng.uniform(0.2, 0.7, 2) * (1 - horizon)
            canvas.paint(label, [(0, float(shore[0])), (1, float(shore[1])), (1, 1), (0, 1)], colour)


def _develop(canvas: _Canvas) -> View:
    rng, size = canvas.rng, canvas.ids.size
    grain = 1 + 0.07 * noise(rng, size, 1) + 0.09 * noise(rng, size, 6) + 0.08 * noise(rng, size, 30)
    painted = np.array(canvas.colours, dtype=np.float32)[np.asarray(canvas.ids)] * grain[..., None]
    warmth = rng.uniform(-0.1, 0.14)
    painted *= np.array([1 + warmth, 1, 1 - warmth], np.float32) * rng.uniform(0.7, 1.15)
    labels = np.asarray(canvas.labels)[::2, ::2]
    blotches = noise(rng, (labels.shape[1], labels.shape[0]), 7)
    void = blotches > np.quantile(blotches, 1 - VOID_SHARE)
    table = np.array([0, *(GEOMETRY[label] for label in range(1, 34))], dtype=np.int8)
    return View(
        expose(rng, painted, (2.0, 6.0)),
        np.where(void, 0, labels).astype(np.uint8),
        np.where(void, -1, table[labels]).astype(np.int8),
    )


def write_outdoors(root: Path, trainval: int, test: int, side: int, seed: int) -> None:
    """Writes views under `<root>/SiftFlow`, and their lists. View i, the tests last, is a function of (seed, i) and the
    size; its category is i in turn. `root` appears as `write_once` says."""

    def fill(whole: Path) -> None:
        folder = whole / "SiftFlow"
        images, semantic, geometric = (folder / name / SCENES for name in ("Images", "SemanticLabels", "GeoLabels"))
        for made in (images, semantic, geometric):
            made.mkdir(parents=True)
        names = []
        for index in range(trainval + test):
            category = list(SCENERIES)[index % len(SCENERIES)]
            names.append(f"{category}_view{index + 1:04d}")
            view = render_view(np.random.default_rng([seed, index]), side, category)
            Image.fromarray(view.image).save(images / f"{names[-1]}.jpg", quality=92)
            write_mat(semantic / f"{names[-1]}.mat", {"S": view.semantic})
            write_mat(geometric / f"{names[-1]}.mat", {"S": view.geometric})
        for part, listed in (("trainval", names[:trainval]), ("test", names[trainval:])):
            (folder / f"{part}.txt").write_text("".join(f"{name}\n" for name in listed))

    write_once(root, fill)
