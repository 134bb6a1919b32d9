"""Road scenes: rendered here, deterministic, written in the CARLA layout (see `write_scenes`).

A scene is a pinhole camera over a road. The ground, then all that stands on it from far to near (painter's
order), is drawn with PIL twice: as surface ids and as class labels. The surfaces are then textured, lit, hazed,
averaged 2 x 2, blurred and given sensor noise in a few numpy passes; labels are picked, never blended.

`looks` has each style's colours and ranges, `scene` the camera and the pens, `ground` and `objects` draw with them,
`placement` says what stands where, `picture` develops what was drawn.

World, in metres: x to the right of the road's middle, y up from the ground, z ahead of the camera.
Shapes: images and labels are (H, W), the canvas is (2H, 2W).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtrain.machine.disk import write_once
from segtrain.synthetic.road_scenes.ground import draw_ground
from segtrain.synthetic.road_scenes.looks import LOOKS, Style
from segtrain.synthetic.road_scenes.picture import develop
from segtrain.synthetic.road_scenes.placement import frontage, street
from segtrain.synthetic.road_scenes.scene import SUPERSAMPLING, Scene

__all__ = ["Style", "render_scene", "write_scenes"]


def render_scene(
    rng: np.random.Generator, height: int, width: int, style: Style
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One scene: its image (H, W, 3) uint8 RGB and its labels (H, W) uint8, CARLA's class ids 0..12."""
    scene = Scene(rng, LOOKS[style], SUPERSAMPLING * height, SUPERSAMPLING * width)
    draw_ground(scene)
    for _, draw in sorted([*frontage(scene), *street(scene)], key=lambda item: item[0], reverse=True):
        draw()
    labels = np.asarray(scene.labels)[::SUPERSAMPLING, ::SUPERSAMPLING]
    return develop(scene), labels.copy()


def write_scenes(root: Path, style: Style, counts: Mapping[str, int], height: int, width: int, seed: int) -> None:
    """Writes `counts[folder]` scenes to `<root>/<folder>/<folder>/{CameraRGB,CameraSeg}/000000.png` and so on.

    Masks are RGB with the class id in red and nothing else, as CARLA's. Scene i, counted over all folders, is a
    function of (seed, style, i) and the size. `root` appears as `write_once` says.
    """

    def fill(whole: Path) -> None:
        index = 0
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

    write_once(root, fill)
