"""What a search leaves for others: its best values, and how far it is. Standard library only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError
from segtrain.fields import ANY_LIST, OBJECT, TEXT, Kind, list_of


def write_found(folder: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """`cells` are {"arch", "freeze", "params": {field: value}, ...}, one for each search that has a best trial."""
    records.write_json(folder / records.FOUND_FILE, {"cells": list(cells)})


def read_found(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The searched fields and their best values, by (arch, freeze). Raises ConfigError, RecordError."""
    path = folder / records.FOUND_FILE
    try:
        found = records.read_json(path)
    except FileNotFoundError:
        raise ConfigError(
            f"--lr-from is {str(folder)!r}, which has no {records.FOUND_FILE}; give the folder of a search, "
            "<out>/studies/lr_search, or run one first: python sweeps/lr_search.py"
        ) from None
    cells = _cells(path, found, {"arch": TEXT, "freeze": TEXT, "params": OBJECT})
    return {(cell["arch"], cell["freeze"]): dict(cell["params"]) for cell in cells}


def count_trials(folder: Path) -> dict[str, int]:
    """How many trials each cell of a search has spent, by its name. Raises RecordError on a torn file."""
    path = folder / records.SEARCH_FILE
    try:
        search = records.read_json(path)
    except FileNotFoundError:
        return {}
    return {cell["name"]: len(cell["trials"]) for cell in _cells(path, search, {"name": TEXT, "trials": ANY_LIST})}


def _cells(path: Path, content: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """The cells of a search's file, each with values of those kinds. Raises RecordError."""
    remedy = "run the search's command again to rewrite it"
    records.check(path, content, {"cells": list_of(OBJECT)}, remedy=remedy)
    for number, cell in enumerate(content["cells"], start=1):
        records.check(path, cell, kinds, f", cell {number}", remedy)
    return list(content["cells"])
