"""The layers of a model -> its stages, one after the other, and a picture of them.

A stage is what follows each other at one size in one part of the model; a pooling stands alone, since skips may begin
before it or behind it. What leaves for a smaller size and comes back, such as the reduced keys of an attention, is a
part of the stage that it leaves.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.draw.diagrams import svg
from analysis.draw.diagrams.svg import Box
from analysis.read.trial_files.network_layers import IMAGE, Layer

MOST_STAGES = 32
QUIET = ("Dropout", "Identity", "DropPath")  # layers that are not named
GAP, NARROW, TOP = 26, 14, 20
BOX_HEIGHT = (26.0, 130.0)


@dataclass
class NetworkStage:
    """`size` is (H, W), None where there are tokens alone; `channels` are those that come up, in order. `inputs` are
    the numbers of stages, IMAGE among them."""

    part: str
    pooling: bool
    pixels: int
    size: tuple[int, int] | None
    channels: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    parameters: int = 0
    trained: set[bool | None] = field(default_factory=set)
    inputs: set[int] = field(default_factory=set)

    def size_text(self) -> str:
        return f"{self.size[0]} × {self.size[1]}" if self.size else f"{self.pixels} tokens"

    def channels_text(self) -> str:
        ends = list(dict.fromkeys((self.channels[0], max(self.channels), self.channels[-1])))
        return " → ".join(map(str, ends))

    def layers_text(self) -> str:
        shown = {kind: count for kind, count in self.kinds.items() if not kind.endswith(QUIET)}
        return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in shown.items())


def stages_of(layers: Sequence[Layer]) -> list[NetworkStage]:
    stages: list[NetworkStage] = []
    places: list[int] = []  # of each layer, its stage
    part = ""
    for layer in layers:
        part = layer.name.partition(".")[0] or part
        place = _place(stages, layer, part)
        if place == len(stages):
            stages.append(NetworkStage(part, _is_pooling(layer), _pixels(layer), _size(layer)))
        elif place < len(stages) - 1:  # back from a detour, whose layers count here
            _take_in(stages[place], stages.pop())
            places = [min(before, place) for before in places]
        stage = stages[place]
        stage.size = stage.size or _size(layer)
        stage.channels.append(_channels(layer))
        stage.kinds[_kind(layer)] += 1
        # A layer that is called twice has its parameters once.
        stage.parameters += layer.parameters * (not any(layer.name == one.name for one in layers[: len(places)]))
        stage.trained |= {layer.trained} - {None}
        places.append(place)
    for layer, place in zip(layers, places, strict=True):
        sources = {IMAGE if number == IMAGE else places[number] for number in layer.inputs}
        stages[place].inputs |= sources - {place}
    return stages


def _place(stages: Sequence[NetworkStage], layer: Layer, part: str) -> int:
    """The number of the stage that a layer belongs to: the last one, the one before, or one to come."""
    last, pixels = len(stages) - 1, _pixels(layer)
    if not stages or _is_pooling(layer):
        return last + 1
    if pixels == 0 or _is_at(stages[last], part, pixels):
        return last
    back = last > 0 and _is_at(stages[last - 1], part, pixels) and stages[last].pixels < pixels
    return last - 1 if back else last + 1


def _take_in(stage: NetworkStage, detour: NetworkStage) -> None:
    stage.kinds += detour.kinds
    stage.parameters += detour.parameters
    stage.trained |= detour.trained


def _is_at(stage: NetworkStage, part: str, pixels: int) -> bool:
    return not stage.pooling and (stage.part, stage.pixels) == (part, pixels)


def _size(layer: Layer) -> tuple[int, int] | None:
    return (layer.shape[1], layer.shape[2]) if len(layer.shape) == 3 else None


def _pixels(layer: Layer) -> int:
    """Of a map, or tokens; 0 of a vector, which has the size of what is around it."""
    size = _size(layer)
    return math.prod(size) if size else layer.shape[0] if len(layer.shape) == 2 else 0


def _is_pooling(layer: Layer) -> bool:
    return "pool" in layer.kind.lower()


def _channels(layer: Layer) -> int:
    return layer.shape[0] if len(layer.shape) == 3 else layer.shape[-1] if layer.shape else 1


def _kind(layer: Layer) -> str:
    """`conv 3×3`, `up-conv 4×4`, `pool`, `batch norm`, or the name of the class."""
    kinds = {
        "Conv2d": "conv",
        "ConvTranspose2d": "up-conv",
        "BatchNorm2d": "batch norm",
        "interpolate": "interpolation",
    }
    if _is_pooling(layer):
        return "pool"
    name = kinds.get(layer.kind, layer.kind)
    return f"{name} {layer.kernel}×{layer.kernel}" if layer.kernel and layer.kind in kinds else name


def draw_network(name: str, layers: Sequence[Layer]) -> str | None:
    """SVG; None where there are no layers, or too many stages for a picture."""
    stages = stages_of(layers)
    if not 0 < len(stages) <= MOST_STAGES:
        return None
    skips = _skips(stages)
    levels = _levels(skips)
    base = TOP + 14 * (max(levels, default=-1) + 1) + 18 + BOX_HEIGHT[1] / 2
    boxes = _boxes(stages, base)
    parts = []
    for number, stage in enumerate(stages):
        if number and number - 1 in stage.inputs:
            before, box = boxes[number - 1], boxes[number]
            parts.append(svg.arrow((before.x + before.width, base), (box.x, base)))
    for (source, target), level in zip(skips, levels, strict=True):
        start, end = boxes[source], boxes[target]
        at = (start.x + start.width * 0.6, start.y), (end.x + end.width * 0.4, end.y)
        parts.append(svg.arch(*at, TOP + 14 * level))
    bottom = base + BOX_HEIGHT[1] / 2
    for stage, box in zip(stages, boxes, strict=True):
        parts += _labelled(stage, box, bottom)
    label = f"{name}: " + "; ".join(f"{s.part} {s.size_text()}, {s.channels_text()} channels" for s in stages)
    return svg.drawing(boxes[-1].x + boxes[-1].width + 30, bottom + 52, label, parts)


def _labelled(stage: NetworkStage, box: Box, bottom: float) -> list[str]:
    frozen = stage.trained == {False}
    told = f"{stage.part}: {stage.layers_text()}; {stage.channels_text()} channels of {stage.size_text()}"
    told += f"; {stage.parameters:,} parameters" + (", frozen" if frozen else "") if stage.parameters else ""
    kind = f"{stage.part if stage.part in ('encoder', 'decoder') else 'other'}{' frozen' if frozen else ''}"
    middle = box.x + box.width / 2
    shapes = [svg.rectangle(box, kind, told)]
    if stage.pooling:
        return [*shapes, svg.words(middle, bottom + 14, "pool", "soft")]
    lines = [stage.channels_text(), stage.size_text(), _millions(stage.parameters)]
    return shapes + [
        svg.words(middle, bottom + 14 * row, line, "" if row == 1 else "soft") for row, line in enumerate(lines, 1)
    ]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 5000 else f"{parameters:,}" if parameters else ""


def _boxes(stages: Sequence[NetworkStage], base: float) -> list[Box]:
    """Higher for larger maps and wider for more channels, by their logarithms, with room for what stands below."""
    sizes = [math.log2(max(stage.pixels, 1)) for stage in stages]
    low, high = min(sizes), max(sizes)
    boxes, x = [], 30.0
    for stage, size in zip(stages, sizes, strict=True):
        share = (size - low) / (high - low) if high > low else 1.0
        height = BOX_HEIGHT[0] + share * (BOX_HEIGHT[1] - BOX_HEIGHT[0])
        width = NARROW if stage.pooling else 10 + 5 * math.log2(max(stage.channels) + 1)
        room = (
            svg.width_of("pool")
            if stage.pooling
            else max(map(svg.width_of, (stage.size_text(), stage.channels_text())))
        )
        side = max(0.0, (room - width) / 2 - GAP / 2 + 4)
        boxes.append(Box(x + side, base - height / 2, width, height))
        x += width + 2 * side + GAP
    return boxes


def _skips(stages: Sequence[NetworkStage]) -> list[tuple[int, int]]:
    """(from, to) of what passes over a stage, the shortest first."""
    found = [
        (source, number)
        for number, stage in enumerate(stages)
        for source in stage.inputs
        if IMAGE < source < number - 1
    ]
    return sorted(found, key=lambda skip: skip[1] - skip[0])


def _levels(skips: Sequence[tuple[int, int]]) -> list[int]:
    """Of each skip how far from the top it runs, so that none runs into another: the longest at 0."""
    heights: list[int] = []
    for number, (start, end) in enumerate(skips):
        below = [heights[other] for other, (a, b) in enumerate(skips[:number]) if a < end and start < b]
        heights.append(max(below, default=-1) + 1)
    most = max(heights, default=0)
    return [most - height for height in heights]
