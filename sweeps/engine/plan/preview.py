"""`--plan`: what a study or a search would do and what it would cost, before anything is spent."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from rich.console import Console
from rich.table import Table

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.spec import DataError
from sweeps.engine.ask.found import count_trials
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.search import Search
from sweeps.engine.ask.stage_graph import describe_stages
from sweeps.engine.ask.study import Study
from sweeps.engine.plan.actions import PlanError, PlannedTrial, check_decided, check_study_folder, make_plan
from sweeps.engine.plan.cost import duration, end_times, makespan
from sweeps.engine.plan.earlier.code_changes import choose_again
from sweeps.engine.plan.earlier.shorter_trials import ShorterTrials
from sweeps.engine.plan.packing.packed import packed
from sweeps.engine.plan.preflight import check_models, check_recipes, check_starts, current_data, listed_flops
from sweeps.engine.plan.rates import predicted_rate
from sweeps.engine.plan.resources import Nodes, TrialResources, pick_resources
from sweeps.engine.say import say

WIDTH_FOR_IDS = 120  # columns of a terminal
MOST_ROWS = 1000


def show_plan(study: Study, options: Options, nodes: Nodes, console: Console) -> None:
    """Prints the recipe, every trial with what would happen to it and its predicted cost, and the total. Starts
    nothing. Embedded scenes are written to the data root first where they are not there yet; without its data a study
    is shown without its cost.

    Raises what `run_study` raises, except for what is wrong with the data: no image is decoded here.
    """
    current = current_data(options.data_root)
    check_study_folder(records.study_dir(options.out, study.name))  # raises, as the run would
    replication = None
    if options.replicates:
        from sweeps.engine.plan.replication import go_on  # statistics: seconds, which a plan of all does without

        replication = go_on(study, options, current)
    points = study.expand()
    trials = replication.trials if replication else points
    longest = ShorterTrials(options.out, current, lambda text: say(console, text)).longest
    again = choose_again(trials, options.out, options.code, longest)
    plan = make_plan(trials, options.out, current, options.changed_data, again, longest)
    configs = [planned.trial.config for planned in plan if planned.action != "skip"]
    check_models(configs, console)
    check_starts((planned.trial for planned in plan if planned.action != "skip"), console)
    check_recipes(configs)
    asked = pick_resources(nodes, *options.resources)  # what cannot be had is refused before anything is said
    say(console, recipe(study))
    if (note := feature_note(configs)) is not None:
        say(console, note)
    try:
        check_decided(plan, options.out)
    except PlanError as error:
        say(console, f"{error}. Shown is what it would cost to train them again.")
    try:
        flops = listed_flops([trial.config for trial in [*points, *trials]], options.data_root)
        options = packed(points, options, nodes, lambda c: flops[c.trial_id], console, spend=False)
    except DataError as error:
        unit, share = _unit(asked)
        console.print(_table(study, plan, {}, unit, share, with_ids=console.width >= WIDTH_FOR_IDS))
        say(console, f"What it would cost depends on the data, which cannot be read: {error}. Nothing was started.")
        return
    resources = pick_resources(nodes, *options.resources)
    slots, (unit, share) = resources.slots(nodes), _unit(resources)
    left = {p.trial.trial_id: p.epochs_left * flops[p.trial.trial_id] for p in plan}
    rate, source = predicted_rate(points[-1].config, plan, flops, options.out, resources)
    seconds = {trial_id: operations / rate for trial_id, operations in left.items()}
    durations = [(p.trial.trial_id, seconds[p.trial.trial_id], p.trial.config.parent) for p in plan]
    ends = end_times(durations, slots, options.budget.seconds if options.budget else math.inf)
    left_out = seconds.keys() - ends.keys()
    eta_s = max(ends.values(), default=0.0)
    console.print(_table(study, plan, seconds, unit, share, console.width >= WIDTH_FOR_IDS, left_out))
    if options.budget is not None:
        open_ids = {p.trial.trial_id for p in plan if p.action != "skip"}
        fitting = f"{len(open_ids - left_out)} of {len(open_ids)} trials"
        say(console, f"{fitting} that are left fit into {options.budget.text}, after {duration(eta_s)}.")
        eta_s = makespan(durations, slots)
    say(
        console,
        f"In all {sum(seconds.values()) * share / 3600:.3f} {unit}-hours; about {duration(eta_s)} with {slots} trials "
        f"at once.\nPredicted from {sum(left.values()) / 1e12:.1f} TFLOP that are left, and {rate / 1e9:.0f} GFLOP/s "
        f"of a trial {source}. Nothing was started.",
    )
    if replication is not None and not replication.over:
        from sweeps.engine.plan.look_costs import look_costs

        say(console, look_costs(replication, plan, flops, rate, f"{unit}-hours", share))


def _unit(resources: TrialResources) -> tuple[str, float]:
    """What costs are counted in, and how much of it a trial has."""
    return ("GPU", resources.gpus) if resources.gpus else ("core", resources.cpus)


def recipe(study: Study) -> str:
    """The study's base with the values of its axes, and how its variants and its pretraining differ from that."""
    base = {name: value for name, value in study.base.to_dict().items() if name != "parent"}
    axes = {name: "|".join(map(str, values)) for name, values in study.axes.items()}
    pretrainings = (stage for stage in describe_stages({}, study.pretrainings) if stage["stage"] == "pretrain")
    edits = {"recipe": {**base, **axes}, **study.variants, **{stage["name"]: stage["edit"] for stage in pretrainings}}
    return "\n".join(f"{name}: " + ", ".join(f"{k}={v}" for k, v in edit.items()) for name, edit in edits.items())


def feature_note(configs: Sequence[TrialConfig]) -> str | None:
    """Which trials with frozen encoders compute features in every epoch that others would read."""
    count = sum(config.freeze != "none" and config.augmented for config in configs)
    if not count:
        return None
    which = "1 trial sees" if count == 1 else f"{count} trials see"
    return (
        f"The frozen encoder of {which} other random views in every epoch: its features are computed anew each time, "
        "where without augmentation they would be kept."
    )


def show_search(search: Search, options: Options, nodes: Nodes, console: Console) -> None:
    """Prints what is left of each search, and its cost if no trial were stopped early. Starts nothing."""
    folder = records.study_dir(options.out, search.study.name)
    check_study_folder(folder)  # raises, as the run would
    spent = count_trials(folder)
    trials = search.study.expand()
    points = make_plan(trials, options.out)
    check_models((p.trial.config for p in points), console)
    if (note := feature_note([p.trial.config for p in points])) is not None:
        say(console, note)
    check_recipes(p.trial.config for p in points)
    flops = listed_flops([planned.trial.config for planned in points], options.data_root)
    options = packed(trials, options, nodes, lambda c: flops[c.trial_id], console, spend=False, repeats=search.trials)
    resources = pick_resources(nodes, *options.resources)
    unit, share = _unit(resources)
    rate, source = predicted_rate(points[-1].trial.config, points, flops, options.out, resources)
    table = Table(title=f"{search.study.title}: {', '.join(search.searched)}")
    for name in ("search", "trials spent", "left", "epochs each", f"{unit}-hours at most"):
        table.add_column(name, justify="left" if name == "search" else "right")
    hours, durations = 0.0, list[tuple[str, float, str | None]]()
    for cell in search.cells():
        done = spent.get(cell.name, 0)
        left = max(0, search.trials - done)
        each = cell.config.epochs * flops[cell.config.trial_id] / rate
        at_most = left * each * share / 3600
        hours += at_most
        durations += [(f"{cell.name} {number}", each, None) for number in range(left)]
        table.add_row(cell.name, str(done), str(left), str(cell.config.epochs), f"{at_most:.3f}")
    console.print(table)
    total = f"In all at most {hours:.3f} {unit}-hours, at {rate / 1e9:.0f} GFLOP/s {source}. Nothing was started."
    say(console, total)
    if options.budget is not None:
        fitting = len(end_times(durations, resources.slots(nodes), options.budget.seconds))
        say(
            console,
            f"{fitting} of {len(durations)} trials that are left fit into {options.budget.text} if none is stopped "
            "early; pretraining is not counted.",
        )


def _table(
    study: Study, plan: Sequence[PlannedTrial], seconds: Mapping[str, float], unit: str, share: float, with_ids: bool,
    left_out: Set[str] = frozenset(),
) -> Table:  # fmt: skip
    """`left_out` are the ids of trials that would not end within the budget."""
    table = Table(title=f"{study.title}: {len(plan)} trials")
    table.add_column("run", no_wrap=True)
    table.add_column("what would happen", overflow="fold")
    table.add_column(f"{unit}-hours", justify="right", no_wrap=True)
    if with_ids:
        table.add_column("trial id", no_wrap=True)
    if len(plan) > MOST_ROWS:
        counts = Counter(planned.action for planned in plan[MOST_ROWS:])
        table.caption = "and " + ", ".join(f"{count} to {action}" for action, count in counts.items())
    for planned in plan[:MOST_ROWS]:
        known = seconds.get(planned.trial.trial_id)
        hours = "?" if known is None else f"{known * share / 3600:.3f}"
        ids = [planned.trial.trial_id] if with_ids else []
        late = ", not within the budget" if planned.trial.trial_id in left_out else ""
        table.add_row(planned.trial.run_name, planned.describe() + late, hours, *ids)
    return table
