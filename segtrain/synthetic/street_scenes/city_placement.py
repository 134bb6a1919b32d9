"""Where the objects stand that streets have and roads do not."""

import math
from collections.abc import Callable, Iterator
from functools import partial

from segtrain.synthetic.road_scenes.placement import Item
from segtrain.synthetic.road_scenes.scene import Scene
from segtrain.synthetic.street_scenes.city_looks import BICYCLE, BUS, MOTORCYCLE, TRAM
from segtrain.synthetic.street_scenes.city_objects import (
    draw_carriage,
    draw_cycle,
    draw_dynamic,
    draw_light,
    draw_parking,
    draw_rails,
    draw_truck,
)

Draw = Callable[[Scene, float, float], None]

ON_ROAD: tuple[tuple[float, Draw], ...] = (
    (0.6, partial(draw_carriage, label=BUS)),
    (0.6, draw_truck),
    (1.6, partial(draw_cycle, label=BICYCLE, ridden=True)),
    (1.0, partial(draw_cycle, label=MOTORCYCLE, ridden=True)),
)
ON_SIDEWALK: tuple[tuple[float, Draw], ...] = (
    (1.5, partial(draw_cycle, label=BICYCLE, ridden=False)),
    (1.0, partial(draw_cycle, label=MOTORCYCLE, ridden=False)),
    (2.5, draw_light),
    (0.5, draw_dynamic),
)
"""Mean count of each kind in a street, and what draws it."""


def pave(scene: Scene) -> float | None:
    """Draws tram tracks and parking bays on the ground; where the middle of the tracks is, if there are any."""
    for side in (-1, 1):
        if scene.rng.random() < 0.3:
            draw_parking(scene, side)
    if scene.rng.random() < 0.55:
        return None
    tracks = scene.rng.uniform(-0.6, -0.35) * scene.kerb_x
    draw_rails(scene, tracks)
    return tracks


def city_street(scene: Scene, tracks: float | None) -> Iterator[Item]:
    rng, kerb = scene.rng, scene.kerb_x
    if tracks is not None and rng.random() < 0.8:
        z = rng.uniform(7, 24)
        yield z, partial(draw_carriage, scene, tracks, z, TRAM)
    for counts, on_road in ((ON_ROAD, True), (ON_SIDEWALK, False)):
        for count, draw in counts:
            for _ in range(rng.poisson(count)):
                side = 1 if rng.random() < 0.5 else -1
                z = math.exp(rng.uniform(math.log(5.0), math.log(26.0)))
                x = side * (rng.uniform(0.35, 0.85) * kerb if on_road else kerb + rng.uniform(0.4, scene.sidewalk_m))
                yield z, partial(draw, scene, x, z)
