"""What the twenty kinds of objects look like: parts in a box of the object's own, x to the right and y down, 0 to 1."""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
Form = Literal["box", "oval", "shape"]

GLASS, TYRE, STEEL, WOOD, SKIN = (70, 84, 100), (28, 28, 30), (150, 152, 156), (120, 84, 52), (206, 160, 130)


@dataclass(frozen=True)
class Part:
    """`points`: the corners of a box or of an oval's, x0 y0 x1 y1, or those of a shape. `colour` where it is not the
    object's own, whose brightness `tone` changes."""

    form: Form
    points: tuple[float, ...]
    tone: float = 1.0
    colour: Colour | None = None


@dataclass(frozen=True)
class Kind:
    """`aspect` is width by height, `size` the share of the picture's shorter side that its longer one takes."""

    colours: tuple[Colour, ...]
    aspect: float
    size: tuple[float, float]
    parts: tuple[Part, ...]


def box(*points: float, tone: float = 1.0, colour: Colour | None = None) -> Part:
    return Part("box", points, tone, colour)


def oval(*points: float, tone: float = 1.0, colour: Colour | None = None) -> Part:
    return Part("oval", points, tone, colour)


def shape(*points: float, tone: float = 1.0, colour: Colour | None = None) -> Part:
    return Part("shape", points, tone, colour)


def _legs(top: float, width: float, *lefts: float, tone: float = 0.8) -> tuple[Part, ...]:
    return tuple(box(left, top, left + width, 1, tone=tone) for left in lefts)


def _wheels(size: float, *lefts: float) -> tuple[Part, ...]:
    return tuple(oval(left, 1 - size, left + size / 2, 1, colour=TYRE) for left in lefts)


def _animal(colours: tuple[Colour, ...], girth: float, neck: float, head: float, size: tuple[float, float]) -> Kind:
    """Side on: a trunk on four legs, a neck that rises by `neck`, a head of that length."""
    top, trunk = 0.45 - neck / 2, 0.45 + girth / 2
    parts = (
        shape(0.06, 0.46, 0.12, 0.42, 0.05, 0.8, 0.01, 0.8, tone=0.7),
        *_legs(trunk - 0.1, 0.07, 0.14, 0.24, 0.58, 0.68),
        oval(0.08, 0.4, 0.8, 0.4 + girth),
        shape(0.62, 0.6, 0.6, 0.45, 0.74, top, 0.86, top + 0.1, 0.78, 0.6),
        oval(0.7, top - 0.1, 0.7 + head, top + 0.16, tone=1.1),
        shape(0.72, top - 0.02, 0.76, top - 0.16, 0.82, top - 0.04, tone=0.75),
    )
    return Kind(colours, 1.35, size, parts)


KINDS: tuple[Kind, ...] = (
    Kind(
        ((206, 210, 216), (232, 232, 228)),
        2.4,
        (0.5, 0.9),
        (
            shape(0.04, 0.1, 0.14, 0.1, 0.26, 0.48, 0.1, 0.5, tone=0.8),
            oval(0.08, 0.4, 0.98, 0.68),
            shape(0.42, 0.55, 0.6, 0.55, 0.36, 0.98, 0.24, 0.98, tone=0.75),
            shape(0.46, 0.46, 0.6, 0.46, 0.42, 0.2, 0.36, 0.2, tone=0.9),
            oval(0.86, 0.46, 0.95, 0.54, colour=GLASS),
        ),
    ),
    Kind(
        ((40, 60, 150), (170, 40, 40)),
        1.6,
        (0.4, 0.7),
        (
            *_wheels(0.6, 0.02, 0.68),
            oval(0.07, 0.5, 0.27, 0.9, colour=STEEL),
            oval(0.73, 0.5, 0.93, 0.9, colour=STEEL),
            shape(0.16, 0.7, 0.36, 0.3, 0.4, 0.3, 0.22, 0.72),
            shape(0.36, 0.3, 0.72, 0.28, 0.5, 0.74, 0.44, 0.72),
            shape(0.72, 0.2, 0.76, 0.2, 0.85, 0.7, 0.81, 0.7),
            box(0.3, 0.2, 0.44, 0.27, colour=TYRE),
            box(0.66, 0.14, 0.82, 0.2, colour=TYRE),
        ),
    ),
    Kind(
        ((60, 64, 110), (170, 90, 40), (70, 70, 66)),
        1.5,
        (0.25, 0.5),
        (
            shape(0, 0.5, 0.3, 0.45, 0.3, 0.65, tone=0.7),
            oval(0.2, 0.3, 0.75, 0.8),
            oval(0.62, 0.12, 0.86, 0.46, tone=1.1),
            shape(0.84, 0.24, 1, 0.3, 0.84, 0.36, colour=(220, 170, 50)),
            shape(0.3, 0.42, 0.62, 0.45, 0.26, 0.72, tone=0.75),
            box(0.44, 0.78, 0.47, 1, colour=(200, 150, 60)),
            box(0.54, 0.78, 0.57, 1, colour=(200, 150, 60)),
        ),
    ),
    Kind(
        ((230, 228, 220), (150, 60, 50)),
        1.1,
        (0.4, 0.8),
        (
            box(0.48, 0.02, 0.52, 0.74, colour=WOOD),
            shape(0.54, 0.04, 0.54, 0.7, 0.94, 0.7, colour=(236, 234, 226)),
            shape(0.46, 0.14, 0.46, 0.7, 0.16, 0.7, colour=(214, 210, 200)),
            shape(0.02, 0.74, 0.98, 0.74, 0.84, 1, 0.16, 1),
        ),
    ),
    Kind(
        ((40, 110, 60), (110, 60, 30), (150, 180, 190)),
        0.32,
        (0.3, 0.6),
        (
            box(0.34, 0.02, 0.66, 0.3),
            box(0.3, 0, 0.7, 0.06, colour=(200, 40, 40)),
            oval(0.06, 0.2, 0.94, 0.52),
            box(0.06, 0.36, 0.94, 1),
            box(0.06, 0.54, 0.94, 0.8, colour=(226, 220, 196)),
        ),
    ),
    Kind(
        ((196, 50, 40), (230, 180, 40), (60, 90, 160)),
        2.0,
        (0.5, 0.9),
        (
            *_wheels(0.26, 0.14, 0.72),
            box(0.02, 0.08, 0.98, 0.86),
            *(box(x, 0.2, x + 0.12, 0.48, colour=GLASS) for x in (0.07, 0.22, 0.37, 0.52, 0.67)),
            box(0.83, 0.2, 0.96, 0.56, colour=GLASS),
            box(0.02, 0.62, 0.98, 0.68, tone=1.3),
            *_wheels(0.26, 0.14, 0.72),
        ),
    ),
    Kind(
        ((60, 64, 74), (180, 182, 186), (150, 36, 38)),
        2.3,
        (0.4, 0.8),
        (
            shape(0.22, 0.42, 0.34, 0.06, 0.68, 0.06, 0.84, 0.44),
            shape(0.28, 0.4, 0.37, 0.14, 0.5, 0.14, 0.5, 0.4, colour=GLASS),
            shape(0.54, 0.4, 0.54, 0.14, 0.66, 0.14, 0.76, 0.4, colour=GLASS),
            box(0.02, 0.4, 0.98, 0.82),
            *_wheels(0.42, 0.12, 0.68),
        ),
    ),
    _animal(((120, 124, 132), (200, 138, 72), (50, 48, 50)), 0.3, 0.1, 0.2, (0.3, 0.55)),
    Kind(
        ((150, 96, 52), (90, 40, 40), (60, 60, 66)),
        0.7,
        (0.3, 0.6),
        (
            *_legs(0.6, 0.09, 0.1, 0.8),
            *_legs(0.6, 0.07, 0.26, 0.68, tone=0.6),
            box(0.12, 0, 0.88, 0.46, tone=0.9),
            box(0.06, 0.5, 0.94, 0.64),
        ),
    ),
    _animal(((240, 238, 232), (70, 54, 44), (150, 100, 66)), 0.42, 0.12, 0.28, (0.4, 0.75)),
    Kind(
        ((140, 100, 60), (200, 190, 170)),
        1.9,
        (0.5, 0.85),
        (
            *_legs(0.3, 0.05, 0.1, 0.85),
            *_legs(0.3, 0.04, 0.28, 0.68, tone=0.6),
            shape(0.16, 0.14, 0.84, 0.14, 1, 0.34, 0, 0.34),
            oval(0.4, 0.04, 0.6, 0.24, colour=(238, 236, 230)),
        ),
    ),
    _animal(((160, 110, 66), (44, 42, 44), (216, 196, 164)), 0.3, 0.2, 0.28, (0.3, 0.6)),
    _animal(((110, 66, 40), (60, 44, 36), (210, 206, 198)), 0.34, 0.5, 0.26, (0.45, 0.85)),
    Kind(
        ((170, 30, 30), (30, 30, 34), (40, 80, 150)),
        1.7,
        (0.4, 0.7),
        (
            *_wheels(0.56, 0.02, 0.7),
            shape(0.14, 0.66, 0.3, 0.4, 0.72, 0.36, 0.86, 0.7, 0.6, 0.84, 0.36, 0.84),
            oval(0.4, 0.22, 0.68, 0.5, tone=1.15),
            box(0.2, 0.32, 0.44, 0.42, colour=TYRE),
            shape(0.7, 0.1, 0.75, 0.1, 0.86, 0.7, 0.8, 0.7, colour=STEEL),
        ),
    ),
    Kind(
        ((50, 66, 120), (150, 40, 44), (60, 110, 70), (200, 196, 186)),
        0.42,
        (0.45, 0.9),
        (
            shape(0.3, 0.52, 0.5, 0.52, 0.46, 1, 0.26, 1, colour=(48, 52, 66)),
            shape(0.5, 0.52, 0.7, 0.52, 0.74, 1, 0.54, 1, colour=(40, 44, 58)),
            shape(0.2, 0.2, 0.8, 0.2, 0.74, 0.58, 0.26, 0.58),
            shape(0.2, 0.2, 0.08, 0.54, 0.18, 0.56, 0.32, 0.26, tone=0.85),
            shape(0.8, 0.2, 0.92, 0.54, 0.82, 0.56, 0.68, 0.26, tone=0.85),
            oval(0.34, 0, 0.66, 0.19, colour=SKIN),
            oval(0.34, -0.01, 0.66, 0.08, colour=(60, 42, 32)),
        ),
    ),
    Kind(
        ((60, 120, 50), (90, 140, 60)),
        0.8,
        (0.3, 0.6),
        (
            *(
                oval(x, y, x + 0.4, y + 0.36, tone=t)
                for x, y, t in (
                    (0.02, 0.22, 0.8),
                    (0.56, 0.2, 0.9),
                    (0.3, 0.02, 1.1),
                    (0.16, 0.3, 1),
                    (0.44, 0.34, 0.85),
                )
            ),
            shape(0.28, 0.62, 0.72, 0.62, 0.64, 1, 0.36, 1, colour=(176, 90, 56)),
        ),
    ),
    Kind(
        ((228, 224, 212), (200, 192, 176)),
        1.3,
        (0.3, 0.6),
        (
            *_legs(0.66, 0.06, 0.2, 0.34, 0.56, 0.68, tone=0.35),
            *(
                oval(x, y, x + 0.36, y + 0.44, tone=t)
                for x, y, t in (
                    (0.08, 0.3, 0.95),
                    (0.26, 0.22, 1.05),
                    (0.44, 0.26, 1),
                    (0.18, 0.42, 0.9),
                    (0.4, 0.42, 0.92),
                )
            ),
            oval(0.72, 0.2, 0.94, 0.52, colour=(66, 58, 54)),
        ),
    ),
    Kind(
        ((120, 60, 60), (70, 90, 110), (190, 170, 130)),
        2.0,
        (0.5, 0.9),
        (
            box(0.1, 0.06, 0.9, 0.6, tone=0.85),
            box(0.1, 0.5, 0.9, 0.8),
            oval(0, 0.3, 0.16, 0.6),
            oval(0.84, 0.3, 1, 0.6),
            box(0, 0.44, 0.15, 0.9),
            box(0.85, 0.44, 1, 0.9),
            box(0.49, 0.08, 0.51, 0.62, tone=0.5),
            *_legs(0.84, 0.04, 0.06, 0.9, tone=0.4),
        ),
    ),
    Kind(
        ((40, 90, 70), (150, 40, 40), (60, 70, 110)),
        2.8,
        (0.6, 0.95),
        (
            *_wheels(0.24, 0.06, 0.22, 0.66, 0.82),
            shape(0.02, 0.2, 0.86, 0.12, 0.98, 0.5, 0.98, 0.84, 0.02, 0.84),
            box(0, 0.66, 0.98, 0.74, tone=1.5),
            *(box(x, 0.32, x + 0.1, 0.56, colour=GLASS) for x in (0.06, 0.22, 0.38, 0.54)),
            shape(0.74, 0.3, 0.86, 0.28, 0.93, 0.52, 0.74, 0.54, colour=GLASS),
        ),
    ),
    Kind(
        ((40, 40, 44), (90, 88, 84)),
        1.3,
        (0.25, 0.55),
        (
            box(0.42, 0.76, 0.58, 0.94, tone=0.8),
            box(0.24, 0.9, 0.76, 1, tone=0.9),
            box(0, 0, 1, 0.8),
            box(0.06, 0.06, 0.94, 0.74, colour=(70, 110, 150)),
            shape(0.06, 0.06, 0.5, 0.06, 0.06, 0.5, colour=(110, 150, 186)),
        ),
    ),
)
"""In the order of VOC's classes 1 to 20."""
