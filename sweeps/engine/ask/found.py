"""What a search leaves for others: its best values, and how far it is. Standard library only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError


def write_found(folder: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """`cells` are {"arch", "freeze", "params": {field: value}, ...}, one for each search that has a best trial."""
    records.write_json(folder / records.FOUND_FILE, {"cells": list(cells)})


def read_found(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The searched fields and their best values, by (arch, freeze). Raises ConfigError, RecordError."""
    path = folder / records.FOUND_FILE
    try:
        cells = records.read_json(path)["cells"]
        return {(cell["arch"], cell["freeze"]): dict(cell["params"]) for cell in cells}
    except FileNotFoundError:
        raise ConfigError(
            f"--lr-from is {str(folder)!r}, which has no {records.FOUND_FILE}; give the folder of a search, "
            "<out>/studies/lr_search, or run one first: python sweeps/lr_search.py"
        ) from None
    except (KeyError, TypeError) as error:
        raise records.RecordError(f"{path} is not what a search writes ({error!r}); run the search again") from None


def count_trials(folder: Path) -> dict[str, int]:
    """How many trials each cell of a search has spent, by its name. Raises RecordError on a torn file."""
    path = folder / records.SEARCH_FILE
    if not path.exists():
        return {}
    return {cell["name"]: len(cell["trials"]) for cell in records.read_json(path)["cells"]}
