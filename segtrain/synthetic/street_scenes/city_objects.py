"""One function for each object that streets have and roads do not; each stands at `x` and `z`."""

import math

import numpy as np

from segtrain.synthetic.road_scenes.looks import POLE, Colour, shade
from segtrain.synthetic.road_scenes.scene import Box, Scene
from segtrain.synthetic.street_scenes.city_looks import (
    BORDER,
    DYNAMIC,
    EGO,
    LIGHT,
    MOTORCYCLE,
    PARKING,
    RAILS,
    RIDER,
    TRAM,
    TRUCK,
)

GLASS, TYRE = (48, 56, 64), (28, 28, 30)


def draw_carriage(scene: Scene, x: float, z: float, label: int) -> None:
    """A bus, or a tram, which is longer and has a stripe: windows all along the flank."""
    rng, tram = scene.rng, label == TRAM
    width, length, top = (2.4, rng.uniform(14, 24), 3.4) if tram else (2.5, rng.uniform(8, 12), rng.uniform(2.8, 3.3))
    body, half = scene.paint(label, 0.1), width / 2
    flank, stripe = x - half if x > scene.camera_x else x + half, shade(body, 0.55)
    pitch = 1.6 / length
    panes = [(left, left + 0.8 * pitch, 0.46, 0.82) for left in np.arange(0.03, 1 - pitch, pitch).tolist()]
    wheels = [] if tram else [(0.16, 0.16 + 1.0 / length, 0, 0.3), (0.7, 0.7 + 1.0 / length, 0, 0.3)]
    scene.shadow((x - half - 0.3, x + half + 0.3), (z - 0.3, z + length))
    scene.panel(
        label, (flank, z), (flank, z + length), top,
        (shade(body, 0.78), [(0, 1, 0.1, 1)]), (stripe, [(0, 1, 0.1, 0.24 if tram else 0.14)]), (GLASS, panes),
        (TYRE, wheels),
    )  # fmt: skip
    lamp = (200, 44, 36) if x > 0 else (240, 236, 210)
    scene.panel(
        label, (x - half, z), (x + half, z), top,
        (TYRE, [(0.08, 0.92, 0, 0.12)]), (body, [(0, 1, 0.1, 1)]), (stripe, [(0, 1, 0.1, 0.24 if tram else 0.14)]),
        (GLASS, [(0.08, 0.92, 0.42, 0.84)]), ((224, 160, 60), [(0.3, 0.7, 0.88, 0.95)]),
        (lamp, [(0.06, 0.18, 0.25, 0.32), (0.82, 0.94, 0.25, 0.32)]),
    )  # fmt: skip


def draw_truck(scene: Scene, x: float, z: float) -> None:
    """A load behind a lower cab; on the right it drives ahead and shows the load's doors, on the left it comes."""
    rng, comes = scene.rng, x < 0
    half, length, top = 1.25, rng.uniform(6, 9), rng.uniform(2.9, 3.7)
    load, cab, low = scene.paint(TRUCK), scene.paint(TRUCK), rng.uniform(0.62, 0.75)
    flank = x - half if x > scene.camera_x else x + half
    load_box, cab_box = (
        ((0.3, 1.0, 0.24, 1), (0, 0.26, 0.14, low)) if comes else ((0, 0.72, 0.24, 1), (0.75, 1, 0.14, low))
    )
    tyres: list[Box] = [(0.08, 0.2, 0, 0.26), (0.6, 0.72, 0, 0.26), (0.76, 0.88, 0, 0.26)]
    scene.shadow((x - half - 0.3, x + half + 0.3), (z - 0.3, z + length))
    scene.panel(
        TRUCK, (flank, z), (flank, z + length), top,
        (TYRE, [(0, 1, 0.14, 0.24), *tyres]), (shade(load, 0.78), [load_box]), (shade(cab, 0.78), [cab_box]),
    )  # fmt: skip
    end: list[tuple[Colour, list[Box]]] = [
        (TYRE, [(0.04, 0.24, 0, 0.2), (0.76, 0.96, 0, 0.2), (0.02, 0.98, 0.14, 0.24)])
    ]
    if comes:
        end += [
            (shade(load, 0.9), [(0.0, 1.0, low, 1)]), (cab, [(0.02, 0.98, 0.14, low)]),
            (GLASS, [(0.1, 0.9, 0.55 * low, 0.9 * low)]),
            ((240, 236, 210), [(0.06, 0.18, 0.2, 0.26), (0.82, 0.94, 0.2, 0.26)]),
        ]  # fmt: skip
    else:
        end += [
            (load, [(0, 1, 0.24, 1)]), (shade(load, 0.6), [(0.49, 0.51, 0.26, 0.98)]),
            ((200, 44, 36), [(0.03, 0.14, 0.17, 0.22), (0.86, 0.97, 0.17, 0.22)]),
        ]  # fmt: skip
    scene.panel(TRUCK, (x - half, z), (x + half, z), top, *end)


def draw_cycle(scene: Scene, x: float, z: float, label: int, ridden: bool) -> None:
    """A bicycle or motorcycle from the side, or, since it mostly goes along the road, from its end."""
    rng, motor = scene.rng, label == MOTORCYCLE
    paint, radius, top = scene.paint(label), 0.3 if motor else 0.35, 1.05
    scene.shadow((x - 0.5, x + 0.5), (z - 0.1, z + 0.6))
    if rng.random() < 0.45:
        half = scene.half_width(0.5 if motor else 0.3, z)
        scene.panel(
            label, (x - half, z), (x + half, z), top,
            (TYRE, [(0.34, 0.66, 0, 0.62)]), (paint, [(0.18, 0.82, 0.5, 0.82)] if motor else [(0.36, 0.64, 0.5, 0.9)]),
            (shade(paint, 0.7), [(0, 1, 0.86, 0.97)]),
        )  # fmt: skip
        seat = half
    else:
        seat = 0.8
        for dx in (-0.52, 0.52):
            for share, colour in ((1.0, TYRE), (0.72, (112, 112, 110))):
                scene.ellipse(x + dx, radius, z, share * radius, scene.surface(colour, label, z), label)
        frame: list[Box] = [(0.2, 0.8, 0.38, 0.72), (0.6, 0.9, 0.66, 0.86)] if motor else [
            (0.2, 0.7, 0.34, 0.42), (0.3, 0.72, 0.7, 0.78), (0.3, 0.37, 0.34, 0.9), (0.68, 0.76, 0.34, 1),
        ]  # fmt: skip
        dark: list[Box] = [(0.15, 0.5, 0.72, 0.8), (0.74, 0.82, 0.8, 1)] if motor else [(0.24, 0.42, 0.88, 0.95)]
        scene.panel(label, (x - 0.8, z), (x + 0.8, z), top, (paint, frame), (TYRE, dark))
    if ridden:
        _draw_rider(scene, x, z, min(seat, 0.5))


def _draw_rider(scene: Scene, x: float, z: float, half: float) -> None:
    half, tall = max(half, scene.half_width(0.5, z)), scene.rng.uniform(1.6, 1.85)
    helmet = (214, 168, 138) if scene.rng.random() < 0.4 else scene.paint(RIDER)
    scene.panel(
        RIDER, (x - half, z), (x + half, z), tall,
        (scene.paint(RIDER), [(0.24, 0.44, 0.2, 0.6), (0.56, 0.76, 0.26, 0.6)]),
        (scene.paint(RIDER), [(0.18, 0.82, 0.5, 0.85), (0.08, 0.92, 0.6, 0.74)]),
        (helmet, [(0.33, 0.67, 0.84, 1)]),
    )  # fmt: skip


def draw_light(scene: Scene, x: float, z: float) -> None:
    """Three lamps in a dark case, one of them lit, on a post; the case may hang over the road."""
    post, low, half = scene.half_width(0.14, z), scene.rng.uniform(2.2, 2.7), scene.half_width(0.42, z)
    if scene.rng.random() < 0.4:
        low, reach = scene.rng.uniform(3.6, 4.4), -math.copysign(scene.rng.uniform(1.5, 3.0), x)
        arm = scene.surface(scene.paint(POLE), POLE, z)
        ends = [scene.project(at, low + up, z) for at, up in ((x, 0.45), (x + reach, 0.45), (x + reach, 0.6), (x, 0.6))]
        scene.polygon(ends, arm, POLE)
    else:
        reach = 0.0
    scene.panel(POLE, (x - post, z), (x + post, z), low + 0.6, (scene.paint(POLE), [(0, 1, 0, 1)]))
    x, top = x + reach, low + 1.1
    scene.panel(LIGHT, (x - half, z), (x + half, z), top, (scene.paint(LIGHT), [(0, 1, low / top, 1)]))
    lit = int(scene.rng.integers(3))
    for lamp, colour in enumerate([(70, 220, 120), (240, 190, 60), (236, 60, 50)]):
        glow = scene.surface(colour if lamp == lit else shade(colour, 0.25), LIGHT, z)
        scene.ellipse(x, low + 0.22 + 0.33 * lamp, z, 0.13, glow, LIGHT)


def draw_dynamic(scene: Scene, x: float, z: float) -> None:
    """Luggage or a pram: what stands there today."""
    half, top = scene.rng.uniform(0.2, 0.45), scene.rng.uniform(0.5, 1.0)
    scene.shadow((x - half, x + half), (z - 0.1, z + 0.5))
    scene.panel(DYNAMIC, (x - half, z), (x + half, z), top, (TYRE, [(0.1, 0.3, 0, 0.2), (0.7, 0.9, 0, 0.2)]),
                (scene.paint(DYNAMIC), [(0, 1, 0.12, 1)]))  # fmt: skip


def draw_rails(scene: Scene, x: float) -> None:
    bed, steel = scene.surface(scene.paint(RAILS), RAILS), scene.surface((150, 146, 142), RAILS)
    scene.polygon(scene.strip((x - 1.3, x + 1.3), (1.0, 60.0)), bed, RAILS)
    for rail in (x - 0.75, x + 0.67):
        scene.polygon(scene.strip((rail, rail + 0.1), (1.0, 60.0)), steel, RAILS)


def draw_parking(scene: Scene, side: int) -> None:
    """A bay between the road and the sidewalk, with marks."""
    near = scene.rng.uniform(3, 14)
    far, edge = near + scene.rng.uniform(10, 25), side * scene.kerb_x
    bay = scene.surface(scene.paint(PARKING), PARKING)
    scene.polygon(scene.strip((edge, edge + side * 1.6), (near, far)), bay, PARKING)


def draw_ego(scene: Scene) -> None:
    """The hood of the car that carries the camera, and the image's rim, which has no labels."""
    (w, h), rng = scene.ids.size, scene.rng
    rise, left, right = rng.uniform(0.05, 0.11) * h, rng.uniform(0.0, 0.12) * w, rng.uniform(0.88, 1.0) * w
    angles = np.linspace(math.pi, 2 * math.pi, 24).tolist()
    middle, half = (left + right) / 2, (right - left) / 2
    for scale, tone in ((1.0, 0.8), (0.86, 1.1)):
        points = [(middle + half * math.cos(a), h + scale * rise * math.sin(a)) for a in angles]
        scene.polygon(points, scene.surface(shade(scene.paint(EGO, 0.05), tone), EGO, 1.5), EGO)
    scene.label_pen.rectangle((0, 0, w - 1, h - 1), outline=BORDER, width=2)
