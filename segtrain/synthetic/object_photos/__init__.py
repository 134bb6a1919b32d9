"""Photographs of objects in the layout of PASCAL VOC and SBD (see `write_objects`): one to three of twenty kinds, each
a silhouette of a few parts, before the cluttered backdrop of the animals, out of focus.

Shapes: images and labels are (H, W), canvases (2H, 2W).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from segtrain.machine.disk import write_once
from segtrain.synthetic.animal_portraits.backdrop import draw_backdrop
from segtrain.synthetic.matlab_writer import write_mat
from segtrain.synthetic.object_photos.silhouettes import KINDS, Kind
from segtrain.synthetic.road_scenes.picture import expose, noise

__all__ = ["render_objects", "write_objects"]

SIDES_PX = (84, 116)
VOID = 255
MOST_OBJECTS = 3
CLOSENESS = 1.3
SEEN_TWICE = 3
"""Every third image of VOC's validation is one of SBD's training images as well, as many of the real ones are."""


def render_objects(
    rng: np.random.Generator, height: int, width: int, first: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A picture with an object of kind `first` in front of up to two others: its image (H, W, 3) uint8 RGB and its
    labels (H, W) uint8, 0 background and 1 to 20."""
    size = 2 * width, 2 * height
    others = rng.integers(1, len(KINDS), int(rng.integers(MOST_OBJECTS)), endpoint=True).tolist()
    ids, labels = Image.new("I", size), Image.new("L", size)
    colours: list[tuple[float, ...]] = [(0, 0, 0)]
    for label in [*others, first]:
        _draw(rng, KINDS[label - 1], label, ids, labels, colours)
    backdrop = draw_backdrop(rng, size, horizon=rng.uniform(0.3, 0.7) * size[1]).clip(0, 255).astype(np.uint8)
    out_of_focus = Image.fromarray(backdrop).filter(ImageFilter.BoxBlur(rng.uniform(2, 6)))
    canvas = np.asarray(out_of_focus, dtype=np.float32)
    which = np.asarray(ids)
    grain = 1 + 0.06 * noise(rng, size, 1) + 0.12 * noise(rng, size, 12)
    painted = np.array(colours, dtype=np.float32)[which] * grain[..., None]
    canvas = np.where((which > 0)[..., None], painted, canvas)
    warmth = rng.uniform(-0.10, 0.14)
    canvas *= np.array([1 + warmth, 1, 1 - warmth], np.float32) * rng.uniform(0.75, 1.15)
    return expose(rng, canvas, (2.0, 7.0)), np.asarray(labels)[::2, ::2]


def _draw(
    rng: np.random.Generator,
    kind: Kind,
    label: int,
    ids: Image.Image,
    labels: Image.Image,
    colours: list[tuple[float, ...]],
) -> None:
    longer = rng.uniform(*kind.size) * CLOSENESS * min(ids.size)
    extent = np.array([longer, longer / kind.aspect] if kind.aspect > 1 else [longer * kind.aspect, longer])
    corner = rng.uniform(-0.15, 0.15 + np.maximum(0.05, np.array(ids.size) / extent - 1)) * extent
    mirrored, colour = rng.random() < 0.5, kind.colours[int(rng.integers(len(kind.colours)))]
    light = rng.uniform(0.8, 1.2)
    for part in kind.parts:
        points = np.array(part.points).reshape(-1, 2)
        if mirrored:
            points = points * (-1, 1) + (1, 0)
        placed = corner + points * extent
        colours.append(tuple(light * part.tone * channel for channel in part.colour or colour))
        for image, fill in ((ids, len(colours) - 1), (labels, label)):
            pen = ImageDraw.Draw(image)
            if part.form == "shape":
                pen.polygon([(x, y) for x, y in placed.tolist()], fill=fill)
                continue
            (left, top), (right, bottom) = placed.min(0).tolist(), placed.max(0).tolist()
            (pen.rectangle if part.form == "box" else pen.ellipse)((left, top, right, bottom), fill=fill)


def with_void(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """VOC's masks have a band of no class around each object, here of a pixel on each side."""
    picture = Image.fromarray(labels)
    outer, inner = (np.asarray(picture.filter(rank)) for rank in (ImageFilter.MaxFilter(3), ImageFilter.MinFilter(3)))
    return np.where(outer == inner, labels, VOID).astype(np.uint8)


def write_objects(root: Path, year: int, sbd: int, voc: int, seed: int) -> None:
    """Writes `sbd` training images under `<root>/benchmark_RELEASE` and `voc` images of validation under
    `<root>/VOCdevkit/VOC<year>`, every SEEN_TWICE-th of which is a training image too, and their lists.

    Image i, counted over SBD and what VOC has besides, is a function of (seed, i), its size too, and its kind of
    object is i in turn. `root` appears as `write_once` says.
    """
    shared = list(range(0, voc, SEEN_TWICE))

    def fill(whole: Path) -> None:
        dataset, devkit = whole / "benchmark_RELEASE" / "dataset", whole / "VOCdevkit" / f"VOC{year}"
        lists = devkit / "ImageSets" / "Segmentation"
        for folder in (dataset / "img", dataset / "cls", devkit / "JPEGImages", devkit / "SegmentationClass", lists):
            folder.mkdir(parents=True)
        names = {"sbd": list[str](), "voc": list[str]()}
        for index in range(sbd + voc - len(shared)):
            rng = np.random.default_rng([seed, index])
            height, width = rng.integers(SIDES_PX[0], SIDES_PX[1], 2, endpoint=True).tolist()
            image, labels = render_objects(rng, height, width, 1 + index % len(KINDS))
            name = f"2008_{index + 1:06d}"
            if index < sbd:
                names["sbd"].append(name)
                Image.fromarray(image).save(dataset / "img" / f"{name}.jpg", quality=92)
                present = np.unique(labels[labels > 0])[:, None]
                annotation = {"Segmentation": labels, "CategoriesPresent": present}
                write_mat(dataset / "cls" / f"{name}.mat", {"GTcls": annotation})
            if index >= sbd or index < len(shared):
                names["voc"].append(name)
                Image.fromarray(image).save(devkit / "JPEGImages" / f"{name}.jpg", quality=92)
                mask = Image.fromarray(with_void(labels)).convert("P")
                mask.putpalette([part for value in range(256) for part in voc_colour(value)])
                mask.save(devkit / "SegmentationClass" / f"{name}.png")
        (dataset / "train.txt").write_text("".join(f"{name}\n" for name in names["sbd"]))
        (lists / "val.txt").write_text("".join(f"{name}\n" for name in names["voc"]))

    write_once(root, fill)


def voc_colour(label: int) -> tuple[int, int, int]:
    """Bit k of a channel, from the highest down, is bit 3 k + channel of the label."""
    red, green, blue = (sum(((label >> 3 * k + channel) & 1) << 7 - k for k in range(3)) for channel in range(3))
    return red, green, blue
