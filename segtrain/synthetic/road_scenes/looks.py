"""What the scenes are made of: the classes, each class's texture, and the ranges and colours of each style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Style = Literal["target", "source"]

# CARLA's class ids; the sky is unlabelled.
NONE, BUILDING, FENCE, OTHER, PEDESTRIAN, POLE, ROAD_LINE = range(7)
ROAD, SIDEWALK, VEGETATION, VEHICLE, WALL, SIGN = range(7, 13)

Range = tuple[float, float]
Colour = tuple[float, float, float]

# Noise of one grain size, and how strong it is on each class.
GRAIN, LEAVES, BLOTCHES = range(3)
GRAIN_PX = (1, 3, 16)
TEXTURE = {
    NONE: (BLOTCHES, 0.06), BUILDING: (BLOTCHES, 0.06), FENCE: (GRAIN, 0.05), OTHER: (GRAIN, 0.04),
    PEDESTRIAN: (GRAIN, 0.06), POLE: (GRAIN, 0.03), ROAD_LINE: (GRAIN, 0.08), ROAD: (GRAIN, 0.10),
    SIDEWALK: (BLOTCHES, 0.04), VEGETATION: (LEAVES, 0.30), VEHICLE: (BLOTCHES, 0.05), WALL: (LEAVES, 0.08),
    SIGN: (GRAIN, 0.02),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Look:
    """What tells one style from the other: where a scene draws its camera, light, objects and colours from."""

    camera_height_m: Range
    focal: Range  # of the image's width
    horizon: Range  # of the image's height
    brightness: Range
    warmth: Range  # red gains this fraction, blue loses it
    haze_per_m: Range
    noise: Range  # standard deviation in grey levels
    zenith: Colour
    haze: Colour  # the sky at the horizon, and all that is far
    frontage: Mapping[str, float]  # share of each kind of `objects.FRONTAGE` along the road
    traffic: float  # chance that a place in a lane is taken
    street: Mapping[str, float]  # mean count of each kind of `objects.STREET` in a scene
    verge: int  # the class of the ground beside the sidewalks
    palette: Mapping[int, Sequence[Colour]]
    texture: Mapping[int, tuple[int, float]]  # of each class: index into GRAIN_PX, strength


LOOKS: dict[Style, Look] = {
    "target": Look(
        camera_height_m=(1.3, 1.9), focal=(0.75, 1.0), horizon=(0.36, 0.50),
        brightness=(0.70, 1.15), warmth=(-0.08, 0.10), haze_per_m=(0.002, 0.016), noise=(2.0, 6.0),
        zenith=(92, 142, 205), haze=(198, 210, 222),
        frontage={"building": 0.30, "wall": 0.23, "fence": 0.25, "green": 0.22},
        traffic=0.40, street={"pedestrian": 5.0, "sign": 3.5, "other": 3.0, "tree": 2.5},
        verge=VEGETATION,
        palette={
            BUILDING: [(166, 148, 126), (150, 96, 78), (176, 176, 172), (122, 128, 138), (196, 178, 140)],
            FENCE: [(70, 74, 70), (150, 148, 140), (120, 84, 56), (196, 196, 190)],
            OTHER: [(52, 92, 70), (60, 70, 110), (146, 80, 50), (120, 120, 116), (168, 142, 60)],
            PEDESTRIAN: [(150, 40, 44), (44, 60, 110), (60, 62, 60), (180, 150, 70), (206, 204, 200), (70, 110, 80)],
            POLE: [(110, 112, 112), (66, 68, 70), (150, 150, 148), (96, 78, 60)],
            ROAD_LINE: [(222, 222, 214), (214, 182, 84)],
            ROAD: [(96, 96, 100), (118, 116, 112), (80, 82, 88), (106, 98, 92)],
            SIDEWALK: [(160, 154, 146), (140, 140, 140), (168, 146, 126), (128, 120, 112)],
            VEGETATION: [(70, 104, 44), (52, 84, 40), (94, 116, 52), (60, 96, 64)],
            VEHICLE: [(160, 32, 34), (36, 62, 120), (196, 198, 200), (48, 50, 54), (120, 126, 130), (206, 170, 50)],
            WALL: [(150, 142, 130), (140, 92, 74), (126, 126, 122), (170, 154, 124)],
            SIGN: [(196, 40, 40), (40, 78, 170), (226, 196, 60), (220, 220, 220), (40, 120, 80)],
        },
        texture=TEXTURE,
    ),
    "source": Look(
        camera_height_m=(1.9, 2.8), focal=(0.65, 0.85), horizon=(0.28, 0.42),
        brightness=(0.60, 1.0), warmth=(0.04, 0.20), haze_per_m=(0.006, 0.024), noise=(4.0, 9.0),
        zenith=(150, 150, 168), haze=(214, 196, 172),
        frontage={"building": 0.24, "wall": 0.26, "fence": 0.28, "green": 0.22},
        traffic=0.50, street={"pedestrian": 6.0, "sign": 4.5, "other": 4.0, "tree": 3.5},
        verge=VEGETATION,
        palette={
            BUILDING: [(190, 124, 96), (112, 104, 110), (206, 196, 180), (134, 78, 66), (150, 152, 130)],
            FENCE: [(110, 70, 50), (60, 60, 76), (176, 160, 140)],
            OTHER: [(30, 110, 120), (170, 60, 40), (96, 90, 90), (200, 150, 90)],
            PEDESTRIAN: [(220, 120, 50), (40, 40, 46), (90, 50, 110), (190, 190, 180), (40, 100, 130)],
            POLE: [(60, 58, 64), (136, 120, 104), (90, 104, 100)],
            ROAD_LINE: [(230, 212, 186), (226, 150, 60)],
            ROAD: [(72, 66, 70), (128, 112, 96), (92, 92, 84)],
            SIDEWALK: [(176, 140, 116), (120, 112, 116), (150, 150, 134)],
            VEGETATION: [(146, 104, 40), (120, 72, 34), (104, 108, 44), (160, 128, 58)],
            VEHICLE: [(220, 110, 30), (30, 90, 90), (226, 220, 206), (40, 36, 44), (110, 40, 60)],
            WALL: [(164, 150, 140), (120, 76, 66), (104, 110, 104)],
            SIGN: [(230, 110, 30), (30, 60, 130), (236, 210, 90), (210, 206, 200)],
        },
        texture=TEXTURE,
    ),
}  # fmt: skip


def shade(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor
