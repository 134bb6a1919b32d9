"""One function for each object of a scene: it stands at `x` and `z`, or at `x` along the road from `near` to `far`."""

import math
from collections.abc import Callable

import numpy as np

from segtrain.synthetic.road_scenes.looks import (
    BUILDING,
    FENCE,
    OTHER,
    PEDESTRIAN,
    POLE,
    SIGN,
    VEGETATION,
    VEHICLE,
    WALL,
    shade,
)
from segtrain.synthetic.road_scenes.scene import Box, Scene


def draw_building(scene: Scene, x: float, near: float, far: float) -> None:
    rng, top, colour = scene.rng, scene.rng.uniform(3.5, 14.0), scene.paint(BUILDING)
    glass = shade((70, 84, 100), rng.uniform(0.6, 1.9))
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
        scene.panel(BUILDING, a, b, top, (shade(colour, 1.12 if lit else 0.8), [(0, 1, 0, 1)]), (glass, windows))


def draw_wall(scene: Scene, x: float, near: float, far: float) -> None:
    """Courses of stone with staggered joints, under a coping."""
    top, colour, length = scene.rng.uniform(1.6, 3.4), scene.paint(WALL), far - near
    course, stone = scene.rng.uniform(0.3, 0.5) / top, scene.rng.uniform(0.7, 1.4) / length
    joints: list[Box] = []
    for row, low in enumerate(np.arange(0.0, 1.0, course).tolist()):
        joints.append((0, 1, low, low + 0.04 / top))
        for left in np.arange(stone * (row % 2) / 2, 1.0, stone).tolist():
            joints.append((left, left + 0.04 / length, low, min(low + course, 1.0)))
    coping = shade(colour, 1.2), [(0.0, 1.0, 0.94, 1.05)]
    layers = (colour, [(0.0, 1.0, 0.0, 1.0)]), (shade(colour, 0.72), joints), coping
    scene.panel(WALL, (x, near), (x, far), top, *layers)


def draw_fence(scene: Scene, x: float, near: float, far: float) -> None:
    """Bars and rails that show what stands behind; the label is the whole panel's, as in CARLA."""
    a, b, top, length = (x, near), (x, far), scene.rng.uniform(1.3, 2.6), far - near
    bar, gap = scene.rng.uniform(0.05, 0.12) / length, scene.rng.uniform(0.22, 0.45) / length
    bars = [(left, left + bar, 0.0, 1.0) for left in np.arange(0.0, 1.0, gap).tolist()]
    scene.label_pen.polygon(scene.upright(a, b, top), fill=FENCE)
    scene.panel(FENCE, a, b, top, (scene.paint(FENCE), [*bars, (0, 1, 0.08, 0.14), (0, 1, 0.86, 0.92)]))


def draw_tree(scene: Scene, x: float, z: float) -> None:
    stem, radius = scene.rng.uniform(1.4, 2.8), scene.rng.uniform(1.0, 2.4)
    half = scene.half_width(scene.rng.uniform(0.2, 0.45), z)
    bark = shade((84, 64, 52), scene.rng.uniform(0.7, 1.3))
    scene.shadow((x - radius, x + radius), (max(1.0, z - radius), z + radius))
    scene.panel(VEGETATION, (x - half, z), (x + half, z), stem, (bark, [(0, 1, 0, 1.3)]))
    draw_leaves(scene, x, z, stem + radius, radius)


def draw_leaves(scene: Scene, x: float, z: float, y: float, radius: float) -> None:
    """A bush or a crown around the height `y`: a ragged heap of blobs, darker below and lighter above."""
    colour = scene.paint(VEGETATION, 0.2)
    offsets = scene.rng.normal(0.0, 0.42 * radius, (14, 2))
    offsets = offsets[offsets[:, 1].argsort()]
    sizes = scene.rng.uniform(0.25, 0.62, 14) * radius
    for tone, (dx, dy), size in zip(np.linspace(0.7, 1.25, 14), offsets.tolist(), sizes.tolist(), strict=True):
        scene.ellipse(x + dx, y + dy, z, size, scene.surface(shade(colour, tone), VEGETATION, z), VEGETATION)


def draw_vehicle(scene: Scene, x: float, z: float) -> None:
    """A body under a cabin: the flank that the camera sees, then the end that faces it."""
    rng, tall = scene.rng, scene.rng.random() < 0.18
    width, length, top = (2.3, 6.5, rng.uniform(2.3, 3.1)) if tall else (1.8, rng.uniform(3.6, 4.8), 1.5)
    if rng.random() < 0.12:  # it crosses the road
        width, length = length, width
    body, glass, tyre, half = scene.paint(VEHICLE, 0.2), (52, 60, 70), (26, 26, 28), width / 2
    lamp = (200, 44, 36) if x > 0 else (240, 236, 210)
    flank = x - half if x > scene.camera_x else x + half
    scene.shadow((x - half - 0.25, x + half + 0.25), (z - 0.25, z + length))
    scene.panel(
        VEHICLE, (flank, z), (flank, z + length), top,
        (tyre, [(0.12, 0.28, 0, 0.36), (0.72, 0.88, 0, 0.36)]),
        (shade(body, 0.75), [(0, 1, 0.17, 1.0 if tall else 0.62)]),
        (glass, [(0.1, 0.8, 0.6, 0.95)]),
    )  # fmt: skip
    scene.panel(
        VEHICLE, (x - half, z), (x + half, z), top,
        (tyre, [(0.06, 0.22, 0, 0.3), (0.78, 0.94, 0, 0.3)]),
        (body, [(0, 1, 0.17, 0.62), (0.02, 0.98, 0.6, 1) if tall else (0.09, 0.91, 0.6, 1)]),
        (glass, [(0.14, 0.86, 0.64, 0.92)]),
        (lamp, [(0.03, 0.16, 0.42, 0.56), (0.84, 0.97, 0.42, 0.56)]),
    )  # fmt: skip


def draw_pedestrian(scene: Scene, x: float, z: float) -> None:
    half, tall = scene.half_width(scene.rng.uniform(0.4, 0.6), z), scene.rng.uniform(1.45, 1.9)
    skin, step = shade((214, 168, 138), scene.rng.uniform(0.45, 1.05)), scene.rng.uniform(0.0, 0.3)
    scene.shadow((x - half, x + half), (z - 0.1, z + 0.6))
    scene.panel(
        PEDESTRIAN, (x - half, z), (x + half, z), tall,
        (scene.paint(PEDESTRIAN), [(0.3 - step, 0.5 - step / 2, 0, 0.5), (0.5 + step / 2, 0.7 + step, 0, 0.5)]),
        (scene.paint(PEDESTRIAN), [(0, 1, 0.45, 0.84)]),
        (skin, [(0.27, 0.73, 0.84, 1)]),
    )  # fmt: skip


def draw_lamp_post(scene: Scene, x: float, z: float) -> None:
    half, top = scene.half_width(scene.rng.uniform(0.15, 0.28), z), scene.rng.uniform(4.0, 7.0)
    boxes: list[Box] = [(0, 1, 0, 1)]
    if scene.rng.random() < 0.7:
        arm = 1.6 / (2 * half)
        boxes.append((0.5 - arm if x > 0 else 0, 1 if x > 0 else 0.5 + arm, 1 - 2 * half / top, 1))
    scene.panel(POLE, (x - half, z), (x + half, z), top, (scene.paint(POLE), boxes))


def draw_sign(scene: Scene, x: float, z: float) -> None:
    """A triangle, a square or a disc with a pale middle, on a post."""
    half, top, radius = scene.half_width(0.12, z), scene.rng.uniform(2.2, 3.2), scene.rng.uniform(0.45, 0.75)
    scene.panel(POLE, (x - half, z), (x + half, z), top, (scene.paint(POLE), [(0, 1, 0, 1)]))
    corners = int(scene.rng.choice([3, 4, 12]))
    angles = np.pi / 2 + np.pi / corners * (corners == 4) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    for reach, colour in ((radius, scene.paint(SIGN, 0.1)), (0.55 * radius, (232, 230, 224))):
        points = [scene.project(x + reach * math.cos(a), top + reach * math.sin(a), z) for a in angles.tolist()]
        scene.polygon(points, scene.surface(colour, SIGN, z), SIGN)


def draw_other(scene: Scene, x: float, z: float) -> None:
    """A bin or cabinet, or a bench."""
    colour, half, top = scene.paint(OTHER), scene.rng.uniform(0.35, 0.9), scene.rng.uniform(0.9, 1.5)
    front: list[Box] = [(0, 1, 0, 1)]
    dark: list[Box] = [(0, 1, 0.85, 1), (0.25, 0.75, 0.4, 0.5)]
    if scene.rng.random() < 0.3:
        half, top = 1.0, 1.0
        front, dark = [(0, 1, 0.36, 0.58), (0, 1, 0.68, 1)], [(0.06, 0.16, 0, 0.4), (0.84, 0.94, 0, 0.4)]
    scene.shadow((x - half, x + half), (z - 0.1, z + 0.8))
    scene.panel(OTHER, (x - half, z), (x + half, z), top, (colour, front), (shade(colour, 0.6), dark))


FRONTAGE: dict[str, Callable[[Scene, float, float, float], None] | None] = {
    "building": draw_building, "wall": draw_wall, "fence": draw_fence, "green": None,
}  # fmt: skip
STREET: dict[str, Callable[[Scene, float, float], None]] = {
    "pedestrian": draw_pedestrian, "sign": draw_sign, "other": draw_other, "tree": draw_tree,
}  # fmt: skip
