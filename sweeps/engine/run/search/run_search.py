"""From a search to a best model of each cell: check, resume, schedule, hand on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from analysis.read.search_history import sound_cells
from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.found import write_found
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.ask.search import Search
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan import preflight
from sweeps.engine.plan.actions import (
    PlannedTrial,
    best_validated,
    check_search_data,
    check_study_folder,
    find_changed,
    make_plan,
)
from sweeps.engine.plan.cost import percent
from sweeps.engine.plan.earlier.code_changes import choose_again
from sweeps.engine.plan.earlier.restart import clear_restarted
from sweeps.engine.plan.packing.packed import packed
from sweeps.engine.plan.study_file import write_study
from sweeps.engine.run.cluster import find_nodes, starting_ray
from sweeps.engine.run.mirroring import Mirror
from sweeps.engine.run.notifying import Notifier
from sweeps.engine.run.queue.out_of_time import OutOfTime
from sweeps.engine.run.search.optuna_studies import OptunaStudies, Searched, SearchError, open_storage
from sweeps.engine.say import say

LOCK_FILE = ".search.lock"
WRITE_EVERY_S, WRITE_SHARE = 5.0, 0.05
"""What a running search leaves for the analysis is written no more often than this, and takes no more than this share
of the time: it is about every trial, so thousands would crawl."""


def run_search(
    search: Search,
    options: Options,
    storage: str | None,
    console: Console,
    mirror: Mirror | None = None,
    notifier: Notifier | None = None,
) -> int:
    """Spends what is left of the search's trials and says what was found.

    Returns the exit code: 1 when a search found nothing, or with `strict` when a trial failed, and INTERRUPTED after
    Ctrl-C or when the budget is spent. Raises what `run_study` raises, and SearchError.
    """
    preflight.check_machine(options)
    trials = search.study.expand()
    preflight.check_models((trial.config for trial in trials), console)
    preflight.check_recipes(trial.config for trial in trials)
    epoch_flops = preflight.check_data([trial.config for trial in trials], options.data_root)
    folder = records.study_dir(options.out, search.study.name)
    check_study_folder(folder)  # raises, where nothing can be added to it
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK_FILE, timeout=0, fallback_to_soft=False):
            results = Results(search, options, storage, folder)
            results.check_code()
            current_data = preflight.current_data(options.data_root)
            asked = [trial for searched in results.studies.cells for trial, _ in results.studies.trials(searched)]
            check_search_data(find_changed([*results.parents, *asked], options.out, current_data), options)
            trials_left = [*results.parents, *results.studies.resume()]
            plan = make_plan(trials_left, options.out, current_data, options.changed_data)
            starting = [p.trial.config for p in plan if p.action in ("run", "restart")]
            asked_later = [trial.config for trial in trials] if results.studies.unasked else []
            preflight.check_weights([*starting, *asked_later], options.data_root)
            clear_restarted(plan, options.out)
            preflight.keep_code((trial.config for trial in trials), folder)
            results.write()
            if options.measured:
                flops = preflight.listed_flops((trial.config for trial in trials), options.data_root)
                options = packed(
                    trials, options, find_nodes(options), lambda c: flops[c.trial_id], console, repeats=search.trials
                )
            through = all(p.action == "skip" for p in plan) and results.studies.unasked == 0
            why = "interrupted"
            try:
                complete = through or _spend(
                    search, plan, epoch_flops, options, console, results.studies, mirror, notifier
                )
            except OutOfTime as left_out:
                complete, why = False, str(left_out)
            results.write()
            results.show(console)
    except Timeout:
        raise SearchError(
            f"{folder} is being searched by another command; wait for it, or choose another --out"
        ) from None
    if complete:
        return results.exit_code(options.strict)
    say(console, f"{why}; the same command again goes on from here")
    return INTERRUPTED


def _spend(
    search: Search,
    plan: Sequence[PlannedTrial],
    epoch_flops: Callable[[TrialConfig], float],
    options: Options,
    console: Console,
    studies: OptunaStudies,
    mirror: Mirror | None,
    notifier: Notifier | None,
) -> bool:
    """Whether it came to its end."""
    try:
        configs = (trial.config for trial in search.study.expand())
        with preflight.counting(configs) as counted, starting_ray(options, len(plan) + studies.unasked) as ready:
            from sweeps.engine.run.schedule import run_trials  # Tune: seconds, which go by while Ray starts

            counted()
            return run_trials(
                search.study.name, plan, epoch_flops, options, console, ready, studies, mirror=mirror, notifier=notifier
            )
    except KeyboardInterrupt:
        return False


class Results:
    """What a search leaves beside its Optuna storage, for the analysis and for other studies."""

    def __init__(self, search: Search, options: Options, storage: str | None, folder: Path) -> None:
        self.search, self.options, self.folder = search, options, folder
        self.next_write = 0.0
        self.parents = [trial for trial in search.study.expand() if trial.stage == "pretrain"]
        self.studies = OptunaStudies(search, open_storage(storage, folder), options.out, self._write_at_times)

    def check_code(self) -> None:
        """Raises PlanError when own code has changed since a trial and nothing was chosen, and SearchError on a wish to
        train such trials again: what comes next was drawn from how they ended."""
        asked = [trial for searched in self.studies.cells for trial, _ in self.studies.trials(searched)]
        if choose_again([*self.parents, *asked], self.options.out, self.options.code):
            raise SearchError(
                "--code is changed=rerun, but a search goes on from how its trials ended; search under another --out, "
                "or let them stand with --code changed=keep"
            )

    def _write_at_times(self) -> None:
        if time.monotonic() > self.next_write:
            self.write()

    def write(self) -> None:
        begin = time.monotonic()
        asked = [trial for searched in self.studies.cells for trial, _ in self.studies.trials(searched)]
        write_study(self.search.study, [*self.parents, *asked], [], self.options)
        cells = [self._describe(searched) for searched in self.studies.cells]
        names = {cell["name"] for cell in cells}
        others = [cell for cell in sound_cells(self.folder) if cell["name"] not in names]  # of other commands
        search = {**self.search.describe(), "tries": list(self.search.tries), "trials": self.search.trials}
        records.write_json(self.folder / records.SEARCH_FILE, {**search, "cells": [*cells, *others]})
        # Of two that have one architecture and freeze, a study takes the rates of the last.
        write_found(self.folder, [cell["best"] for cell in (*others, *cells) if cell["best"] is not None])
        now = time.monotonic()
        self.next_write = now + max(WRITE_EVERY_S, (now - begin) / WRITE_SHARE)

    def exit_code(self, strict: bool) -> int:
        trials = [self.studies.trials(searched) for searched in self.studies.cells]
        failed = any(frozen.state == TrialState.FAIL for cell in trials for _, frozen in cell)
        return 1 if (strict and failed) or not all(_best(cell) for cell in trials) else 0

    def _describe(self, searched: Searched) -> dict[str, Any]:
        config, trials = searched.cell.config, self.studies.trials(searched)
        best = _best(trials)
        cell = {"name": searched.cell.name, "arch": config.arch, "freeze": config.freeze, "epochs": config.epochs}
        found = None
        if best is not None:
            trial, frozen = best
            found = {**cell, "params": frozen.params, records.VAL_MEAN_IOU: frozen.value, "trial_id": trial.trial_id}
        return {
            **cell,
            "best": found,
            "importance": _importance(searched.study, trials),
            "trials": [
                {
                    "number": frozen.number,
                    "trial_id": trial.trial_id,
                    "state": frozen.state.name.lower(),
                    "params": frozen.params,
                    "value": frozen.value,
                    "intermediate": sorted(frozen.intermediate_values.items()),
                    "epochs": self._epochs(trial, frozen),
                }
                for trial, frozen in trials
            ],
        }

    def _epochs(self, trial: Trial, frozen: FrozenTrial) -> int:
        """How many the trial has trained."""
        if frozen.state == TrialState.COMPLETE:
            return trial.config.epochs
        status = records.read_status(records.trial_dir(self.options.out, trial.trial_id))
        return 0 if status is None else status.epoch

    def show(self, console: Console) -> None:
        table = Table(title=self.search.study.title)
        for name in ("search", "best"):
            table.add_column(name, no_wrap=True)
        for name in ("val / test mIoU %", "whole / stopped / failed", "epochs"):
            table.add_column(name, justify="right")
        for searched in self.studies.cells:
            trials = self.studies.trials(searched)
            best, epochs = _best(trials), sum(self._epochs(*item) for item in trials)
            states = [frozen.state for _, frozen in trials]
            counts = [str(states.count(s)) for s in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)]
            found, scores = "none", ""
            if best is not None:
                trial, frozen = best
                test = records.read_test_scores(records.trial_dir(self.options.out, trial.trial_id))
                found = ", ".join(f"{name} {value:.3g}" for name, value in frozen.params.items())
                validated = (best_validated(trial, self.options.out) or {}).get(records.VAL_IOU)
                scores = f"{percent(frozen.value, validated)} / {percent(test.mean_iou, test.iou)}"
            spent = f"{epochs} of {len(trials) * searched.cell.config.epochs}"
            table.add_row(searched.cell.name, found, scores, " / ".join(counts), spent)
        console.print(table)
        say(
            console,
            f"search: {self.folder}; its report: python -m analysis report {self.folder}\n"
            f"the grid at these rates: python sweeps/fcn_grid.py --lr-from {self.folder}",
        )


def _best(trials: Sequence[tuple[Trial, FrozenTrial]]) -> tuple[Trial, FrozenTrial] | None:
    complete = [item for item in trials if item[1].state == TrialState.COMPLETE]
    return max(complete, key=lambda item: item[1].value or 0.0, default=None)


def _importance(study: optuna.Study, trials: Sequence[tuple[Trial, FrozenTrial]]) -> dict[str, float] | None:
    """Share of the variance in the score that each searched field explains; None for one field or hardly any trial."""
    complete = [frozen for _, frozen in trials if frozen.state == TrialState.COMPLETE]
    if len(complete) < 4 or len(complete[0].params) < 2:
        return None
    return optuna.importance.get_param_importances(study)
