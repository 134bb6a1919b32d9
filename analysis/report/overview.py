"""The head of a report: its numbers at a glance, its contents, and what is still to come."""

from collections.abc import Mapping

import pandas as pd

from analysis.read.frames import Study
from analysis.report.tables.table import part
from analysis.report.tables.trials_table import nothing_yet
from analysis.statistics import cells, claims, selection
from analysis.statistics.cells import ending_text
from analysis.statistics.claims import Judgement
from analysis.statistics.counted import COUNTED
from segtrain.records import TEST_MEAN_IOU


def tiles(study: Study, judgements: list[Judgement]) -> list[tuple[str, str, str]]:
    """(what, value, beside) of the numbers on top."""
    trials = study.trials
    finished = int((trials["state"] == "finished").sum())
    seeds = selection.usable(study)["seed"].nunique()
    lost = ending_text(*((trials["state"] == state).sum() for state in ("diverged", "failed")))
    found = [("trials finished", f"{finished} of {len(trials)}", lost), ("seeds", str(seeds), "")]
    models = cells.of_first_task(study, selection.best_models(study))
    if len(models):
        best = models.iloc[0]
        numbers = (best[f"{TEST_MEAN_IOU}{name}"] for name in ("", "_low", "_high", "_n"))
        score = part(*numbers, form=".2f", within=(0, 1))
        text = f"{score.mean} {score.around}".strip() + f" % test mIoU, n = {best['n']}" if score else ""
        few = best[COUNTED[TEST_MEAN_IOU]]
        text += f", {few} classes" if few else ""
        found.append(("best on validation", selection.cell_name(study, best["model"], best["freeze"]), text))
    if judgements:
        counts = claims.count_verdicts(judgements)
        others = f"{counts['contradicted']} contradicted, {counts['undecided']} undecided"
        found.append(("claims that hold", f"{counts['holds']} of {len(judgements)}", others))
    hours = trials["runtime_s"].sum() / 3600
    return [*found, ("trial hours", f"{hours:.1f}", f"hosts: {trials['host'].nunique()}")]


def contents(present: Mapping[str, bool]) -> list[tuple[str, str]]:
    """(anchor, name) of the sections that are there; `present` says it of those that may be absent."""
    names = {"claims": "Answers", "predictions": "Pictures", "results": "Results", "search": "Search"}
    names |= {"curves": "Learning", "classes": "Classes", "edges": "Edges and sizes", "data": "Data"}
    names |= {"models": "Models", "cost": "Cost", "provenance": "Provenance", "trials": "Trials"}
    return [(anchor, name) for anchor, name in names.items() if present.get(anchor, True)]


def unfinished(study: Study) -> list[str]:
    """A sentence for every state that trials are in and should not end in, with their names."""
    if study.trials.empty:
        return ["The study has no trials: its last command planned none. Run the sweep, then the report again."]
    found = (
        [f"{len(study.archived)} archived, and left out: {', '.join(study.archived[:10])}"] if study.archived else []
    )
    if selection.usable(study).empty:
        found.append(nothing_yet(study))
    for state, group in study.trials.groupby("state", sort=False):
        if state not in ("finished", "pruned"):
            names = [
                row["run"] + ("" if pd.isna(row["reason"]) else f" ({row['reason']})")
                for row in group.to_dict("records")
            ]
            listed = "; ".join(names[:10]) + (f"; and {len(names) - 10} more" if len(names) > 10 else "")
            found.append(f"{len(names)} {state}: {listed}")
    resumed = study.trials[study.trials["attempts"].fillna(1) > 1]
    if len(resumed):
        found.append(f"{len(resumed)} resumed after an interruption: {', '.join(resumed['run'])}")
    return found
