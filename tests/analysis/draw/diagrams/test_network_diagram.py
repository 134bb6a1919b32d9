"""Layers as they are traced -> the stages of a picture."""

import re
from typing import Any
from xml.etree import ElementTree

from analysis.draw.diagrams.network_diagram import MOST_STAGES, draw_network, stages_of
from analysis.read.trial_files.network_layers import IMAGE, Layer


def layer(name: str, kind: str, shape: tuple[int, ...], *inputs: int, parameters: int = 0, **changes: Any) -> Layer:
    trained = True if parameters else None
    return Layer(
        **{
            "name": name,
            "kind": kind,
            "kernel": 3 if "Conv" in kind else None,
            "stride": 1,
            "shape": shape,
            "parameters": parameters,
            "trained": trained,
            "inputs": inputs,
        }
        | changes
    )


NET = [
    layer("encoder.a", "Conv2d", (8, 32, 48), IMAGE, parameters=100, trained=False),
    layer("encoder.b", "ReLU", (8, 32, 48), 0),
    layer("encoder.pool", "MaxPool2d", (8, 16, 24), 1),
    layer("encoder.c", "Conv2d", (16, 16, 24), 2, parameters=200, trained=False),
    layer("decoder.up", "ConvTranspose2d", (4, 32, 48), 3, parameters=50),
    layer("decoder.score", "Conv2d", (3, 32, 48), 1, 4, parameters=7),
]


def test_stages_are_what_follows_at_one_size_and_a_pooling_stands_alone() -> None:
    stages = stages_of(NET)
    assert [(s.part, s.size_text(), s.channels_text(), s.parameters) for s in stages] == [
        ("encoder", "32 × 48", "8", 100),
        ("encoder", "16 × 24", "8", 0),
        ("encoder", "16 × 24", "16", 200),
        ("decoder", "32 × 48", "4 → 3", 57),
    ]
    assert [s.pooling for s in stages] == [False, True, False, False]
    assert [s.inputs for s in stages] == [{IMAGE}, {0}, {1}, {2, 0}]
    assert (stages[0].layers_text(), stages[3].layers_text()) == ("conv 3×3, ReLU", "up-conv 3×3, conv 3×3")


def test_what_leaves_for_a_smaller_size_and_comes_back_is_one_stage() -> None:
    attention = [
        layer("encoder.patch", "Conv2d", (8, 8, 8), IMAGE, parameters=10),
        layer("encoder.q", "Linear", (64, 8), 0, parameters=1),
        layer("encoder.reduce", "Conv2d", (8, 2, 2), 0, parameters=2),
        layer("encoder.k", "Linear", (4, 8), 2, parameters=3),
        layer("encoder.out", "Linear", (64, 8), 1, 3, parameters=4),
        layer("encoder.next", "Conv2d", (16, 4, 4), 4, parameters=5),
    ]
    stages = stages_of(attention)
    assert [(stage.size, stage.parameters, stage.inputs) for stage in stages] == [
        ((8, 8), 20, {IMAGE}),
        ((4, 4), 5, {0}),
    ]


def test_a_layer_that_is_called_twice_has_its_parameters_once() -> None:
    twice = [layer("decoder.fc", "Conv2d", (4, 2, 2), source, parameters=9) for source in (IMAGE, 0)]
    assert [stage.parameters for stage in stages_of(twice)] == [9]


def test_the_picture_has_a_box_a_stage_and_an_arch_a_skip_and_tells_them_in_words() -> None:
    drawn = draw_network("<net>", NET)
    assert drawn is not None
    tree = ElementTree.fromstring(drawn)
    assert [box.get("class") for box in tree.iter("rect")] == ["encoder frozen", "encoder", "encoder frozen", "decoder"]
    assert len([path for path in tree.iter("path") if path.get("class") == "skip"]) == 1
    assert len([path for path in tree.iter("path") if path.get("class") == "flow"]) == 3
    assert re.match(r"<net>: encoder 32 × 48, 8 channels; ", tree.get("aria-label", ""))


def test_there_is_no_picture_of_nothing_or_of_too_much() -> None:
    deep = [layer(f"encoder.{i}", "Conv2d", (1, 2**i, 2), i - 1) for i in range(MOST_STAGES + 1)]
    assert draw_network("none", []) is None
    assert draw_network("deep", deep) is None
    assert draw_network("less deep", deep[:-1]) is not None
