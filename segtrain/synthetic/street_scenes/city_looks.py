"""What streets are made of besides roads: further classes, their label ids, and the look of a city."""

from dataclasses import replace

import numpy as np

from segtrain.synthetic.road_scenes.looks import (
    BLOTCHES,
    BUILDING,
    FENCE,
    GRAIN,
    LEAVES,
    NONE,
    OTHER,
    PEDESTRIAN,
    POLE,
    ROAD,
    ROAD_LINE,
    SIDEWALK,
    SIGN,
    TEXTURE,
    VEGETATION,
    VEHICLE,
    WALL,
    Look,
)

# Drawn in streets alone, numbered on from CARLA's classes. The last five are void in Cityscapes, as OTHER is.
TERRAIN, LIGHT, RIDER, TRUCK, BUS, TRAM, MOTORCYCLE, BICYCLE = range(13, 21)
RAILS, PARKING, DYNAMIC, EGO, BORDER = range(21, 26)

LABEL_ID = {
    NONE: 23, BUILDING: 11, FENCE: 13, OTHER: 4, PEDESTRIAN: 24, POLE: 17, ROAD_LINE: 7, ROAD: 7, SIDEWALK: 8,
    VEGETATION: 21, VEHICLE: 26, WALL: 12, SIGN: 20, TERRAIN: 22, LIGHT: 19, RIDER: 25, TRUCK: 27, BUS: 28, TRAM: 31,
    MOTORCYCLE: 32, BICYCLE: 33, RAILS: 10, PARKING: 9, DYNAMIC: 5, EGO: 1, BORDER: 3,
}  # fmt: skip
"""Of each class drawn, as in the files of Cityscapes; its own name for TRAM is train, NONE is the sky."""

STREET = Look(
    camera_height_m=(1.2, 1.6), focal=(0.48, 0.62), horizon=(0.38, 0.48),
    brightness=(0.70, 1.10), warmth=(-0.06, 0.06), haze_per_m=(0.003, 0.015), noise=(2.0, 5.0),
    zenith=(150, 168, 188), haze=(214, 218, 220),
    frontage={"building": 0.45, "wall": 0.16, "fence": 0.17, "green": 0.22},
    traffic=0.30, street={"pedestrian": 5.0, "sign": 2.5, "other": 1.0, "tree": 3.0},
    verge=TERRAIN,
    palette={
        BUILDING: [(178, 160, 134), (142, 100, 84), (186, 182, 172), (120, 122, 126), (204, 188, 150), (96, 88, 84)],
        FENCE: [(70, 74, 70), (150, 148, 140), (110, 80, 58), (186, 186, 180)],
        OTHER: [(52, 92, 70), (60, 70, 110), (120, 120, 116), (168, 142, 60)],
        PEDESTRIAN: [(40, 42, 50), (52, 64, 100), (128, 44, 46), (160, 146, 120), (200, 198, 194), (70, 92, 78)],
        POLE: [(110, 112, 112), (70, 74, 74), (146, 146, 144)],
        ROAD_LINE: [(206, 206, 202)],
        ROAD: [(92, 92, 94), (108, 106, 104), (78, 80, 84)],
        SIDEWALK: [(146, 140, 134), (126, 124, 122), (158, 142, 126)],
        VEGETATION: [(66, 94, 46), (48, 76, 42), (86, 104, 54), (98, 92, 52)],
        VEHICLE: [(36, 38, 44), (190, 192, 194), (118, 122, 128), (44, 62, 108), (148, 36, 38), (224, 222, 216)],
        WALL: [(150, 142, 130), (134, 94, 78), (124, 124, 120), (170, 156, 130)],
        SIGN: [(190, 44, 44), (44, 80, 164), (222, 192, 64), (216, 216, 216)],
        TERRAIN: [(104, 128, 62), (122, 132, 74), (128, 110, 78), (90, 116, 58)],
        LIGHT: [(34, 38, 36), (52, 52, 46)],
        RIDER: [(60, 62, 72), (168, 60, 50), (70, 96, 132), (188, 184, 90), (150, 148, 142)],
        TRUCK: [(206, 204, 200), (56, 84, 132), (160, 120, 60), (86, 110, 84), (150, 46, 42)],
        BUS: [(206, 172, 52), (178, 48, 44), (214, 212, 206), (52, 96, 150)],
        TRAM: [(196, 54, 48), (224, 206, 120), (84, 132, 108), (206, 208, 210)],
        MOTORCYCLE: [(40, 40, 44), (140, 36, 34), (40, 60, 110)],
        BICYCLE: [(44, 46, 50), (140, 50, 46), (70, 100, 140), (150, 150, 148)],
        RAILS: [(116, 108, 100), (98, 98, 98)],
        PARKING: [(120, 108, 100), (132, 126, 120)],
        DYNAMIC: [(120, 60, 110), (196, 140, 60), (50, 110, 120)],
        EGO: [(46, 48, 52), (128, 130, 134), (60, 66, 80)],
    },
    texture=TEXTURE | {
        TERRAIN: (LEAVES, 0.12), LIGHT: (GRAIN, 0.03), RIDER: (GRAIN, 0.06), TRUCK: (BLOTCHES, 0.05),
        BUS: (BLOTCHES, 0.05), TRAM: (BLOTCHES, 0.05), MOTORCYCLE: (GRAIN, 0.08), BICYCLE: (GRAIN, 0.06),
        RAILS: (LEAVES, 0.08), PARKING: (GRAIN, 0.08), DYNAMIC: (GRAIN, 0.05), EGO: (BLOTCHES, 0.08),
    },
)  # fmt: skip


def city_look(rng: np.random.Generator) -> Look:
    """A city builds, paves and plants in a few of the colours and has a light of its own, so that to know one city is
    not to know the next."""

    def some(label: int) -> list[tuple[float, float, float]]:
        colours = STREET.palette[label]
        chosen = rng.choice(len(colours), max(1, len(colours) // 2), replace=False)
        return [colours[index] for index in chosen.tolist()]

    local = {label: some(label) for label in (BUILDING, FENCE, WALL, ROAD, SIDEWALK, VEGETATION, TERRAIN, BUS, TRAM)}
    warm, bright, tint = rng.uniform(-0.06, 0.10), rng.uniform(0.75, 1.05), rng.uniform(-14, 14, 3)
    red, green, blue = (float(value) for value in np.add(STREET.haze, tint))
    return replace(
        STREET,
        warmth=(warm - 0.03, warm + 0.03),
        brightness=(bright - 0.12, bright + 0.12),
        haze=(red, green, blue),
        palette={**STREET.palette, **local},
    )
