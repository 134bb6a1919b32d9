"""Own data on disk: drives of small random images, their masks in each of the ways that masks are saved."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

COLOURS = ((10, 20, 30), (200, 0, 0), (0, 0, 200))
VOID, VOID_COLOUR = 9, (255, 255, 255)
HEIGHT, WIDTH = 32, 48
TABLES: dict[str, dict[str, Any]] = {
    "images": {"files": "images/*.png"},
    "masks": {"files": "masks/*.png", "labels": "ids", "ignore": [VOID]},
    "split": {"by": "shares", "train": 0.5, "val": 0.25, "test": 0.25, "group": "{group}_*"},
}


def save_mask(labels: np.ndarray, path: Path, kind: str) -> None:
    if kind == "colours":
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(COLOURS)], table[VOID] = COLOURS, VOID_COLOUR
        Image.fromarray(table[labels]).save(path)
        return
    mask = Image.fromarray(labels)
    if kind == "palette":
        mask.putpalette([value for colour in COLOURS for value in colour] + [7] * 3 * (256 - len(COLOURS)))
    mask.save(path)


def write_toml(folder: Path, text: str = "", **edits: Mapping[str, Any]) -> Path:
    """dataset.toml with TABLES, the keys of tables changed by `edits`; None leaves a key out. `text` stands first."""
    by_colour = edits.get("masks", {}).get("labels") == "colours"
    lines = [text or 'name = "mine"']
    for table, values in TABLES.items():
        lines.append(f"[{table}]")
        if by_colour and table == "masks":
            values = {**values, "ignore": [VOID_COLOUR]}
        kept = {key: value for key, value in {**values, **edits.get(table, {})}.items() if value is not None}
        lines += [f"{key} = {json.dumps(value)}" for key, value in kept.items()]
    for number, colour in enumerate(COLOURS):
        key = "" if by_colour else f"id = {number}\n"
        lines.append(f'[[classes]]\nname = "class{number}"\n{key}colour = {list(colour)}')
    path = folder / "dataset.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def write_own() -> Callable[..., Path]:
    """write_own(folder, kind="ids", **edits of the tables) -> its dataset.toml: three images of drives a to d."""

    def write(folder: Path, kind: str = "ids", **edits: Mapping[str, Any]) -> Path:
        rng = np.random.default_rng(0)
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        for drive in "abcd":
            for frame in range(3):
                pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "images" / f"{drive}_{frame}.png")
                labels = rng.choice(np.array([0, 1, 2, VOID], dtype=np.uint8), (HEIGHT, WIDTH))
                save_mask(labels, folder / "masks" / f"{drive}_{frame}.png", kind)
        return write_toml(folder, **{**edits, "masks": {"labels": kind, **edits.get("masks", {})}})

    return write


@pytest.fixture(scope="session")
def write_description() -> Callable[..., Path]:
    """write_description(folder, text='name = "mine"', **edits of the tables) -> dataset.toml, without any images."""
    return write_toml
