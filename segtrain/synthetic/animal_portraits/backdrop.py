"""What is behind and in front of an animal: a room or a meadow full of things, some in the colours of coats."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segtrain.synthetic.animal_portraits.breeds import BREEDS, Colour
from segtrain.synthetic.road_scenes.picture import noise

GROUNDS = (
    (96, 120, 60), (122, 134, 84), (150, 120, 86), (176, 150, 116), (120, 112, 106), (92, 78, 66), (190, 184, 174),
    (108, 120, 140), (150, 66, 60), (70, 84, 100), (204, 196, 180),
)  # fmt: skip
COATS = tuple(colour for breed in BREEDS for coat in breed.coats for colour in coat)


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    red, green, blue = colours[int(rng.integers(len(colours)))]
    tone = rng.uniform(0.75, 1.2)
    return red * tone, green * tone, blue * tone


def _shape(rng: np.random.Generator, pen: ImageDraw.ImageDraw, size: tuple[int, int], fill: int) -> None:
    """A box, a cushion, a blob or a bar, anywhere."""
    (w, h), kind = size, int(rng.integers(4))
    x, y, reach = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.05, 0.22) * min(w, h)
    if kind == 0:
        pen.rectangle(
            (x - reach, y - reach, x + rng.uniform(0.2, 2) * reach, y + rng.uniform(0.2, 2) * reach), fill=fill
        )
    elif kind == 1:
        pen.ellipse((x - reach, y - 0.7 * reach, x + reach, y + 0.7 * reach), fill=fill)
    elif kind == 2:
        for dx, dy, share in rng.uniform(-1, 1, (6, 3)).tolist():
            radius = reach * (0.5 + 0.25 * share)
            at_x, at_y = x + 0.7 * reach * dx, y + 0.7 * reach * dy
            pen.ellipse((at_x - radius, at_y - radius, at_x + radius, at_y + radius), fill=fill)
    else:
        angle = rng.uniform(0, np.pi)
        dx, dy = 3 * reach * np.cos(angle), 3 * reach * np.sin(angle)
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=max(2, int(0.3 * reach)))


def _weave(rng: np.random.Generator, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(H, W) brightness: stripes of carpet or boards, as often as mere grain."""
    w, h = size
    grain = 0.10 * noise(rng, size, 1) + 0.14 * noise(rng, size, int(rng.integers(3, 9)))
    if rng.random() < 0.5:
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(5, 22)
        x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
        along = float(np.cos(angle)) * x + float(np.sin(angle)) * y
        grain = grain + rng.uniform(0.04, 0.2) * np.sin(along * (2 * np.pi / pitch))
    return np.asarray(1 + grain, dtype=np.float32)


def draw_backdrop(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> npt.NDArray[np.float32]:
    """(H, W, 3) wall and floor that meet at row `horizon`, and things on them."""
    w, h = size
    ids = Image.new("L", size)
    pen = ImageDraw.Draw(ids)
    colours = [pick(rng, GROUNDS), pick(rng, GROUNDS)]
    slope = rng.uniform(-0.12, 0.12) * h
    pen.polygon([(0, horizon - slope), (w, horizon + slope), (w, h), (0, h)], fill=1)
    for _ in range(int(rng.integers(6, 20))):
        colours.append(pick(rng, COATS if rng.random() < 0.55 else GROUNDS))
        _shape(rng, pen, size, len(colours) - 1)
    table = np.array(colours, dtype=np.float32)
    woven = np.stack([_weave(rng, size) for _ in range(2)])
    which = np.asarray(ids)
    light = np.take_along_axis(woven, which[None] % 2, axis=0)[0]
    return np.asarray(table[which] * light[..., None])


def draw_foreground(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """What hides some of the animal, often nothing: where it is (H, W), and its picture (H, W, 3)."""
    w, h = size
    cover = Image.new("1", size)
    pen = ImageDraw.Draw(cover)
    kind = rng.random()
    if kind < 0.2:  # grass
        for _ in range(int(rng.integers(20, 60))):
            x, top = rng.uniform(0, w), rng.uniform(0.04, 0.22) * h
            pen.line((x, h, x + rng.uniform(-8, 8), h - top), fill=1, width=int(rng.integers(1, 4)))
    elif kind < 0.35:  # a bar or a branch
        x, lean = rng.uniform(0, w), rng.uniform(-0.5, 0.5) * w
        pen.line((x, 0, x + lean, h), fill=1, width=int(rng.integers(3, 10)))
    elif kind < 0.5:  # a blanket
        x, y = rng.uniform(0, w), h + rng.uniform(-0.05, 0.05) * h
        pen.ellipse((x - 0.5 * w, y - 0.22 * h, x + 0.5 * w, y + 0.4 * h), fill=1)
    colour = np.array(pick(rng, GROUNDS), dtype=np.float32)
    return np.asarray(cover), colour * _weave(rng, size)[..., None]
