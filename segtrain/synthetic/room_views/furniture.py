"""What stands in the embedded rooms: boxes by NYUDv2's forty labels, where each stands, its metres and its colours."""

from typing import Literal, NamedTuple

Place = Literal["floor", "wall", "high", "top"]
Span = tuple[float, float]
Colour = tuple[int, int, int]

WALL, FLOOR, CEILING = 1, 2, 22


class Thing(NamedTuple):
    """`wide` along the wall, `tall`, and `deep` away from it. It stands on the floor, leans on a wall from the floor,
    hangs high on one, or lies on top of what stands there."""

    label: int
    place: Place
    wide: Span
    tall: Span
    deep: Span
    colours: tuple[Colour, ...]


WOOD: tuple[Colour, ...] = ((134, 92, 58), (92, 62, 42), (180, 146, 102))
CLOTH: tuple[Colour, ...] = ((120, 60, 64), (70, 84, 120), (160, 150, 130), (90, 110, 84))
WHITE: tuple[Colour, ...] = ((222, 222, 218), (200, 204, 206))

THINGS = (
    Thing(3, "wall", (0.6, 1.4), (0.7, 1.0), (0.4, 0.6), WOOD),  # cabinet
    Thing(4, "wall", (1.2, 1.9), (0.4, 0.6), (1.8, 2.1), CLOTH),  # bed
    Thing(5, "floor", (0.4, 0.5), (0.7, 0.95), (0.4, 0.5), ((150, 96, 52), (60, 60, 66))),  # chair
    Thing(6, "wall", (1.5, 2.2), (0.6, 0.8), (0.7, 0.9), CLOTH),  # sofa
    Thing(7, "floor", (0.7, 1.3), (0.4, 0.75), (0.6, 0.9), WOOD),  # table
    Thing(8, "wall", (0.8, 0.95), (1.9, 2.1), (0.03, 0.06), ((196, 186, 164), (120, 84, 56))),  # door
    Thing(9, "high", (0.8, 1.4), (0.8, 1.2), (0.03, 0.05), ((186, 214, 240), (220, 234, 246))),  # window
    Thing(10, "wall", (0.7, 1.2), (1.6, 2.1), (0.3, 0.35), ((112, 70, 44), (150, 110, 70))),  # bookshelf
    Thing(11, "high", (0.4, 0.9), (0.3, 0.7), (0.02, 0.04), ((180, 120, 50), (60, 110, 140))),  # picture
    Thing(12, "wall", (1.2, 2.2), (0.88, 0.95), (0.55, 0.65), ((96, 92, 90), (190, 180, 166))),  # counter
    Thing(13, "high", (0.7, 1.2), (0.9, 1.3), (0.04, 0.08), ((216, 210, 190),)),  # blinds
    Thing(14, "wall", (1.0, 1.5), (0.7, 0.78), (0.55, 0.7), WOOD),  # desk
    Thing(15, "high", (0.6, 1.0), (0.5, 0.8), (0.2, 0.3), ((170, 132, 92), (206, 200, 190))),  # shelves
    Thing(16, "wall", (0.6, 1.1), (2.0, 2.3), (0.08, 0.15), CLOTH),  # curtain
    Thing(17, "wall", (0.8, 1.2), (0.8, 1.2), (0.4, 0.5), ((104, 66, 40), (216, 206, 190))),  # dresser
    Thing(18, "top", (0.4, 0.6), (0.12, 0.2), (0.3, 0.4), ((226, 222, 212), (170, 60, 60))),  # pillow
    Thing(19, "high", (0.5, 0.9), (0.6, 1.0), (0.02, 0.03), ((150, 166, 172),)),  # mirror
    Thing(20, "floor", (0.6, 1.4), (0.01, 0.02), (0.5, 0.9), ((150, 70, 60), (80, 100, 120))),  # floor mat
    Thing(21, "high", (0.4, 0.7), (0.6, 1.0), (0.1, 0.2), ((70, 60, 90), (130, 40, 70))),  # clothes
    Thing(23, "top", (0.15, 0.35), (0.05, 0.25), (0.15, 0.25), ((170, 40, 36), (40, 70, 130))),  # books
    Thing(24, "wall", (0.65, 0.85), (1.6, 1.85), (0.6, 0.7), WHITE),  # refrigerator
    Thing(25, "top", (0.6, 1.0), (0.4, 0.6), (0.08, 0.2), ((24, 26, 30),)),  # television
    Thing(26, "top", (0.2, 0.3), (0.01, 0.02), (0.2, 0.3), ((240, 240, 236),)),  # paper
    Thing(27, "high", (0.3, 0.5), (0.4, 0.6), (0.04, 0.08), ((190, 120, 130), (120, 170, 180))),  # towel
    Thing(28, "wall", (0.8, 1.4), (1.8, 2.0), (0.05, 0.1), ((200, 216, 220), (150, 190, 170))),  # shower curtain
    Thing(29, "floor", (0.3, 0.6), (0.25, 0.5), (0.3, 0.5), ((176, 136, 90),)),  # box
    Thing(30, "high", (1.2, 2.0), (0.8, 1.1), (0.03, 0.05), ((236, 238, 240),)),  # whiteboard
    Thing(31, "floor", (0.4, 0.5), (1.5, 1.8), (0.25, 0.35), ((50, 66, 120), (150, 44, 44))),  # person
    Thing(32, "wall", (0.4, 0.5), (0.5, 0.65), (0.35, 0.45), WOOD),  # night stand
    Thing(33, "wall", (0.38, 0.42), (0.4, 0.75), (0.6, 0.7), WHITE),  # toilet
    Thing(34, "high", (0.5, 0.6), (0.15, 0.2), (0.4, 0.5), ((230, 232, 234),)),  # sink
    Thing(35, "floor", (0.2, 0.35), (1.2, 1.6), (0.2, 0.35), ((240, 220, 160), (210, 190, 140))),  # lamp
    Thing(36, "wall", (1.5, 1.7), (0.5, 0.6), (0.7, 0.8), ((226, 228, 228),)),  # bathtub
    Thing(37, "floor", (0.3, 0.45), (0.3, 0.45), (0.15, 0.25), ((40, 44, 60), (150, 60, 90))),  # bag
    Thing(38, "wall", (0.3, 0.6), (2.2, 2.4), (0.3, 0.5), ((186, 180, 170),)),  # other structure
    Thing(39, "floor", (0.4, 0.8), (0.4, 0.6), (0.4, 0.7), ((96, 120, 90), (130, 70, 40))),  # other furniture
    Thing(40, "top", (0.1, 0.25), (0.1, 0.3), (0.1, 0.2), ((210, 160, 40), (60, 130, 110))),  # other prop
)
