"""The breeds of the embedded animals: what their coats, ears and limbs are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Colour = tuple[float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Breed:
    """Lengths are in units of the trunk from hip to shoulder."""

    name: str
    species: int  # 1 cat, 2 dog, as in the lists
    coats: Sequence[tuple[Colour, Colour]]  # ground and marking
    marking: Literal["plain", "stripes", "patches", "points"]
    ears: Literal["pointed", "floppy", "round"]
    leg: Range
    girth: Range  # radius of the trunk
    head: Range  # radius
    muzzle: float  # length, in radii of the head
    fur_px: float  # how far the outline is ragged
    tail: Range  # length
    tail_radius: float


BREEDS = (
    Breed(
        name="Ashcoat", species=1, coats=[((120, 124, 132), (96, 98, 108)), ((66, 66, 72), (50, 50, 56))],
        marking="plain", ears="pointed", leg=(0.32, 0.42), girth=(0.22, 0.27), head=(0.22, 0.26), muzzle=0.45,
        fur_px=1.5, tail=(0.7, 0.9), tail_radius=0.055,
    ),
    Breed(
        name="Marmalade", species=1, coats=[((206, 138, 70), (150, 84, 36)), ((150, 130, 104), (78, 66, 52))],
        marking="stripes", ears="pointed", leg=(0.30, 0.40), girth=(0.23, 0.29), head=(0.22, 0.27), muzzle=0.45,
        fur_px=2.5, tail=(0.6, 0.9), tail_radius=0.07,
    ),
    Breed(
        name="Moonpoint", species=1, coats=[((222, 208, 184), (84, 66, 58)), ((206, 200, 196), (110, 104, 112))],
        marking="points", ears="pointed", leg=(0.34, 0.46), girth=(0.18, 0.23), head=(0.20, 0.24), muzzle=0.5,
        fur_px=1.5, tail=(0.7, 1.0), tail_radius=0.05,
    ),
    Breed(
        name="brindle_hound", species=2, coats=[((156, 108, 66), (84, 58, 40)), ((120, 96, 78), (62, 52, 46))],
        marking="stripes", ears="floppy", leg=(0.55, 0.70), girth=(0.20, 0.25), head=(0.18, 0.22), muzzle=1.25,
        fur_px=1.0, tail=(0.5, 0.8), tail_radius=0.045,
    ),
    Breed(
        name="shaggy_collie", species=2, coats=[((226, 220, 208), (44, 42, 44)), ((216, 200, 176), (146, 96, 56))],
        marking="patches", ears="floppy", leg=(0.42, 0.55), girth=(0.27, 0.34), head=(0.22, 0.26), muzzle=1.0,
        fur_px=5.0, tail=(0.5, 0.7), tail_radius=0.11,
    ),
    Breed(
        name="stub_terrier", species=2, coats=[((224, 214, 196), (170, 112, 62)), ((70, 62, 58), (160, 116, 74))],
        marking="patches", ears="round", leg=(0.22, 0.32), girth=(0.23, 0.28), head=(0.22, 0.27), muzzle=0.8,
        fur_px=3.0, tail=(0.15, 0.35), tail_radius=0.06,
    ),
)  # fmt: skip
