"""What the embedded outdoor views are made of: SIFT Flow's thirty-three labels, what they are geometrically, and what
each of its eight categories of scenes has in it."""

from dataclasses import replace
from typing import NamedTuple

from segtrain.synthetic.object_photos.silhouettes import KINDS, STEEL, Colour, Kind, box, oval, shape

AWNING, BALCONY, BIRD, BOAT, BRIDGE, BUILDING, BUS, CAR, COW, CROSSWALK, DESERT = range(1, 12)
DOOR, FENCE, FIELD, GRASS, MOON, MOUNTAIN, PERSON, PLANT, POLE, RIVER, ROAD = range(12, 23)
ROCK, SAND, SEA, SIDEWALK, SIGN, SKY, STAIRCASE, STREETLIGHT, SUN, TREE, WINDOW = range(23, 34)

GEOMETRY_SKY, HORIZONTAL, VERTICAL = 1, 2, 3
GEOMETRY = dict.fromkeys(range(1, 34), VERTICAL)
GEOMETRY |= dict.fromkeys((SKY, SUN, MOON, BIRD), GEOMETRY_SKY)
GEOMETRY |= dict.fromkeys((CROSSWALK, DESERT, FIELD, GRASS, RIVER, ROAD, SAND, SEA, SIDEWALK), HORIZONTAL)

COLOURS: dict[int, tuple[Colour, ...]] = {
    SKY: ((126, 168, 220), (168, 190, 214), (206, 206, 210), (230, 178, 130)),
    MOUNTAIN: ((104, 112, 128), (126, 108, 92), (88, 108, 84)),
    BUILDING: ((168, 150, 132), (142, 84, 68), (196, 190, 180), (112, 122, 136)),
    WINDOW: ((58, 74, 94), (92, 110, 128)),
    DOOR: ((84, 50, 34), (46, 70, 60)),
    AWNING: ((170, 46, 42), (40, 104, 70), (206, 180, 90)),
    BALCONY: ((70, 66, 64), (214, 208, 196)),
    DESERT: ((206, 164, 108),),
    FIELD: ((168, 152, 78), (136, 140, 66)),
    GRASS: ((82, 132, 56), (104, 142, 74)),
    RIVER: ((88, 120, 118), (96, 122, 142)),
    ROAD: ((98, 98, 102), (124, 120, 116)),
    SAND: ((218, 198, 156),),
    SEA: ((44, 96, 138), (60, 120, 140)),
    SIDEWALK: ((172, 168, 162),),
    CROSSWALK: ((232, 232, 226),),
    SUN: ((255, 244, 196),),
    MOON: ((236, 236, 228),),
}
BY_NAME: dict[int, Kind] = {
    BIRD: KINDS[2],
    BOAT: replace(KINDS[3], size=(1.3, 1.9)),
    BUS: replace(KINDS[5], size=(1.6, 1.9)),
    CAR: replace(KINDS[6], size=(0.8, 1.0)),
    COW: replace(KINDS[9], size=(0.8, 1.0)),
    PERSON: replace(KINDS[14], size=(0.9, 1.1)),
    PLANT: replace(KINDS[15], size=(0.6, 1.0)),
    TREE: Kind(
        ((58, 98, 44), (84, 116, 48), (46, 82, 58), (150, 110, 46)),
        0.75,
        (2.2, 4.5),
        (box(0.44, 0.6, 0.56, 1, colour=(92, 68, 48)), oval(0.05, 0.12, 0.95, 0.78), oval(0.2, 0, 0.8, 0.5, tone=1.15)),
    ),
    POLE: Kind((STEEL, (96, 76, 58)), 0.06, (2.4, 3.6), (box(0, 0, 1, 1),)),
    STREETLIGHT: Kind(
        (STEEL, (70, 74, 78)),
        0.3,
        (2.6, 3.4),
        (box(0, 0.04, 0.14, 1), box(0, 0, 0.8, 0.05), oval(0.55, 0, 1, 0.09, tone=1.4)),
    ),
    SIGN: Kind(
        ((46, 112, 70), (40, 78, 150), (200, 52, 44)),
        0.7,
        (1.2, 2.0),
        (box(0.44, 0.4, 0.56, 1, colour=STEEL), box(0, 0, 1, 0.5)),
    ),
    FENCE: Kind(
        ((150, 128, 100), (206, 204, 198)),
        3.0,
        (0.6, 0.9),
        (*(box(x / 7, 0, x / 7 + 0.08, 1) for x in range(7)), box(0, 0.2, 1, 0.42), box(0, 0.62, 1, 0.84)),
    ),
    ROCK: Kind(
        ((120, 112, 104), (92, 88, 86)),
        1.6,
        (0.5, 1.4),
        (shape(0, 1, 0.1, 0.5, 0.35, 0.1, 0.6, 0, 0.9, 0.45, 1, 1), shape(0.35, 0.1, 0.6, 0, 0.55, 0.6, tone=1.2)),
    ),
    STAIRCASE: Kind(
        ((178, 172, 162),),
        1.4,
        (0.9, 1.5),
        tuple(box(0.1 * k, 1 - 0.2 * (k + 1), 1 - 0.1 * k, 1 - 0.2 * k, tone=0.8 + 0.1 * k) for k in range(5)),
    ),
    BRIDGE: Kind(
        ((150, 140, 132), (122, 66, 52)),
        4.5,
        (1.0, 1.6),
        (box(0, 0, 1, 0.35), *(box(x, 0.3, x + 0.08, 1, tone=0.85) for x in (0.02, 0.3, 0.62, 0.9))),
    ),
}
"""What stands somewhere. `size` is its height in that of a person."""


class Scenery(NamedTuple):
    """`behind`: what stands along the horizon; `ground`: what lies below it, the farther one first; `things`: what
    stands on the ground, and how often in ten pictures; `sky`: what is in it, likewise."""

    behind: tuple[int, ...]
    ground: tuple[int, ...]
    things: dict[int, int]
    sky: dict[int, int]


SCENERIES: dict[str, Scenery] = {
    "coast": Scenery((), (SEA, SAND), {BOAT: 9, ROCK: 9, PERSON: 5, TREE: 2}, {SUN: 5, BIRD: 7}),
    "forest": Scenery((TREE,), (GRASS,), {TREE: 60, PLANT: 20, ROCK: 8, PERSON: 2}, {}),
    "highway": Scenery(
        (MOUNTAIN, TREE), (GRASS, ROAD), {CAR: 25, BUS: 8, SIGN: 14, STREETLIGHT: 10, BRIDGE: 7, FENCE: 7}, {SUN: 2}
    ),
    "insidecity": Scenery(
        (BUILDING,), (SIDEWALK, ROAD), {PERSON: 20, CAR: 8, PLANT: 10, STAIRCASE: 8, STREETLIGHT: 5}, {}
    ),
    "mountain": Scenery((MOUNTAIN,), (GRASS, RIVER), {TREE: 20, ROCK: 14, COW: 5}, {MOON: 6, BIRD: 4}),
    "opencountry": Scenery((MOUNTAIN,), (FIELD, DESERT), {TREE: 10, COW: 12, FENCE: 10, POLE: 8}, {SUN: 4, BIRD: 4}),
    "street": Scenery(
        (BUILDING, TREE),
        (SIDEWALK, ROAD, CROSSWALK),
        {CAR: 20, BUS: 5, PERSON: 15, TREE: 8, SIGN: 10, STREETLIGHT: 12, POLE: 10},
        {MOON: 1},
    ),
    "tallbuilding": Scenery((BUILDING,), (RIVER, GRASS), {TREE: 12, BRIDGE: 6, BOAT: 6, FENCE: 6}, {BIRD: 3, SUN: 2}),
}
