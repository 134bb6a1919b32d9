"""Street scenes in Cityscapes' layout (see `write_streets`): the camera, ground and objects of `road_scenes`, with the
classes that only a city has, and with regions that have no label.

`city_looks` has the further classes and each city's look, `city_objects` draws what roads lack, `city_placement` says
where it stands.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.machine.disk import write_once
from segtrain.synthetic.road_scenes.ground import draw_ground
from segtrain.synthetic.road_scenes.looks import Look
from segtrain.synthetic.road_scenes.picture import develop
from segtrain.synthetic.road_scenes.placement import frontage, street
from segtrain.synthetic.road_scenes.scene import SUPERSAMPLING, Scene
from segtrain.synthetic.street_scenes.city_looks import LABEL_ID, city_look
from segtrain.synthetic.street_scenes.city_objects import draw_ego
from segtrain.synthetic.street_scenes.city_placement import city_street, pave

__all__ = ["render_street", "write_streets"]


def render_street(
    rng: np.random.Generator, look: Look, height: int, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One street: its image (H, W, 3) uint8 RGB and its labels (H, W) uint8, Cityscapes' label ids 0..33."""
    scene = Scene(rng, look, SUPERSAMPLING * height, SUPERSAMPLING * width)
    draw_ground(scene)
    tracks = pave(scene)
    items = [*frontage(scene), *street(scene), *city_street(scene, tracks)]
    for _, draw in sorted(items, key=lambda item: item[0], reverse=True):
        draw()
    draw_ego(scene)
    table = np.zeros(256, dtype=np.uint8)
    table[list(LABEL_ID)] = list(LABEL_ID.values())
    return develop(scene), table[np.asarray(scene.labels)[::SUPERSAMPLING, ::SUPERSAMPLING]]


def write_streets(root: Path, cities: Mapping[str, Mapping[str, int]], height: int, width: int, seed: int) -> None:
    """Writes `cities[split][city]` streets to `<root>/{leftImg8bit,gtFine}/<split>/<city>/<city>_000000_000019_...png`.

    Street i of city c, counted over all splits, is a function of (seed, c, i) and the size. `root` appears as
    `write_once` says.
    """

    def fill(whole: Path) -> None:
        numbered = enumerate((split, city) for split in cities for city in cities[split])
        for number, (split, city) in numbered:
            look = city_look(np.random.default_rng([seed, number]))
            images, masks = (whole / kind / split / city for kind in ("leftImg8bit", "gtFine"))
            images.mkdir(parents=True)
            masks.mkdir(parents=True)
            for frame in range(cities[split][city]):
                image, labels = render_street(np.random.default_rng([seed, number, frame]), look, height, width)
                stem = f"{city}_{frame:06d}_000019"  # a sequence's annotated frame is its twentieth
                Image.fromarray(image).save(images / f"{stem}_leftImg8bit.png", compress_level=1)
                Image.fromarray(labels).save(masks / f"{stem}_gtFine_labelIds.png", compress_level=1)

    write_once(root, fill)
