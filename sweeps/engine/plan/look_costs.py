"""What the looks that a study may still take would cost, for `--plan`."""

from collections.abc import Mapping, Sequence

from sweeps.engine.plan.actions import PlannedTrial
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
