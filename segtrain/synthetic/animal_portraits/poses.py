"""How an animal holds itself: its parts from far to near, in units of its trunk, x to where it looks and y up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segtrain.synthetic.animal_portraits.breeds import Breed, Colour

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A chain of discs through `points` (N, 2) with `radii` (N,), or without radii a polygon.

    `tone` shades the coat; `extremity` parts are those that "points" darken; `colour` is of what has no fur.
    """

    points: Points
    radii: Points | None = None
    tone: float = 1.0
    extremity: bool = False
    colour: Colour | None = None


def chain(points: Sequence[tuple[float, float]], radii: Sequence[float], tone: float = 1.0, tip: bool = False) -> Part:
    """A Part whose discs lie close enough to look like a limb."""
    steps = np.linspace(0, len(points) - 1, 12 * (len(points) - 1) + 1)
    knots, ends = np.arange(len(points)), np.asarray(points, dtype=float)
    between = np.stack([np.interp(steps, knots, ends[:, axis]) for axis in (0, 1)], axis=1)
    return Part(points=between, radii=np.interp(steps, knots, radii), tone=tone, extremity=tip)


def _disc(x: float, y: float, radius: float, colour: Colour) -> Part:
    return Part(points=np.array([[x, y]]), radii=np.array([radius]), colour=colour)


def _head(rng: np.random.Generator, breed: Breed, x: float, y: float, radius: float, *, front: bool) -> list[Part]:
    """`front`: it looks at the camera, else to the side."""
    far_ear, near_ear = ((-0.75, 0.62), (0.75, 0.62)) if front else ((0.15, 0.8), (-0.45, 0.72))
    parts = [_ear(breed, x, y, radius, far_ear, 0.8), chain([(x, y), (x, y)], [radius, radius], tip=True)]
    length = 0.15 if front else breed.muzzle
    thick, nose_x = radius * (0.55 if front else 0.46), x + length * radius
    snout = [(x, y - 0.35 * radius), (nose_x + (0 if front else 0.3 * radius), y - 0.38 * radius)]
    parts += [chain(snout, [thick, 0.8 * thick], 1.08, tip=True), _ear(breed, x, y, radius, near_ear, 0.92)]
    nose = (x, y - 0.2 * radius) if front else (nose_x + 0.3 * radius + 0.6 * thick, y - 0.25 * radius)
    parts.append(_disc(*nose, 0.15 * radius, (44, 34, 36)))
    iris = (184, 160, 60) if breed.species == 1 else (86, 56, 34)
    for eye_x in (x - 0.4 * radius, x + 0.4 * radius) if front else (x + 0.35 * radius,):
        parts += [
            _disc(eye_x, y + 0.2 * radius, 0.17 * radius, iris),
            _disc(eye_x, y + 0.2 * radius, 0.1 * radius, (14, 14, 16)),
        ]
    return parts


def _ear(breed: Breed, x: float, y: float, radius: float, at: tuple[float, float], tone: float) -> Part:
    ear_x, ear_y = x + at[0] * radius, y + at[1] * radius
    out = 0.25 * radius * (1 if at[0] > 0 else -1)
    if breed.ears == "pointed":
        corners = [(ear_x - 0.38 * radius, ear_y - 0.1 * radius), (ear_x + 0.38 * radius, ear_y - 0.1 * radius),
                   (ear_x + out, ear_y + 0.75 * radius)]  # fmt: skip
        return Part(points=np.array(corners), tone=tone, extremity=True)
    if breed.ears == "floppy":
        return chain(
            [(ear_x, ear_y), (ear_x + out, ear_y - 1.0 * radius)], [0.25 * radius, 0.32 * radius], 0.85 * tone, tip=True
        )
    return chain([(ear_x, ear_y), (ear_x + out, ear_y + 0.2 * radius)], [0.4 * radius, 0.25 * radius], tone, tip=True)


def _tail(rng: np.random.Generator, breed: Breed, x: float, y: float, rise: float) -> Part:
    length, curl = rng.uniform(*breed.tail), rng.uniform(-0.3, 0.6)
    bend = (x - 0.6 * length, y + 0.5 * rise * length)
    tip = (x - 0.9 * length, y + (rise + curl) * length)
    return chain([(x, y), bend, tip], [breed.tail_radius * share for share in (1, 1.1, 0.7)], 0.9, tip=True)


def standing(rng: np.random.Generator, breed: Breed) -> list[Part]:
    leg, girth, radius = (float(rng.uniform(*span)) for span in (breed.leg, breed.girth, breed.head))
    y, paw = leg + 0.7 * girth, 0.3 * girth
    parts = [_tail(rng, breed, -0.15, y + 0.4 * girth, rng.uniform(-0.6, 1.0))]
    for tone in (0.75, 1.0):
        if tone == 1.0:
            parts.append(chain([(0, y), (0.5, y - 0.03), (1, y + 0.03)], [0.95 * girth, 0.92 * girth, girth]))
        for root in (0.0, 1.0):
            step = rng.uniform(-0.25, 0.25)
            knee = (root + 0.6 * step - 0.05, 0.5 * leg)
            limb = [(root, y - 0.2 * girth), knee, (root + step, paw), (root + step + 0.07, paw)]
            parts.append(chain(limb, [0.55 * girth, 0.36 * girth, paw, paw], tone, tip=True))
    low = rng.random() < 0.2  # it sniffs or grazes
    head = (1.45, y - rng.uniform(0.0, 0.5) * leg) if low else (1.28, y + rng.uniform(0.25, 0.5))
    parts.append(chain([(1.0, y + 0.1 * girth), head], [0.8 * girth, 0.75 * radius]))
    return parts + _head(rng, breed, *head, radius, front=rng.random() < 0.35)


def sitting(rng: np.random.Generator, breed: Breed) -> list[Part]:
    girth, radius = (float(rng.uniform(*span)) for span in (breed.girth, breed.head))
    lean, tall, paw = rng.uniform(0.3, 0.55), rng.uniform(0.75, 0.95), 0.3 * girth
    chest = (lean, tall)
    parts = [_tail(rng, breed, -0.2, 0.12, rng.uniform(-0.1, 0.3))]
    for tone, shift in ((0.75, 0.1), (1.0, 0.0)):
        if tone == 1.0:
            parts.append(
                chain([(0, girth), (0.6 * lean, 0.55 * tall), chest], [1.25 * girth, 1.1 * girth, 0.9 * girth])
            )
        foot = (lean + 0.12 + shift, paw)
        limb = [(lean + 0.02 + shift / 2, tall - 0.1), foot, (foot[0] + 0.08, paw)]
        parts.append(chain(limb, [0.45 * girth, paw, paw], tone, tip=True))
    parts.append(chain([(0.05, girth), (0.2, paw), (0.4, paw)], [1.0 * girth, 0.9 * paw, 0.8 * paw], 0.93))
    head = (lean + rng.uniform(0.0, 0.2), tall + rng.uniform(0.25, 0.4))
    parts.append(chain([chest, head], [0.8 * girth, 0.75 * radius]))
    return parts + _head(rng, breed, *head, radius, front=rng.random() < 0.5)


def lying(rng: np.random.Generator, breed: Breed) -> list[Part]:
    girth, radius = (float(rng.uniform(*span)) for span in (breed.girth, breed.head))
    paw = 0.28 * girth
    head = (1.2 + rng.uniform(0.0, 0.25), rng.uniform(radius, radius + 0.5))
    parts = [_tail(rng, breed, -0.2, girth, rng.uniform(-0.4, 0.1))]
    for tone, ahead in ((0.78, rng.uniform(0.3, 0.6)), (1.0, rng.uniform(0.3, 0.6))):
        if tone == 1.0:
            parts.append(
                chain([(0, girth), (0.5, 1.05 * girth), (1, 1.1 * girth)], [1.05 * girth, girth, 1.05 * girth])
            )
        parts.append(chain([(1.0, 0.5 * girth), (1.0 + ahead, paw)], [0.6 * girth, paw], tone, tip=True))
    parts.append(chain([(0.0, 0.8 * girth), (0.2, 0.5 * girth), (0.45, paw)], [0.95 * girth, 0.6 * girth, paw], 0.93))
    parts.append(chain([(1.0, 1.1 * girth), head], [0.85 * girth, 0.75 * radius]))
    return parts + _head(rng, breed, *head, radius, front=rng.random() < 0.4)


def portrait(rng: np.random.Generator, breed: Breed) -> list[Part]:
    """Head and chest from the front; the chest leaves the picture at its lower edge."""
    radius = float(rng.uniform(*breed.head))
    lean = rng.uniform(-0.1, 0.1)
    chest = chain([(lean, -3.2 * radius), (0.5 * lean, -1.2 * radius), (0, -0.4 * radius)],
                  [1.3 * radius, 1.05 * radius, 0.75 * radius])  # fmt: skip
    return [chest, *_head(rng, breed, 0.0, 0.0, radius, front=rng.random() < 0.7)]


POSES: tuple[Callable[[np.random.Generator, Breed], list[Part]], ...] = (standing, sitting, lying, portrait)
