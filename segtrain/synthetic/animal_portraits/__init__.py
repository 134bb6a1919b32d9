"""Animals in Oxford-IIIT Pet's layout (see `write_animals`): a breed in a pose on a cluttered backdrop.

The parts of a pose are drawn with PIL as numbers; fur makes their outline ragged, and the coat's marking, the light and
the grain of the fur are laid over them in a few numpy passes. The trimap's border follows the outline on both sides.

`breeds` has what tells them apart, `poses` their parts, `backdrop` what is behind and before them.
Shapes: images and trimaps are (H, W), canvases (2H, 2W).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from segtrain.machine.disk import write_once
from segtrain.synthetic.animal_portraits.backdrop import draw_backdrop, draw_foreground
from segtrain.synthetic.animal_portraits.breeds import BREEDS, Breed
from segtrain.synthetic.animal_portraits.poses import POSES, Part, portrait
from segtrain.synthetic.road_scenes.picture import expose, noise

__all__ = ["render_animal", "write_animals"]

SIDES_PX = (96, 128)
PET, BACKGROUND, BORDER = 1, 2, 3


def render_animal(
    rng: np.random.Generator, breed: Breed, height: int, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One animal: its image (H, W, 3) uint8 RGB and its trimap (H, W) uint8: 1 pet, 2 background, 3 border."""
    size = 2 * width, 2 * height
    pose = POSES[int(rng.integers(len(POSES)))]
    parts = pose(rng, breed)
    numbers, ground = _draw_parts(rng, parts, size, close=pose is portrait)
    numbers = _ragged(rng, numbers, breed.fur_px)
    hidden, foreground = draw_foreground(rng, size)
    canvas = draw_backdrop(rng, size, horizon=rng.uniform(0.25, 0.75) * size[1])
    canvas *= 1 - rng.uniform(0.2, 0.5) * _shadow(numbers, ground)[..., None]
    fur = _coat(rng, breed, parts, numbers)
    canvas = np.where((numbers > 0)[..., None], fur, canvas)
    canvas = np.where(hidden[..., None], foreground, canvas)
    warmth = rng.uniform(-0.10, 0.14)
    canvas *= np.array([1 + warmth, 1, 1 - warmth], np.float32) * rng.uniform(0.7, 1.2)
    visible = ((numbers > 0) & ~hidden).reshape(height, 2, width, 2).mean(axis=(1, 3)) > 0.5
    return expose(rng, canvas, (2.0, 7.0)), _trimap(visible)


def _trimap(visible: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The border is two pixels outside of the outline and one inside."""
    pet = Image.fromarray(visible).convert("L")
    outer, inner = (np.asarray(pet.filter(rank)) > 0 for rank in (ImageFilter.MaxFilter(5), ImageFilter.MinFilter(3)))
    return np.where(inner, PET, np.where(outer, BORDER, BACKGROUND)).astype(np.uint8)


def _draw_parts(
    rng: np.random.Generator, parts: Sequence[Part], size: tuple[int, int], close: bool
) -> tuple[npt.NDArray[np.uint8], float]:
    """(2H, 2W): 1 + the part seen at each pixel, 0 where none is; and the row that the animal stands on."""
    reach = [0.0 if part.radii is None else part.radii[:, None] for part in parts]
    tilt = rng.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    mirror = 1 if rng.random() < 0.5 else -1
    turned = [part.points @ turn.T * (mirror, -1) for part in parts]
    low = np.min([(points - radii).min(axis=0) for points, radii in zip(turned, reach, strict=True)], axis=0)
    high = np.max([(points + radii).max(axis=0) for points, radii in zip(turned, reach, strict=True)], axis=0)
    scale = rng.uniform(*((1.0, 1.4) if close else (0.75, 1.15))) * np.min(size / (high - low))
    free = size - scale * (high - low)
    corner = free * rng.uniform((0.1, 0.4), (0.9, 0.95))
    if close:  # the head is in the picture, and the chest leaves it
        corner[1] = rng.uniform(0.02, 0.12) * size[1]
    image = Image.new("L", size)
    pen = ImageDraw.Draw(image)
    for number, (part, points) in enumerate(zip(parts, turned, strict=True), start=1):
        placed = corner + scale * (points - low)
        if part.radii is None:
            pen.polygon([(x, y) for x, y in placed.tolist()], fill=number)
            continue
        for (x, y), radius in zip(placed.tolist(), (scale * part.radii).tolist(), strict=True):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=number)
    return np.asarray(image), float(corner[1] + scale * (high - low)[1])


def _ragged(rng: np.random.Generator, numbers: npt.NDArray[np.uint8], fur_px: float) -> npt.NDArray[np.uint8]:
    """Every pixel is taken from up to some `fur_px` away."""
    h, w = numbers.shape
    dy, dx = (fur_px * (0.7 * noise(rng, (w, h), 3) + 0.5 * noise(rng, (w, h), 8)) for _ in range(2))
    rows = (np.arange(h)[:, None] + dy).round().astype(np.intp).clip(0, h - 1)
    columns = (np.arange(w)[None] + dx).round().astype(np.intp).clip(0, w - 1)
    ragged: npt.NDArray[np.uint8] = numbers[rows, columns]
    return ragged


def _blurred(mask: npt.NDArray[np.bool_], radius: float) -> npt.NDArray[np.float32]:
    soft = Image.fromarray(mask).convert("L").filter(ImageFilter.BoxBlur(radius))
    return np.asarray(soft, dtype=np.float32) / np.float32(255)


def _shadow(numbers: npt.NDArray[np.uint8], ground: float) -> npt.NDArray[np.float32]:
    """(2H, 2W) in [0, 1]: a soft patch on the ground, as wide as the animal."""
    h, w = numbers.shape
    columns = np.flatnonzero((numbers > 0).any(axis=0))
    patch = Image.new("L", (w, h))
    box = columns[0], ground - 0.06 * h, columns[-1], ground + 0.06 * h
    ImageDraw.Draw(patch).ellipse([float(edge) for edge in box], fill=255)
    return np.asarray(patch.filter(ImageFilter.BoxBlur(4)), dtype=np.float32) / np.float32(255)


def _coat(
    rng: np.random.Generator, breed: Breed, parts: Sequence[Part], numbers: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """(2H, 2W, 3): the colour of every part with its marking, light and grain."""
    h, w = numbers.shape
    ground, marking = (np.array(colour, np.float32) for colour in breed.coats[int(rng.integers(len(breed.coats)))])
    blotches = noise(rng, (w, h), 24)
    if breed.marking == "stripes":
        angle, pitch = rng.uniform(-0.6, 0.6), rng.uniform(9, 16)
        along = np.cos(angle) * np.arange(w)[None] + np.sin(angle) * np.arange(h)[:, None]
        marked = np.sin(2 * np.pi * along / pitch + 2.5 * blotches) > 0.35
    elif breed.marking == "patches":
        marked = blotches > 0.15
    elif breed.marking == "points":
        marked = np.array([False, *(part.extremity for part in parts)])[numbers]
    else:
        marked = np.zeros(numbers.shape, dtype=bool)
    colour = np.where(marked[..., None], marking, ground)
    bare = np.array([False, *(part.colour is not None for part in parts)])[numbers]
    skin = np.array([(0, 0, 0), *(part.colour or (0, 0, 0) for part in parts)], dtype=np.float32)[numbers]
    tone = np.array([1.0, *(part.tone for part in parts)], dtype=np.float32)[numbers]
    # Round: it darkens to its outline, and more so on the side away from the light.
    soft = _blurred(numbers > 0, 0.06 * min(h, w))
    across, down = np.gradient(soft, axis=1), np.gradient(soft, axis=0)
    light = 0.55 + 0.5 * soft + 6 * (rng.uniform(-1, 1) * across + rng.uniform(0.3, 1.0) * down)
    hair = noise(rng, (w, h), 1) * 0.10 + noise(rng, (w, h), 2) * 0.04 * breed.fur_px + 0.08 * blotches
    furred = colour * (tone * light * (1 + hair))[..., None]
    return np.where(bare[..., None], skin, furred)


def write_animals(root: Path, trainval: int, test: int, seed: int) -> None:
    """Writes `trainval` + `test` animals of each breed under `<root>/oxford-iiit-pet`, and their lists.

    Animal i, counted over the breeds in turn, is a function of (seed, i), its size too: sides are SIDES_PX long, odd or
    even, and seldom equal. `root` appears as `write_once` says.
    """

    def fill(whole: Path) -> None:
        images, annotations = (whole / "oxford-iiit-pet" / name for name in ("images", "annotations"))
        (annotations / "trimaps").mkdir(parents=True)
        images.mkdir()
        lists: dict[str, list[str]] = {"trainval": [], "test": []}
        for number, breed in enumerate(BREEDS):
            within = [other.name for other in BREEDS if other.species == breed.species].index(breed.name)
            for index in range(trainval + test):
                rng = np.random.default_rng([seed, number * (trainval + test) + index])
                height, width = rng.integers(SIDES_PX[0], SIDES_PX[1], 2, endpoint=True).tolist()
                image, trimap = render_animal(rng, breed, height, width)
                name = f"{breed.name}_{index + 1}"
                Image.fromarray(image).save(images / f"{name}.jpg", quality=92)
                Image.fromarray(trimap).save(annotations / "trimaps" / f"{name}.png", compress_level=1)
                part = "trainval" if index < trainval else "test"
                lists[part].append(f"{name} {number + 1} {breed.species} {within + 1}\n")
        for part, lines in lists.items():
            (annotations / f"{part}.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n" + "".join(lines))

    write_once(root, fill)
