"""Tune on one seed, compare on others: which trials follow from how those before them ended.

Settings that differ in TUNED fields alone compete. Where several do, each is trained on the study's seed, stage `tune`,
and the one that validates best wins; the winners are trained on fresh seeds, stage `trial`. At the end of a round of
seeds the claims are looked at, and the settings that an undecided claim needs go into the next round. All of this
follows from the trial folders and the looks in study.json, so a command that is given again comes to the same trials.
"""

import dataclasses
import json
from collections.abc import Sequence
from math import nan

from analysis.inference import tuning
from analysis.inference.spending import Look, next_share, planned_seeds
from analysis.inference.tuning import TUNED
from segtrain import records
from segtrain.config import ConfigError
from sweeps.engine.ask.options import Options, Replicates
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan.actions import CurrentData, PlannedTrial, best_validation, make_plan
from sweeps.engine.plan.study_file import read_looks
from sweeps.engine.plan.verdicts import judge


class Replication:
    """The trials of `study` that are known so far, `trials`, and the looks taken at them. Raises ConfigError on a study
    of several seeds, and PlanError as `make_plan` does."""

    def __init__(
        self, study: Study, replicates: Replicates, options: Options, current_data: CurrentData, taken: Sequence[Look]
    ) -> None:
        points = study.expand()
        seeds = sorted({trial.config.seed for trial in points if trial.stage != "pretrain"})
        if len(seeds) > 1:
            raise ConfigError(
                f"the study's trials have the seeds {', '.join(map(str, seeds))}, and "
                f"{'--until-decided' if replicates.until_decided else '--replicates'} chooses seeds itself; allowed: "
                "one seed, to tune on; leave the others out of --set and of the study file"
            )
        self.study, self.replicates, self.options, self.current_data = study, replicates, options, current_data
        self.schedule = planned_seeds(replicates.most) if replicates.until_decided else (replicates.most,)
        self.contests = compete(points)
        tuned = [trial for contest in self.contests if len(contest) > 1 for trial in contest]
        self.first_seed = seeds[0] + bool(tuned)  # a seed that settings were chosen by would flatter them
        self.parents = [trial for trial in points if trial.stage == "pretrain"]
        self.trials: list[Trial] = []
        self.ended: dict[str, records.State] = {}
        self.winners: list[Trial] | None = None
        self.rounds = 0  # that have begun
        self.taken = list(taken)
        self.looks: list[Look] = []  # of this study at its rounds, or before
        self.over = False
        self._enter([*self.parents, *(dataclasses.replace(trial, stage="tune") for trial in tuned)])

    def end(self, trial_id: str, outcome: records.State) -> list[PlannedTrial]:
        """Takes note of how a trial of the study ended; what is to be run next because of that."""
        self.ended[trial_id] = outcome
        return self.advance()

    def advance(self) -> list[PlannedTrial]:
        """Goes on as far as the trials that have ended allow; the trials that are new and left to run."""
        found: list[PlannedTrial] = []
        while not self.over and self._is_next():
            if self.winners is None:
                self.winners = self._choose()
                needed = self.winners
            else:
                needed = self._look()
            if not needed or self.rounds == len(self.schedule):
                self.over = True
            else:
                found += self._enter(self._next_round(needed))
        return found

    def _is_next(self) -> bool:
        """Whether nothing is waited for. What needs no tuning need not wait for the parents either."""
        if self.winners is None and self.trials == self.parents:
            return True
        return all(trial.trial_id in self.ended for trial in self.trials)

    def _enter(self, trials: Sequence[Trial]) -> list[PlannedTrial]:
        trials = self._with_ancestors(trials)
        self.trials += trials
        new = {trial.trial_id for trial in trials}
        before = {trial.trial_id for trial in self.parents} | {a.trial_id for t in trials for a in t.ancestors}
        plan = make_plan(
            [trial for trial in self.trials if trial.trial_id in before | new],
            self.options.out,
            self.current_data,
            self.options.changed_data,
        )
        for planned in plan:
            if planned.action == "skip" and planned.status is not None:
                self.ended.setdefault(planned.trial.trial_id, planned.status.state)
        return [planned for planned in plan if planned.trial.trial_id in new and planned.action != "skip"]

    def _with_ancestors(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials, each behind those that it starts from: one that is not compared itself only gives weights."""
        compared = {trial.trial_id: trial for trial in trials}
        known, found = {trial.trial_id for trial in self.trials}, dict[str, Trial]()
        for trial in trials:
            for before in trial.ancestors:
                if before.trial_id not in known:
                    given = dataclasses.replace(before, stage="pretrain")
                    found.setdefault(before.trial_id, compared.get(before.trial_id, given))
            found.setdefault(trial.trial_id, trial)
        return list(found.values())

    def _choose(self) -> list[Trial]:
        """The winner of each contest, in study order; none of one in which nothing finished."""
        winners = []
        for contest in self.contests:
            if len(contest) == 1:
                winners.append(contest[0])
                continue
            states = [self.ended.get(trial.trial_id) for trial in contest]
            reached = [
                best_validation(trial, self.options.out) if state == "finished" else None
                for trial, state in zip(contest, states, strict=True)
            ]
            scores = [nan if score is None else score for score in reached]
            index = tuning.choose(scores, [float(state == "diverged") for state in states])
            if index is not None:
                winners.append(contest[index])
        return winners

    def _next_round(self, winners: Sequence[Trial]) -> list[Trial]:
        begin = self.schedule[self.rounds - 1] if self.rounds else 0
        end = self.schedule[self.rounds]
        self.rounds += 1
        seeds = range(self.first_seed + begin, self.first_seed + end)
        return [winner.at_seed(seed) for seed in seeds for winner in winners]

    def _look(self) -> list[Trial]:
        """Judges the claims; the winners that further seeds are needed of."""
        seeds = self.schedule[self.rounds - 1]
        self.taken = counted(self.taken, seeds, self.replicates.most if self.replicates.until_decided else None)
        # A look that was taken later has seen other trials. One before which there is none has nothing to spend.
        self.looks = [look for look in self.taken if look.seeds <= seeds]
        needed = judge(self.study, self.trials, self.looks or [Look(seeds, 0.0)], self.options).needed()
        assert self.winners is not None
        # The first fresh seed stands for its setting: every winner has been trained on it.
        return [winner for winner in self.winners if winner.at_seed(self.first_seed).trial_id in needed]


def go_on(study: Study, options: Options, current_data: CurrentData) -> Replication:
    """With the trials that follow from those that have ended so far."""
    assert options.replicates is not None
    taken = read_looks(study, study.expand(), options)
    replication = Replication(study, options.replicates, options, current_data, taken)
    replication.advance()
    return replication


def counted(taken: Sequence[Look], seeds: int, most: int | None = None) -> list[Look]:
    """The looks with one more at `seeds` seeds, planned if `most` is given; the same ones where that many seeds were
    seen before, or where one seed decides nothing."""
    if seeds < 2 or seeds <= max((look.seeds for look in taken), default=0):
        return list(taken)
    return [*taken, Look(seeds, next_share(taken, seeds, most))]


def compete(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials that are no pretraining, in groups of those that differ in TUNED fields alone."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.stage != "pretrain":
            found.setdefault(_contest(trial), []).append(trial)
    return list(found.values())


def _contest(trial: Trial) -> str:
    """Equal for trials that compete, whose parents do as well."""
    science = {name: value for name, value in trial.config.to_dict().items() if name not in TUNED}
    if trial.start is not None and trial.start.stage != "pretrain":
        science["parent"] = _contest(trial.start)
    return json.dumps([trial.variant, science], sort_keys=True)
