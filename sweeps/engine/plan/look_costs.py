"""What tuning on one seed and comparing on others costs: ahead, look by look, and afterwards, beside the full grid."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan.actions import PlannedTrial, read_status
from sweeps.engine.plan.cost import duration
from sweeps.engine.plan.replication import Replication


def look_costs(
    replication: Replication,
    plan: Sequence[PlannedTrial],
    flops: Mapping[str, float],
    rate: float,
    unit_hours: str,
    share: float,
) -> str:
    """What each look that is left may still need, a line each. A setting that no undecided claim needs gets no further
    seeds, so it may be less; rates and batch sizes that are not chosen yet hardly change what an epoch costs."""
    compared = replication.winners or [contest[0] for contest in replication.contests]
    ways = [trial for one in compared for trial in (*one.ancestors, one) if trial.stage != "pretrain"]
    settings = {trial.trial_id: trial for trial in ways}.values()
    known = {planned.trial.trial_id for planned in plan}
    left = sum(planned.epochs_left * flops[planned.trial.trial_id] for planned in plan)
    one_seed = sum(trial.config.epochs * flops[trial.trial_id] for trial in settings)
    lines, begin, new = [], 0, 0
    for number, seeds in enumerate(replication.schedule, start=1):
        if number > replication.rounds:
            new += (seeds - begin) * len(settings)
            left += (seeds - begin) * one_seed
        begin = seeds
        if number < replication.rounds:
            continue
        hours = left / rate * share / 3600
        lines.append(f"  look at {seeds} seeds: at most {len(known) + new} trials, {hours:.3f} {unit_hours} from now")
    first = "It stops at the first look at which all is decided or more seeds cannot decide:"
    return "\n".join([first if replication.replicates.until_decided else "Then the claims are judged:", *lines])


def beside_grid(study: Study, trials: Sequence[Trial], out: Path) -> str:
    """What was trained, beside every setting of the study at every seed that was used; blank where that is no more.
    Pretraining is in neither. A setting takes as long as its trials did in the mean."""
    points = [trial for trial in study.expand() if trial.stage != "pretrain"]
    compared = [trial for trial in trials if trial.stage != "pretrain"]
    seeds = len({trial.config.seed for trial in compared})
    seconds: dict[str, list[float]] = defaultdict(list)
    for trial in compared:
        if status := read_status(trial, out):
            seconds[trial.at_seed(points[0].config.seed).trial_id].append(status.runtime_s)
    ran = [value for values in seconds.values() for value in values]
    if not ran or len(points) * seeds <= len(compared):
        return ""
    each = [statistics.fmean(seconds.get(point.trial_id, ran)) for point in points]
    return (
        f"trained: {len(ran)} trials, {duration(sum(ran))} of training; the full grid over the same {seeds} seeds: "
        f"{len(points) * seeds} trials, about {duration(seeds * sum(each))}"
    )
