"""A search's search.json, as the sweep writes it -> its cells and their trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.read.frames import Study
from segtrain import records
from segtrain.records import VAL_MEAN_IOU, RecordError

NEAR = 0.01
"""Rates whose score is within this of the best count as its neighbourhood."""

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


def read_search(study: Study) -> tuple[list[Cell], list[str]]:
    """The searches of the study, none when it is not one; and a sentence for a file that cannot be read."""
    path = study.folder / records.SEARCH_FILE
    if not path.exists():
        return [], []
    try:
        cells = records.read_json(path)["cells"]
        return [Cell(**{name: cell[name] for name in Cell.__dataclass_fields__}) for cell in cells], []
    except (RecordError, KeyError, TypeError) as error:
        return [], [f"{path} cannot be read ({error!r}); run the search's command again to rewrite it"]
