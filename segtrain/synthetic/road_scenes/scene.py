"""One scene while it is drawn: its camera, its road, and the canvas with the pens that all drawing goes through."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from segtrain.synthetic.road_scenes.looks import NONE, Colour, Look, Range, shade

SUPERSAMPLING = 2
VIEW_M = 60.0  # nothing but the skyline stands beyond
BY_ROW = -1.0  # a surface whose distance follows from the image row: the ground and the sky

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # from, to along a panel and from, to up it, as fractions


class Scene:
    """The camera, the road and the canvas of one scene; lengths without a unit are canvas pixels."""

    def __init__(self, rng: np.random.Generator, look: Look, height: int, width: int) -> None:
        self.rng, self.look, self.height, self.width = rng, look, height, width
        self.focal = rng.uniform(*look.focal) * width
        self.centre = rng.uniform(0.35, 0.65) * width
        self.horizon = rng.uniform(*look.horizon) * height
        self.camera_y = rng.uniform(*look.camera_height_m)
        self.kerb_x = rng.uniform(3.0, 6.5)  # half the road's width
        self.sidewalk_m = rng.uniform(1.6, 3.6)
        self.camera_x = rng.uniform(0.0, 0.6) * self.kerb_x
        self.bend_per_m = 0.0 if rng.random() < 0.4 else rng.uniform(-0.012, 0.012)
        self.haze_per_m = rng.uniform(*look.haze_per_m)
        self.sun_side = 1 if rng.random() < 0.5 else -1
        self.ids, self.labels, self.shadows = (Image.new(mode, (width, height)) for mode in ("I", "L", "L"))
        self.id_pen, self.label_pen = ImageDraw.Draw(self.ids), ImageDraw.Draw(self.labels)
        self.shadow_pen = ImageDraw.Draw(self.shadows)
        self.surfaces = [(*look.zenith, *look.texture[NONE], BY_ROW)]  # one row per id; 0 is the sky

    def project(self, x: float, y: float, z: float) -> Point:
        scale = self.focal / z
        bent = x - self.camera_x + self.bend_per_m * z * z / 2
        return self.centre + scale * bent, self.horizon + scale * (self.camera_y - y)

    def paint(self, label: int, spread: float = 0.15) -> Colour:
        """A colour of the class's palette, darker or lighter by up to `spread`."""
        palette = self.look.palette[label]
        return shade(palette[int(self.rng.integers(len(palette)))], self.rng.uniform(1 - spread, 1 + spread))

    def surface(self, colour: Colour, label: int, z: float = BY_ROW) -> int:
        self.surfaces.append((*colour, *self.look.texture[label], z))
        return len(self.surfaces) - 1

    def polygon(self, points: Sequence[Point], surface: int, label: int) -> None:
        self.id_pen.polygon(points, fill=surface)
        self.label_pen.polygon(points, fill=label)

    def ellipse(self, x: float, y: float, z: float, radius: float, surface: int, label: int) -> None:
        box = (*self.project(x - radius, y + radius, z), *self.project(x + radius, y - radius, z))
        self.id_pen.ellipse(box, fill=surface)
        self.label_pen.ellipse(box, fill=label)

    def strip(self, x: Range, z: Range) -> list[Point]:
        """The outline of the ground between two lines along the road; it follows the bend."""
        pieces = 1 + int(6 * math.log(z[1] / z[0]))
        steps = [z[0] * (z[1] / z[0]) ** (piece / pieces) for piece in range(pieces + 1)]
        return [self.project(x[0], 0, step) for step in steps] + [self.project(x[1], 0, step) for step in steps[::-1]]

    def upright(self, a: Point, b: Point, top: float, box: Box = (0, 1, 0, 1)) -> list[Point]:
        """The outline of a box on the panel that stands on the ground from `a` to `b`, (x, z) each."""
        left, right, low, high = box
        ends = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in (left, right)]
        corners = (ends[0], low), (ends[1], low), (ends[1], high), (ends[0], high)
        return [self.project(x, y * top, z) for (x, z), y in corners]

    def panel(self, label: int, a: Point, b: Point, top: float, *layers: tuple[Colour, Sequence[Box]]) -> None:
        """Boxes on the panel from `a` to `b`, layer over layer."""
        for colour, boxes in layers:
            surface = self.surface(colour, label, (a[1] + b[1]) / 2)
            for box in boxes:
                self.polygon(self.upright(a, b, top, box), surface, label)

    def half_width(self, metres: float, z: float) -> float:
        """Half of it, and half a pixel of the final image at least, so that thin things do not vanish at random."""
        return max(metres, SUPERSAMPLING * z / self.focal) / 2

    def shadow(self, x: Range, z: Range) -> None:
        self.shadow_pen.polygon(self.strip(x, z), fill=255)
