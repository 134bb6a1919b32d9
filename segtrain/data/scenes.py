"""The embedded road scenes: rendered here, deterministic, written in the CARLA layout (see `write_scenes`).

A scene is a pinhole camera over a road. The ground, then all that stands on it from far to near (painter's
order), is drawn with PIL twice: as surface ids and as class labels. The surfaces are then textured, lit, hazed,
averaged 2 x 2, blurred and given sensor noise in a few numpy passes; labels are picked, never blended.

World, in metres: x to the right of the road's middle, y up from the ground, z ahead of the camera.
Shapes: images and labels are (H, W), the canvas is (2H, 2W).
"""

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image, ImageDraw, ImageFilter

Style = Literal["target", "source"]

# CARLA's class ids; the sky is unlabelled.
_NONE, _BUILDING, _FENCE, _OTHER, _PEDESTRIAN, _POLE, _ROAD_LINE = range(7)
_ROAD, _SIDEWALK, _VEGETATION, _VEHICLE, _WALL, _SIGN = range(7, 13)

_SUPERSAMPLING = 2
_VIEW_M = 60.0  # nothing but the skyline stands beyond
_BY_ROW = -1.0  # a surface whose distance follows from the image row: the ground and the sky

_Range = tuple[float, float]
_Colour = tuple[float, float, float]
_Point = tuple[float, float]
_Box = tuple[float, float, float, float]  # from, to along a panel and from, to up it, as fractions
_Item = tuple[float, Callable[[], None]]  # distance, draw

# Noise of one grain size, and how strong it is on each class.
_GRAIN, _LEAVES, _BLOTCHES = range(3)
_GRAIN_PX = (1, 3, 16)
_TEXTURE = {
    _NONE: (_BLOTCHES, 0.06), _BUILDING: (_BLOTCHES, 0.06), _FENCE: (_GRAIN, 0.05), _OTHER: (_GRAIN, 0.04),
    _PEDESTRIAN: (_GRAIN, 0.06), _POLE: (_GRAIN, 0.03), _ROAD_LINE: (_GRAIN, 0.08), _ROAD: (_GRAIN, 0.10),
    _SIDEWALK: (_BLOTCHES, 0.04), _VEGETATION: (_LEAVES, 0.30), _VEHICLE: (_BLOTCHES, 0.05), _WALL: (_LEAVES, 0.08),
    _SIGN: (_GRAIN, 0.02),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What tells one style from the other: where a scene draws its camera, light, objects and colours from."""

    camera_height_m: _Range
    focal: _Range  # of the image's width
    horizon: _Range  # of the image's height
    brightness: _Range
    warmth: _Range  # red gains this fraction, blue loses it
    haze_per_m: _Range
    noise: _Range  # standard deviation in grey levels
    zenith: _Colour
    haze: _Colour  # the sky at the horizon, and all that is far
    frontage: Mapping[str, float]  # share of each kind of `_FRONTAGE` along the road
    traffic: float  # chance that a place in a lane is taken
    street: Mapping[str, float]  # mean count of each kind of `_STREET` in a scene
    palette: Mapping[int, Sequence[_Colour]]


_LOOKS: dict[Style, _Look] = {
    "target": _Look(
        camera_height_m=(1.3, 1.9), focal=(0.75, 1.0), horizon=(0.36, 0.50),
        brightness=(0.70, 1.15), warmth=(-0.08, 0.10), haze_per_m=(0.002, 0.016), noise=(2.0, 6.0),
        zenith=(92, 142, 205), haze=(198, 210, 222),
        frontage={"building": 0.30, "wall": 0.23, "fence": 0.25, "green": 0.22},
        traffic=0.40, street={"pedestrian": 5.0, "sign": 3.5, "other": 3.0, "tree": 2.5},
        palette={
            _BUILDING: [(166, 148, 126), (150, 96, 78), (176, 176, 172), (122, 128, 138), (196, 178, 140)],
            _FENCE: [(70, 74, 70), (150, 148, 140), (120, 84, 56), (196, 196, 190)],
            _OTHER: [(52, 92, 70), (60, 70, 110), (146, 80, 50), (120, 120, 116), (168, 142, 60)],
            _PEDESTRIAN: [(150, 40, 44), (44, 60, 110), (60, 62, 60), (180, 150, 70), (206, 204, 200), (70, 110, 80)],
            _POLE: [(110, 112, 112), (66, 68, 70), (150, 150, 148), (96, 78, 60)],
            _ROAD_LINE: [(222, 222, 214), (214, 182, 84)],
            _ROAD: [(96, 96, 100), (118, 116, 112), (80, 82, 88), (106, 98, 92)],
            _SIDEWALK: [(160, 154, 146), (140, 140, 140), (168, 146, 126), (128, 120, 112)],
            _VEGETATION: [(70, 104, 44), (52, 84, 40), (94, 116, 52), (60, 96, 64)],
            _VEHICLE: [(160, 32, 34), (36, 62, 120), (196, 198, 200), (48, 50, 54), (120, 126, 130), (206, 170, 50)],
            _WALL: [(150, 142, 130), (140, 92, 74), (126, 126, 122), (170, 154, 124)],
            _SIGN: [(196, 40, 40), (40, 78, 170), (226, 196, 60), (220, 220, 220), (40, 120, 80)],
        },
    ),
    "source": _Look(
        camera_height_m=(1.9, 2.8), focal=(0.65, 0.85), horizon=(0.28, 0.42),
        brightness=(0.60, 1.0), warmth=(0.04, 0.20), haze_per_m=(0.006, 0.024), noise=(4.0, 9.0),
        zenith=(150, 150, 168), haze=(214, 196, 172),
        frontage={"building": 0.24, "wall": 0.26, "fence": 0.28, "green": 0.22},
        traffic=0.50, street={"pedestrian": 6.0, "sign": 4.5, "other": 4.0, "tree": 3.5},
        palette={
            _BUILDING: [(190, 124, 96), (112, 104, 110), (206, 196, 180), (134, 78, 66), (150, 152, 130)],
            _FENCE: [(110, 70, 50), (60, 60, 76), (176, 160, 140)],
            _OTHER: [(30, 110, 120), (170, 60, 40), (96, 90, 90), (200, 150, 90)],
            _PEDESTRIAN: [(220, 120, 50), (40, 40, 46), (90, 50, 110), (190, 190, 180), (40, 100, 130)],
            _POLE: [(60, 58, 64), (136, 120, 104), (90, 104, 100)],
            _ROAD_LINE: [(230, 212, 186), (226, 150, 60)],
            _ROAD: [(72, 66, 70), (128, 112, 96), (92, 92, 84)],
            _SIDEWALK: [(176, 140, 116), (120, 112, 116), (150, 150, 134)],
            _VEGETATION: [(146, 104, 40), (120, 72, 34), (104, 108, 44), (160, 128, 58)],
            _VEHICLE: [(220, 110, 30), (30, 90, 90), (226, 220, 206), (40, 36, 44), (110, 40, 60)],
            _WALL: [(164, 150, 140), (120, 76, 66), (104, 110, 104)],
            _SIGN: [(230, 110, 30), (30, 60, 130), (236, 210, 90), (210, 206, 200)],
        },
    ),
}  # fmt: skip


class _Scene:
    """The camera, the road and the canvas of one scene; lengths without a unit are canvas pixels."""

    def __init__(self, rng: np.random.Generator, look: _Look, height: int, width: int) -> None:
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
        self.surfaces = [(*look.zenith, *_TEXTURE[_NONE], _BY_ROW)]  # one row per id; 0 is the sky

    def project(self, x: float, y: float, z: float) -> _Point:
        scale = self.focal / z
        bent = x - self.camera_x + self.bend_per_m * z * z / 2
        return self.centre + scale * bent, self.horizon + scale * (self.camera_y - y)

    def paint(self, label: int, spread: float = 0.15) -> _Colour:
        """A colour of the class's palette, darker or lighter by up to `spread`."""
        palette = self.look.palette[label]
        return _shade(palette[int(self.rng.integers(len(palette)))], self.rng.uniform(1 - spread, 1 + spread))

    def surface(self, colour: _Colour, label: int, z: float = _BY_ROW) -> int:
        self.surfaces.append((*colour, *_TEXTURE[label], z))
        return len(self.surfaces) - 1

    def polygon(self, points: Sequence[_Point], surface: int, label: int) -> None:
        self.id_pen.polygon(points, fill=surface)
        self.label_pen.polygon(points, fill=label)

    def ellipse(self, x: float, y: float, z: float, radius: float, surface: int, label: int) -> None:
        box = (*self.project(x - radius, y + radius, z), *self.project(x + radius, y - radius, z))
        self.id_pen.ellipse(box, fill=surface)
        self.label_pen.ellipse(box, fill=label)

    def strip(self, x: _Range, z: _Range) -> list[_Point]:
        """The outline of the ground between two lines along the road; it follows the bend."""
        pieces = 1 + int(6 * math.log(z[1] / z[0]))
        steps = [z[0] * (z[1] / z[0]) ** (piece / pieces) for piece in range(pieces + 1)]
        return [self.project(x[0], 0, step) for step in steps] + [self.project(x[1], 0, step) for step in steps[::-1]]

    def upright(self, a: _Point, b: _Point, top: float, box: _Box = (0, 1, 0, 1)) -> list[_Point]:
        """The outline of a box on the panel that stands on the ground from `a` to `b`, (x, z) each."""
        left, right, low, high = box
        ends = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in (left, right)]
        corners = (ends[0], low), (ends[1], low), (ends[1], high), (ends[0], high)
        return [self.project(x, y * top, z) for (x, z), y in corners]

    def panel(self, label: int, a: _Point, b: _Point, top: float, *layers: tuple[_Colour, Sequence[_Box]]) -> None:
        """Boxes on the panel from `a` to `b`, layer over layer."""
        for colour, boxes in layers:
            surface = self.surface(colour, label, (a[1] + b[1]) / 2)
            for box in boxes:
                self.polygon(self.upright(a, b, top, box), surface, label)

    def half_width(self, metres: float, z: float) -> float:
        """Half of it, and half a pixel of the final image at least, so that thin things do not vanish at random."""
        return max(metres, _SUPERSAMPLING * z / self.focal) / 2

    def shadow(self, x: _Range, z: _Range) -> None:
        self.shadow_pen.polygon(self.strip(x, z), fill=255)


def _shade(colour: _Colour, factor: float) -> _Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _draw_ground(scene: _Scene) -> None:
    rng, edge, outer, near = scene.rng, scene.kerb_x, scene.kerb_x + scene.sidewalk_m, 1.0
    (w, h), horizon = scene.ids.size, scene.horizon
    terrain = _VEGETATION if rng.random() < 0.7 else _SIDEWALK
    scene.polygon([(0, horizon), (w, horizon), (w, h), (0, h)], scene.surface(scene.paint(terrain), terrain), terrain)
    _draw_skyline(scene)
    paving = scene.paint(_SIDEWALK)
    kerb, joint, slab = (scene.surface(_shade(paving, factor), _SIDEWALK) for factor in (1.22, 0.82, 1.0))
    joints = np.arange(2.0, 24.0, rng.uniform(1.0, 2.0)).tolist()
    for side in (-1, 1):
        scene.polygon(scene.strip((side * edge, side * outer), (near, _VIEW_M)), slab, _SIDEWALK)
        for z in joints:
            scene.polygon(scene.strip((side * edge, side * outer), (z, z * 1.01)), joint, _SIDEWALK)
        scene.polygon(scene.strip((side * edge, side * (edge + 0.25)), (near, _VIEW_M)), kerb, _SIDEWALK)
    scene.polygon(scene.strip((-edge, edge), (near, _VIEW_M)), scene.surface(scene.paint(_ROAD), _ROAD), _ROAD)
    _draw_road_lines(scene)
    if rng.random() < 0.6:  # a building off the picture or behind the frontage keeps the sun off
        reach, z = rng.uniform(0.3, 1.6) * edge, rng.uniform(1.0, 25.0)
        scene.shadow((scene.sun_side * outer, scene.sun_side * (outer - reach)), (z, z + rng.uniform(8, 40)))


def _draw_skyline(scene: _Scene) -> None:
    label, tallest = (_BUILDING, 16) if scene.rng.random() < 0.5 else (_VEGETATION, 9)
    x, z = -90.0, _VIEW_M + 20
    while x < 90:
        width, top, colour = scene.rng.uniform(6, 20), scene.rng.uniform(2, tallest), scene.paint(label)
        if label == _BUILDING:
            scene.panel(label, (x, z), (x + width, z), top, (colour, [(0, 1, 0, 1)]))
        else:
            scene.ellipse(x, top - width, z, width, scene.surface(colour, label, z), label)
        x += width


def _draw_road_lines(scene: _Scene) -> None:
    rng, edge = scene.rng, scene.kerb_x
    half, paint = rng.uniform(0.07, 0.14), scene.surface(scene.paint(_ROAD_LINE, 0.1), _ROAD_LINE)
    solid = [(1.0, _VIEW_M)]
    dashes = [(z, z + 3.0) for z in np.arange(rng.uniform(1, 4), 45, rng.uniform(5, 9)).tolist()]
    lines = {0.0: solid if rng.random() < 0.35 else dashes}
    if edge > 5.0:
        lines |= {-edge / 2: dashes, edge / 2: dashes}
    if rng.random() < 0.6:
        lines |= {0.3 - edge: solid, edge - 0.3: solid}
    for x, pieces in lines.items():
        for piece in pieces:
            scene.polygon(scene.strip((x - half, x + half), piece), paint, _ROAD_LINE)
    if rng.random() < 0.3:  # a zebra crossing
        z = rng.uniform(7, 20)
        for x in np.arange(0.4 - edge, edge - 0.5, 1.0).tolist():
            scene.polygon(scene.strip((x, x + 0.5), (z, z + 3.0)), paint, _ROAD_LINE)


def _draw_building(scene: _Scene, x: float, near: float, far: float) -> None:
    rng, top, colour = scene.rng, scene.rng.uniform(3.5, 14.0), scene.paint(_BUILDING)
    glass = _shade((70, 84, 100), rng.uniform(0.6, 1.9))
    storey, bay, pane = rng.uniform(2.4, 3.4), rng.uniform(1.8, 3.2), rng.uniform(0.9, 1.5)
    along_is_lit = (x > 0) != (scene.sun_side > 0)
    end = (x, near), (x + (9.0 if x > 0 else -9.0), near)
    for (a, b), lit in ((end, not along_is_lit), (((x, near), (x, far)), along_is_lit)):
        length = abs(b[0] - a[0]) + abs(b[1] - a[1])
        windows = [
            (left / length, (left + pane) / length, low / top, (low + 1.3) / top)
            for low in np.arange(1.0, top - 1.6, storey).tolist()
            for left in np.arange(0.6, length - pane, bay).tolist()
        ]
        scene.panel(_BUILDING, a, b, top, (_shade(colour, 1.12 if lit else 0.8), [(0, 1, 0, 1)]), (glass, windows))


def _draw_wall(scene: _Scene, x: float, near: float, far: float) -> None:
    """Courses of stone with staggered joints, under a coping."""
    top, colour, length = scene.rng.uniform(1.6, 3.4), scene.paint(_WALL), far - near
    course, stone = scene.rng.uniform(0.3, 0.5) / top, scene.rng.uniform(0.7, 1.4) / length
    joints: list[_Box] = []
    for row, low in enumerate(np.arange(0.0, 1.0, course).tolist()):
        joints.append((0, 1, low, low + 0.04 / top))
        for left in np.arange(stone * (row % 2) / 2, 1.0, stone).tolist():
            joints.append((left, left + 0.04 / length, low, min(low + course, 1.0)))
    coping = _shade(colour, 1.2), [(0.0, 1.0, 0.94, 1.05)]
    layers = (colour, [(0.0, 1.0, 0.0, 1.0)]), (_shade(colour, 0.72), joints), coping
    scene.panel(_WALL, (x, near), (x, far), top, *layers)


def _draw_fence(scene: _Scene, x: float, near: float, far: float) -> None:
    """Bars and rails that show what stands behind; the label is the whole panel's, as in CARLA."""
    a, b, top, length = (x, near), (x, far), scene.rng.uniform(1.3, 2.6), far - near
    bar, gap = scene.rng.uniform(0.05, 0.12) / length, scene.rng.uniform(0.22, 0.45) / length
    bars = [(left, left + bar, 0.0, 1.0) for left in np.arange(0.0, 1.0, gap).tolist()]
    scene.label_pen.polygon(scene.upright(a, b, top), fill=_FENCE)
    scene.panel(_FENCE, a, b, top, (scene.paint(_FENCE), [*bars, (0, 1, 0.08, 0.14), (0, 1, 0.86, 0.92)]))


def _draw_tree(scene: _Scene, x: float, z: float) -> None:
    stem, radius = scene.rng.uniform(1.4, 2.8), scene.rng.uniform(1.0, 2.4)
    half = scene.half_width(scene.rng.uniform(0.2, 0.45), z)
    bark = _shade((84, 64, 52), scene.rng.uniform(0.7, 1.3))
    scene.shadow((x - radius, x + radius), (max(1.0, z - radius), z + radius))
    scene.panel(_VEGETATION, (x - half, z), (x + half, z), stem, (bark, [(0, 1, 0, 1.3)]))
    _draw_leaves(scene, x, z, stem + radius, radius)


def _draw_leaves(scene: _Scene, x: float, z: float, y: float, radius: float) -> None:
    """A bush or a crown around the height `y`: a ragged heap of blobs, darker below and lighter above."""
    colour = scene.paint(_VEGETATION, 0.2)
    offsets = scene.rng.normal(0.0, 0.42 * radius, (14, 2))
    offsets = offsets[offsets[:, 1].argsort()]
    sizes = scene.rng.uniform(0.25, 0.62, 14) * radius
    for tone, (dx, dy), size in zip(np.linspace(0.7, 1.25, 14), offsets.tolist(), sizes.tolist(), strict=True):
        scene.ellipse(x + dx, y + dy, z, size, scene.surface(_shade(colour, tone), _VEGETATION, z), _VEGETATION)


def _draw_vehicle(scene: _Scene, x: float, z: float) -> None:
    """A body under a cabin: the flank that the camera sees, then the end that faces it."""
    rng, tall = scene.rng, scene.rng.random() < 0.18
    width, length, top = (2.3, 6.5, rng.uniform(2.3, 3.1)) if tall else (1.8, rng.uniform(3.6, 4.8), 1.5)
    if rng.random() < 0.12:  # it crosses the road
        width, length = length, width
    body, glass, tyre, half = scene.paint(_VEHICLE, 0.2), (52, 60, 70), (26, 26, 28), width / 2
    lamp = (200, 44, 36) if x > 0 else (240, 236, 210)
    flank = x - half if x > scene.camera_x else x + half
    scene.shadow((x - half - 0.25, x + half + 0.25), (z - 0.25, z + length))
    scene.panel(
        _VEHICLE, (flank, z), (flank, z + length), top,
        (tyre, [(0.12, 0.28, 0, 0.36), (0.72, 0.88, 0, 0.36)]),
        (_shade(body, 0.75), [(0, 1, 0.17, 1.0 if tall else 0.62)]),
        (glass, [(0.1, 0.8, 0.6, 0.95)]),
    )  # fmt: skip
    scene.panel(
        _VEHICLE, (x - half, z), (x + half, z), top,
        (tyre, [(0.06, 0.22, 0, 0.3), (0.78, 0.94, 0, 0.3)]),
        (body, [(0, 1, 0.17, 0.62), (0.02, 0.98, 0.6, 1) if tall else (0.09, 0.91, 0.6, 1)]),
        (glass, [(0.14, 0.86, 0.64, 0.92)]),
        (lamp, [(0.03, 0.16, 0.42, 0.56), (0.84, 0.97, 0.42, 0.56)]),
    )  # fmt: skip


def _draw_pedestrian(scene: _Scene, x: float, z: float) -> None:
    half, tall = scene.half_width(scene.rng.uniform(0.4, 0.6), z), scene.rng.uniform(1.45, 1.9)
    skin, step = _shade((214, 168, 138), scene.rng.uniform(0.45, 1.05)), scene.rng.uniform(0.0, 0.3)
    scene.shadow((x - half, x + half), (z - 0.1, z + 0.6))
    scene.panel(
        _PEDESTRIAN, (x - half, z), (x + half, z), tall,
        (scene.paint(_PEDESTRIAN), [(0.3 - step, 0.5 - step / 2, 0, 0.5), (0.5 + step / 2, 0.7 + step, 0, 0.5)]),
        (scene.paint(_PEDESTRIAN), [(0, 1, 0.45, 0.84)]),
        (skin, [(0.27, 0.73, 0.84, 1)]),
    )  # fmt: skip


def _draw_lamp_post(scene: _Scene, x: float, z: float) -> None:
    half, top = scene.half_width(scene.rng.uniform(0.15, 0.28), z), scene.rng.uniform(4.0, 7.0)
    boxes: list[_Box] = [(0, 1, 0, 1)]
    if scene.rng.random() < 0.7:
        arm = 1.6 / (2 * half)
        boxes.append((0.5 - arm if x > 0 else 0, 1 if x > 0 else 0.5 + arm, 1 - 2 * half / top, 1))
    scene.panel(_POLE, (x - half, z), (x + half, z), top, (scene.paint(_POLE), boxes))


def _draw_sign(scene: _Scene, x: float, z: float) -> None:
    """A triangle, a square or a disc with a pale middle, on a post."""
    half, top, radius = scene.half_width(0.12, z), scene.rng.uniform(2.2, 3.2), scene.rng.uniform(0.45, 0.75)
    scene.panel(_POLE, (x - half, z), (x + half, z), top, (scene.paint(_POLE), [(0, 1, 0, 1)]))
    corners = int(scene.rng.choice([3, 4, 12]))
    angles = np.pi / 2 + np.pi / corners * (corners == 4) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    for reach, colour in ((radius, scene.paint(_SIGN, 0.1)), (0.55 * radius, (232, 230, 224))):
        points = [scene.project(x + reach * math.cos(a), top + reach * math.sin(a), z) for a in angles.tolist()]
        scene.polygon(points, scene.surface(colour, _SIGN, z), _SIGN)


def _draw_other(scene: _Scene, x: float, z: float) -> None:
    """A bin or cabinet, or a bench."""
    colour, half, top = scene.paint(_OTHER), scene.rng.uniform(0.35, 0.9), scene.rng.uniform(0.9, 1.5)
    front: list[_Box] = [(0, 1, 0, 1)]
    dark: list[_Box] = [(0, 1, 0.85, 1), (0.25, 0.75, 0.4, 0.5)]
    if scene.rng.random() < 0.3:
        half, top = 1.0, 1.0
        front, dark = [(0, 1, 0.36, 0.58), (0, 1, 0.68, 1)], [(0.06, 0.16, 0, 0.4), (0.84, 0.94, 0, 0.4)]
    scene.shadow((x - half, x + half), (z - 0.1, z + 0.8))
    scene.panel(_OTHER, (x - half, z), (x + half, z), top, (colour, front), (_shade(colour, 0.6), dark))


_FRONTAGE: dict[str, Callable[[_Scene, float, float, float], None] | None] = {
    "building": _draw_building, "wall": _draw_wall, "fence": _draw_fence, "green": None,
}  # fmt: skip
_STREET: dict[str, Callable[[_Scene, float, float], None]] = {
    "pedestrian": _draw_pedestrian, "sign": _draw_sign, "other": _draw_other, "tree": _draw_tree,
}  # fmt: skip


def _frontage(scene: _Scene) -> Iterator[_Item]:
    """What stands in a row along both sides of the road, and the plants behind."""
    rng, kinds, shares = scene.rng, list(scene.look.frontage), list(scene.look.frontage.values())
    for side in (-1, 1):
        x, near = side * (scene.kerb_x + scene.sidewalk_m + rng.uniform(0.0, 1.5)), 2.0
        while near < _VIEW_M:
            far, kind = near + rng.uniform(5, 14), kinds[int(rng.choice(len(kinds), p=shares))]
            # At its far end's distance: all that is nearer than that stands between it and the camera.
            if (draw := _FRONTAGE[kind]) is not None:
                yield far, partial(draw, scene, x, near, far)
            for _ in range(rng.poisson({"building": 0.0, "green": 2.5}.get(kind, 1.0))):
                behind, z, radius = (
                    x + side * rng.uniform(1.0, 6.0),
                    rng.uniform(max(near, 4.0), far),
                    rng.uniform(0.4, 1.1),
                )
                bush = partial(_draw_leaves, scene, behind, z, 0.7 * radius, radius)
                yield far + 0.1, bush if rng.random() < 0.4 else partial(_draw_tree, scene, behind, z)
            near = far


def _street(scene: _Scene) -> Iterator[_Item]:
    """What stands on the road and on the sidewalks."""
    rng, kerb = scene.rng, scene.kerb_x
    for lane in (-0.5, 0.5) if kerb < 5.0 else (-0.75, -0.25, 0.25, 0.75):
        z = rng.uniform(6, 16)
        while z < _VIEW_M:
            if rng.random() < scene.look.traffic:
                yield z, partial(_draw_vehicle, scene, lane * kerb + rng.uniform(-0.3, 0.3), z)
            z += rng.uniform(8, 18)
    for x in (-kerb - 0.5, kerb + 0.5):
        for z in np.arange(rng.uniform(4, 12), _VIEW_M, rng.uniform(12, 24)).tolist():
            yield z, partial(_draw_lamp_post, scene, x, z)
    for kind, draw in _STREET.items():
        for _ in range(rng.poisson(scene.look.street[kind])):
            z = math.exp(rng.uniform(math.log(5.0), math.log(28.0)))
            x = (kerb + rng.uniform(0.3, scene.sidewalk_m)) * (1 if rng.random() < 0.5 else -1)
            if kind == "pedestrian" and rng.random() < 0.2:
                x = rng.uniform(-kerb, kerb)
            yield z, partial(draw, scene, x, z)


def _distance_by_row(scene: _Scene) -> npt.NDArray[np.float64]:
    """(2H,) metres to the ground below the horizon; above it, what clears the sky from haze to zenith."""
    rows = np.arange(scene.height) - scene.horizon
    ground = np.minimum(scene.focal * scene.camera_y / np.maximum(rows, 0.5), 3 * _VIEW_M)
    return np.where(rows >= 0, ground, (1 + rows / scene.horizon) * 1.2 / scene.haze_per_m)


def _noise(scene: _Scene, grain_px: int) -> npt.NDArray[np.float32]:
    """(2H, 2W)"""
    shape = scene.height // grain_px + 1, scene.width // grain_px + 1
    noise = Image.fromarray(scene.rng.standard_normal(shape, dtype=np.float32))
    return np.asarray(noise.resize(scene.ids.size, Image.Resampling.BILINEAR))


def _develop(scene: _Scene) -> npt.NDArray[np.uint8]:
    """(H, W, 3): texture, light, haze, then the camera's own blur and noise."""
    rng, look, ids = scene.rng, scene.look, np.asarray(scene.ids)
    table = np.asarray(scene.surfaces, dtype=np.float32)
    colour, (texture, strength, distance) = table[:, :3][ids], (table[:, column][ids] for column in (3, 4, 5))
    by_row = distance == _BY_ROW
    noises = np.stack([_noise(scene, grain_px) for grain_px in _GRAIN_PX])
    light = 1 + strength * np.take_along_axis(noises, texture.astype(np.intp)[None], axis=0)[0]
    slope = rng.uniform(-0.15, 0.15)
    light *= np.linspace(1 - slope, 1 + slope, scene.width, dtype=np.float32)
    light *= 1 - rng.uniform(0.2, 0.55) * (np.asarray(scene.shadows) > 0) * (by_row & (ids > 0))
    distance = np.where(by_row, _distance_by_row(scene)[:, None].astype(np.float32), distance)
    clear = np.exp(-scene.haze_per_m * distance)[..., None]
    warmth = rng.uniform(*look.warmth)
    gain = np.array([1 + warmth, 1, 1 - warmth], np.float32) * rng.uniform(*look.brightness)
    canvas = (colour * light[..., None] * clear + np.array(look.haze, np.float32) * (1 - clear)) * gain
    image = (canvas[::2, ::2] + canvas[1::2, ::2] + canvas[::2, 1::2] + canvas[1::2, 1::2]) / 4
    lens = ImageFilter.GaussianBlur(rng.uniform(0.1, 0.7))
    blurred = np.asarray(Image.fromarray(image.clip(0, 255).astype(np.uint8)).filter(lens), dtype=np.float32)
    blurred += rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(*look.noise)
    return blurred.clip(0, 255).astype(np.uint8)


def render_scene(
    rng: np.random.Generator, height: int, width: int, style: Style
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One scene: its image (H, W, 3) uint8 RGB and its labels (H, W) uint8, CARLA's class ids 0..12."""
    scene = _Scene(rng, _LOOKS[style], _SUPERSAMPLING * height, _SUPERSAMPLING * width)
    _draw_ground(scene)
    for _, draw in sorted([*_frontage(scene), *_street(scene)], key=lambda item: item[0], reverse=True):
        draw()
    labels = np.asarray(scene.labels)[::_SUPERSAMPLING, ::_SUPERSAMPLING]
    return _develop(scene), labels.copy()


def write_scenes(root: Path, style: Style, counts: Mapping[str, int], height: int, width: int, seed: int) -> None:
    """Writes `counts[folder]` scenes to `<root>/<folder>/<folder>/{CameraRGB,CameraSeg}/000000.png` and so on.

    Masks are RGB with the class id in red and nothing else, as CARLA's. Scene i, counted over all folders, is a
    function of (seed, style, i) and the size. `root` appears whole or not at all, also when several processes call
    this at once; a `root` that exists is left as it is.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):
        if root.exists():
            return
        with tempfile.TemporaryDirectory(prefix=f".{root.name}.", suffix=".tmp", dir=root.parent) as temporary:
            whole, index = Path(temporary) / root.name, 0
            for folder, count in counts.items():
                images, masks = (whole / folder / folder / name for name in ("CameraRGB", "CameraSeg"))
                images.mkdir(parents=True)
                masks.mkdir()
                for frame in range(count):
                    rng = np.random.default_rng([seed, get_args(Style).index(style), index])
                    image, labels = render_scene(rng, height, width, style)
                    mask = np.zeros_like(image)
                    mask[..., 0] = labels
                    Image.fromarray(image).save(images / f"{frame:06d}.png", compress_level=1)
                    Image.fromarray(mask).save(masks / f"{frame:06d}.png", compress_level=1)
                    index += 1
            os.replace(whole, root)
