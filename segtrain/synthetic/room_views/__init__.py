"""Rooms in the layout of NYUDv2 (see `write_rooms`): boxes in a box, seen by a camera whose rays are cast one by one,
so that every pixel has its distance, its label and the direction of its surface.

Metres, x to the right, y up, z away from the camera, which stands at the origin. Shapes: H x W pixels, B boxes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from segtrain.machine.disk import write_once
from segtrain.synthetic.matlab_writer import write_mat
from segtrain.synthetic.road_scenes.picture import noise
from segtrain.synthetic.room_views.furniture import CEILING, FLOOR, THINGS, WALL, Thing

__all__ = ["render_room", "write_rooms"]

Floats = npt.NDArray[np.floating]
LIGHT = np.array([0.35, 0.8, -0.5]) / np.linalg.norm([0.35, 0.8, -0.5])
VOID_SHARE = 0.03
"""Of the pixels whose label is taken away, in blotches: NYUDv2's annotators have left some out, too."""


class Room(NamedTuple):
    """`low` and `high` (B, 3) are corners of boxes, the first one the room itself, seen from within."""

    low: Floats
    high: Floats
    labels: npt.NDArray[np.uint8]
    colours: Floats


class View(NamedTuple):
    image: npt.NDArray[np.uint8]  # (H, W, 3) RGB
    depth_mm: npt.NDArray[np.uint16]  # (H, W) along z
    hha: npt.NDArray[np.uint8]  # (H, W, 3): see `encode_hha`
    labels: npt.NDArray[np.uint8]  # (H, W): 0 void, 1 to 40


def render_room(rng: np.random.Generator, height: int, width: int, first: int) -> View:
    """A room with thing number `first` of THINGS and some others in it."""
    room = _furnish(rng, first)
    x, y = (np.arange(width) + 0.5) / width - 0.5, 0.5 - (np.arange(height) + 0.5) / height
    rays = np.stack(np.broadcast_arrays(x * 1.25, (y * height / width * 1.25)[:, None], 1.0), axis=-1)
    tilt = rng.uniform(-0.22, 0.0)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    rays = rays @ turn.T
    which, distance, normal = _cast(room, rays)
    labels, colours = room.labels[which], room.colours[which].astype(np.float32)
    inside = which == 0
    floor, ceiling = inside & (normal[..., 1] > 0.5), inside & (normal[..., 1] < -0.5)
    labels = np.where(floor, FLOOR, np.where(ceiling, CEILING, labels)).astype(np.uint8)
    ground = np.array([(150, 112, 74), (120, 116, 110), (90, 74, 66)][int(rng.integers(3))], np.float32)
    colours = np.where(floor[..., None], ground, np.where(ceiling[..., None], np.float32(224), colours))
    light = 0.55 + 0.4 * (normal @ LIGHT).clip(0) + 0.25 / (1 + distance)
    grain = 1 + 0.06 * noise(rng, (width, height), 1) + 0.08 * noise(rng, (width, height), 9)
    canvas = colours * (light * grain)[..., None] * rng.uniform(0.75, 1.15)
    blurred = Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    image = np.asarray(blurred, np.float32) + rng.standard_normal(canvas.shape, np.float32) * 4
    measured = distance * (1 + 0.004 * rng.standard_normal(distance.shape))
    points = rays * measured[..., None]
    void = noise(rng, (width, height), 7) > np.quantile(noise(rng, (width, height), 7), 1 - VOID_SHARE)
    hha = encode_hha(measured, points[..., 1] - room.low[0, 1], normal[..., 1])
    shown = image.clip(0, 255).astype(np.uint8)
    return View(shown, np.rint(1000 * measured).astype(np.uint16), hha, np.where(void, 0, labels).astype(np.uint8))


def encode_hha(depth: Floats, above_ground: Floats, upward: Floats) -> npt.NDArray[np.uint8]:
    """Gupta et al. 2014: disparity, height above the ground, and the angle of the surface to gravity, each in [0, 255].
    `upward` is the vertical part of the surface's direction."""
    angle = np.degrees(np.arccos(upward.clip(-1, 1)))
    parts = 255 * 0.5 / depth, above_ground * 255 / 3, angle * 255 / 180
    return np.stack([part.clip(0, 255) for part in parts], axis=-1).astype(np.uint8)


def _furnish(rng: np.random.Generator, first: int) -> Room:
    half, back, eye, top = rng.uniform(1.6, 2.6), rng.uniform(3.4, 5.0), rng.uniform(1.2, 1.6), rng.uniform(2.4, 2.8)
    low, high = [np.array([-half, -eye, -0.5])], [np.array([half, top - eye, back])]
    labels = [WALL]
    colours: list[tuple[float, ...]] = [[(214, 204, 186), (170, 186, 178), (196, 176, 160)][int(rng.integers(3))]]
    chosen = [first, *rng.choice(len(THINGS), int(rng.integers(5, 10)), replace=False).tolist()]
    # What lies on top of others is put there once they stand.
    for thing in sorted((THINGS[index] for index in dict.fromkeys(chosen)), key=lambda one: one.place == "top"):
        size = np.array([rng.uniform(*span) for span in (thing.wide, thing.tall, thing.deep)])
        corner = _place(rng, thing, size, low, high)
        if corner is None:
            continue
        extent = size if corner[1] == 0 else size[[2, 1, 0]]
        low.append(corner[0])
        high.append(corner[0] + extent)
        labels.append(thing.label)
        tone = rng.uniform(0.85, 1.15)
        colours.append(tuple(tone * part for part in thing.colours[int(rng.integers(len(thing.colours)))]))
    return Room(np.array(low), np.array(high), np.array(labels, np.uint8), np.array(colours))


def _place(
    rng: np.random.Generator, thing: Thing, size: Floats, low: list[Floats], high: list[Floats]
) -> tuple[Floats, int] | None:
    """The lower corner, and the axis along which it is wide: 0 at the back wall, 2 at those of the sides. None where
    nothing stands that it could lie on."""
    ground, back, half = low[0][1], high[0][2], high[0][0]
    if thing.place == "floor":
        return np.array([rng.uniform(-half, half - size[0]), ground, rng.uniform(1.8, back - size[2])]), 0
    if thing.place == "top":
        below = [index for index in range(1, len(low)) if high[index][1] < ground + 1.1 and low[index][1] == ground]
        if not below:
            return None
        under = below[int(rng.integers(len(below)))]
        room = np.maximum(0, high[under] - low[under] - size)
        return low[under] + room * rng.random(3) * (1, 0, 1) + (0, high[under][1] - low[under][1], 0), 0
    lift = ground + (rng.uniform(0.8, 1.2) if thing.place == "high" else 0)
    if rng.random() < 0.6:
        return np.array([rng.uniform(-half, half - size[0]), lift, back - size[2]]), 0
    left = rng.random() < 0.5
    return np.array([-half if left else half - size[2], lift, rng.uniform(1.2, max(1.3, back - size[0]))]), 2


def _cast(room: Room, rays: Floats) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """rays (H, W, 3) -> of what each meets first: the number of the box, the distance in lengths of the ray, and the
    direction of the surface (H, W, 3)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = room.low[:, None, None] / rays, room.high[:, None, None] / rays  # (B, H, W, 3)
    near, far = np.minimum(one, other), np.maximum(one, other)
    enters, leaves = near.max(axis=-1), far.min(axis=-1)
    met = np.where((enters > 0.3) & (enters < leaves), enters, np.inf)
    met[0] = leaves[0]  # the room is left, all else is entered
    which = met.argmin(axis=0)
    distance = np.take_along_axis(met, which[None], axis=0)[0]
    axis = np.where(
        which == 0, far[0].argmin(axis=-1), np.take_along_axis(near.argmax(axis=-1), which[None], axis=0)[0]
    )
    facing = -np.sign(np.take_along_axis(rays, axis[..., None], axis=-1))
    return which, distance, np.where(np.arange(3) == axis[..., None], facing, 0.0)


def write_rooms(root: Path, trainval: int, test: int, height: int, width: int, seed: int) -> None:
    """Writes rooms under `<root>/nyud`, and their lists. Room i, the tests last, is a function of (seed, i) and the
    size. `root` appears as `write_once` says."""

    def fill(whole: Path) -> None:
        folder = whole / "nyud"
        for name in ("data/images", "data/depth", "data/hha", "segmentation"):
            (folder / name).mkdir(parents=True)
        names = [str(5001 + index) for index in range(trainval + test)]
        for index, name in enumerate(names):
            view = render_room(np.random.default_rng([seed, index]), height, width, index % len(THINGS))
            for kind, pixels in (("images", view.image), ("depth", view.depth_mm), ("hha", view.hha)):
                Image.fromarray(pixels).save(folder / "data" / kind / f"img_{name}.png", compress_level=1)
            write_mat(folder / "segmentation" / f"img_{name}.mat", {"segmentation": view.labels})
        for part, listed in (("trainval", names[:trainval]), ("test", names[trainval:])):
            (folder / f"{part}.txt").write_text("".join(f"{name}\n" for name in listed))

    write_once(root, fill)
