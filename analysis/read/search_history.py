"""A search's search.json, as the sweep writes it -> its cells and their trials."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segtrain import records
from segtrain.fields import COUNT, NAME, NUMBER, OBJECT, TEXT, Kind, list_of, or_none
from segtrain.records import VAL_MEAN_IOU, RecordError

if TYPE_CHECKING:
    from analysis.read.frames import Study  # pandas, which a search does without

REWRITE = "run the sweep's command again to rewrite it"
NEAR = 0.01
"""Rates whose score is within this of the best count as its neighbourhood."""

_REPORT = Kind(
    "[epoch, score]", lambda v: isinstance(v, list) and len(v) == 2 and COUNT.holds(v[0]) and NUMBER.holds(v[1])
)
CELL_KINDS = {"name": TEXT, "epochs": COUNT, "best": or_none(OBJECT), "importance": or_none(OBJECT)}
CELL_KINDS |= {"trials": list_of(OBJECT)}
TRIAL_KINDS = {"number": COUNT, "trial_id": NAME, "state": TEXT, "params": OBJECT, "value": or_none(NUMBER)}
TRIAL_KINDS |= {"intermediate": list_of(_REPORT), "epochs": COUNT}

Trials = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """One search. `trials`: number, trial_id, state (of Optuna, in small letters), params, value (None where there is
    none), intermediate ([epoch, validation mean IoU]), epochs (trained)."""

    name: str
    epochs: int
    best: Mapping[str, Any] | None
    importance: Mapping[str, float] | None
    trials: Trials

    def count(self, state: str) -> int:
        return sum(trial["state"] == state for trial in self.trials)

    def neighbourhood(self) -> list[float]:
        """The learning rates of whole trials within NEAR of the best, between which no whole trial was worse."""
        if self.best is None:
            return []
        whole = sorted((t["params"]["lr"], t["value"]) for t in self.trials if t["state"] == "complete")
        near = [value >= self.best[VAL_MEAN_IOU] - NEAR for _, value in whole]
        first = last = [lr for lr, _ in whole].index(self.best["params"]["lr"])
        while first > 0 and near[first - 1]:
            first -= 1
        while last + 1 < len(whole) and near[last + 1]:
            last += 1
        return [lr for lr, _ in whole[first : last + 1]]


def read_search(study: "Study") -> tuple[list[Cell], list[str]]:
    """The searches of the study, none when it is not one; and a sentence for a file that cannot be read."""
    path = study.folder / records.SEARCH_FILE
    try:
        search = records.read_json(path)
        records.check(path, search, {"cells": list_of(OBJECT)}, remedy=REWRITE)
        return [_read_cell(path, cell, number) for number, cell in enumerate(search["cells"], start=1)], []
    except FileNotFoundError:
        return [], []
    except (RecordError, OSError) as error:
        return [], [str(error)]


def sound_cells(folder: Path) -> list[dict[str, Any]]:
    """The cells of the search in `folder` as they are in its file, without what cannot be read: the search's storage
    has it, and its command writes it anew."""
    path = folder / records.SEARCH_FILE
    try:
        cells = records.read_json(path).get("cells")
    except (FileNotFoundError, RecordError):
        return []
    found = []
    for number, cell in enumerate(cells if isinstance(cells, list) else [], start=1):
        with suppress(RecordError):
            records.check(path, {"cell": cell}, {"cell": OBJECT})
            _read_cell(path, cell, number)
            found.append(cell)
    return found


def _read_cell(path: Path, cell: Mapping[str, Any], number: int) -> Cell:
    """Raises RecordError."""
    place = f", cell {number}"
    records.check(path, cell, CELL_KINDS, place, REWRITE)
    if cell["importance"] is not None:
        records.check(
            path, cell["importance"], dict.fromkeys(cell["importance"], NUMBER), f"{place}, importance", REWRITE
        )
    for index, trial in enumerate(cell["trials"], start=1):
        where = f"{place}, trial {index}"
        records.check(path, trial, TRIAL_KINDS, where, REWRITE)
        records.check(path, trial["params"], dict.fromkeys({"lr", *trial["params"]}, NUMBER), where, REWRITE)
        if trial["state"] == "complete":
            records.check(path, trial, {"value": NUMBER}, where, REWRITE)
    if cell["best"] is not None:
        where = f"{place}, best"
        records.check(path, cell["best"], {VAL_MEAN_IOU: NUMBER, "params": OBJECT}, where, REWRITE)
        whole = [trial["params"] for trial in cell["trials"] if trial["state"] == "complete"]
        if cell["best"]["params"] not in whole:
            raise RecordError(f"{path}{where} is none of its trials that ran whole; {REWRITE}")
    return Cell(**{name: cell[name] for name in Cell.__dataclass_fields__})
