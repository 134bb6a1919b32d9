"""What lies under the objects and behind them all: terrain, skyline, sidewalks, the road and its lines."""

import numpy as np

from segtrain.synthetic.road_scenes.looks import BUILDING, ROAD, ROAD_LINE, SIDEWALK, VEGETATION, shade
from segtrain.synthetic.road_scenes.scene import VIEW_M, Scene


def draw_ground(scene: Scene) -> None:
    rng, edge, outer, near = scene.rng, scene.kerb_x, scene.kerb_x + scene.sidewalk_m, 1.0
    (w, h), horizon = scene.ids.size, scene.horizon
    terrain = scene.look.verge if rng.random() < 0.7 else SIDEWALK
    scene.polygon([(0, horizon), (w, horizon), (w, h), (0, h)], scene.surface(scene.paint(terrain), terrain), terrain)
    _draw_skyline(scene)
    paving = scene.paint(SIDEWALK)
    kerb, joint, slab = (scene.surface(shade(paving, factor), SIDEWALK) for factor in (1.22, 0.82, 1.0))
    joints = np.arange(2.0, 24.0, rng.uniform(1.0, 2.0)).tolist()
    for side in (-1, 1):
        scene.polygon(scene.strip((side * edge, side * outer), (near, VIEW_M)), slab, SIDEWALK)
        for z in joints:
            scene.polygon(scene.strip((side * edge, side * outer), (z, z * 1.01)), joint, SIDEWALK)
        scene.polygon(scene.strip((side * edge, side * (edge + 0.25)), (near, VIEW_M)), kerb, SIDEWALK)
    scene.polygon(scene.strip((-edge, edge), (near, VIEW_M)), scene.surface(scene.paint(ROAD), ROAD), ROAD)
    _draw_road_lines(scene)
    if rng.random() < 0.6:  # a building off the picture or behind the frontage keeps the sun off
        reach, z = rng.uniform(0.3, 1.6) * edge, rng.uniform(1.0, 25.0)
        scene.shadow((scene.sun_side * outer, scene.sun_side * (outer - reach)), (z, z + rng.uniform(8, 40)))


def _draw_skyline(scene: Scene) -> None:
    label, tallest = (BUILDING, 16) if scene.rng.random() < 0.5 else (VEGETATION, 9)
    x, z = -90.0, VIEW_M + 20
    while x < 90:
        width, top, colour = scene.rng.uniform(6, 20), scene.rng.uniform(2, tallest), scene.paint(label)
        if label == BUILDING:
            scene.panel(label, (x, z), (x + width, z), top, (colour, [(0, 1, 0, 1)]))
        else:
            scene.ellipse(x, top - width, z, width, scene.surface(colour, label, z), label)
        x += width


def _draw_road_lines(scene: Scene) -> None:
    rng, edge = scene.rng, scene.kerb_x
    half, paint = rng.uniform(0.07, 0.14), scene.surface(scene.paint(ROAD_LINE, 0.1), ROAD_LINE)
    solid = [(1.0, VIEW_M)]
    dashes = [(z, z + 3.0) for z in np.arange(rng.uniform(1, 4), 45, rng.uniform(5, 9)).tolist()]
    lines = {0.0: solid if rng.random() < 0.35 else dashes}
    if edge > 5.0:
        lines |= {-edge / 2: dashes, edge / 2: dashes}
    if rng.random() < 0.6:
        lines |= {0.3 - edge: solid, edge - 0.3: solid}
    for x, pieces in lines.items():
        for piece in pieces:
            scene.polygon(scene.strip((x - half, x + half), piece), paint, ROAD_LINE)
    if rng.random() < 0.3:  # a zebra crossing
        z = rng.uniform(7, 20)
        for x in np.arange(0.4 - edge, edge - 0.5, 1.0).tolist():
            scene.polygon(scene.strip((x, x + 0.5), (z, z + 3.0)), paint, ROAD_LINE)
