"""Where the objects of a scene stand, each with its distance, so that they can be drawn from far to near."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from segtrain.synthetic.road_scenes.objects import (
    FRONTAGE,
    STREET,
    draw_lamp_post,
    draw_leaves,
    draw_tree,
    draw_vehicle,
)
from segtrain.synthetic.road_scenes.scene import VIEW_M, Scene

Item = tuple[float, Callable[[], None]]  # distance, draw


def frontage(scene: Scene) -> Iterator[Item]:
    """What stands in a row along both sides of the road, and the plants behind."""
    rng, kinds, shares = scene.rng, list(scene.look.frontage), list(scene.look.frontage.values())
    for side in (-1, 1):
        x, near = side * (scene.kerb_x + scene.sidewalk_m + rng.uniform(0.0, 1.5)), 2.0
        while near < VIEW_M:
            far, kind = near + rng.uniform(5, 14), kinds[int(rng.choice(len(kinds), p=shares))]
            # At its far end's distance: all that is nearer than that stands between it and the camera.
            if (draw := FRONTAGE[kind]) is not None:
                yield far, partial(draw, scene, x, near, far)
            for _ in range(rng.poisson({"building": 0.0, "green": 2.5}.get(kind, 1.0))):
                behind, z, radius = (
                    x + side * rng.uniform(1.0, 6.0),
                    rng.uniform(max(near, 4.0), far),
                    rng.uniform(0.4, 1.1),
                )
                bush = partial(draw_leaves, scene, behind, z, 0.7 * radius, radius)
                yield far + 0.1, bush if rng.random() < 0.4 else partial(draw_tree, scene, behind, z)
            near = far


def street(scene: Scene) -> Iterator[Item]:
    """What stands on the road and on the sidewalks."""
    rng, kerb = scene.rng, scene.kerb_x
    for lane in (-0.5, 0.5) if kerb < 5.0 else (-0.75, -0.25, 0.25, 0.75):
        z = rng.uniform(6, 16)
        while z < VIEW_M:
            if rng.random() < scene.look.traffic:
                yield z, partial(draw_vehicle, scene, lane * kerb + rng.uniform(-0.3, 0.3), z)
            z += rng.uniform(8, 18)
    for x in (-kerb - 0.5, kerb + 0.5):
        for z in np.arange(rng.uniform(4, 12), VIEW_M, rng.uniform(12, 24)).tolist():
            yield z, partial(draw_lamp_post, scene, x, z)
    for kind, draw in STREET.items():
        for _ in range(rng.poisson(scene.look.street[kind])):
            z = math.exp(rng.uniform(math.log(5.0), math.log(28.0)))
            x = (kerb + rng.uniform(0.3, scene.sidewalk_m)) * (1 if rng.random() < 0.5 else -1)
            if kind == "pedestrian" and rng.random() < 0.2:
                x = rng.uniform(-kerb, kerb)
            yield z, partial(draw, scene, x, z)
