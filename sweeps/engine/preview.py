"""`--plan`: what a study would do and what it would cost, before anything is spent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from segtrain.data import DATASETS
from segtrain.data.cache import list_pairs
from segtrain.data.spec import SPLITS
from segtrain.device import pick_hardware
from sweeps.engine import cluster
from sweeps.engine.cost import epoch_flops, makespan, measure_rate
from sweeps.engine.options import Options
from sweeps.engine.plan import PlannedTrial, make_plan
from sweeps.engine.study import Study
from sweeps.engine.table import duration


def show_plan(study: Study, options: Options, console: Console) -> None:
    """Prints every trial with what would happen to it and its predicted cost, and the total. Starts nothing.

    Raises what `run_study` raises, except for bad files inside the dataset: no image is decoded here.
    """
    trials = study.expand()
    plan = make_plan(trials, options.out)
    nodes = [cluster.local_node()]
    resources = cluster.pick_resources(nodes, options.num_gpus, options.gpus_per_trial, options.cpus_per_trial)
    slots = resources.slots(nodes)
    unit, share = ("GPU", resources.gpus) if resources.gpus else ("core", resources.cpus)

    flops = _flops_left(plan, options.data_root)
    hardware = pick_hardware(study.base.precision, threads=max(1, int(resources.cpus)))
    rate = measure_rate(hardware, study.base)
    seconds = {trial_id: left / rate for trial_id, left in flops.items()}
    eta_s = makespan([(p.trial.trial_id, seconds[p.trial.trial_id], p.trial.config.parent) for p in plan], slots)
    console.print(_table(study, plan, seconds, unit, share))
    console.print(
        f"In all {sum(seconds.values()) * share / 3600:.3f} {unit}-hours; about {duration(eta_s)} with {slots} trials "
        f"at once.\nPredicted: {sum(flops.values()) / 1e12:.1f} TFLOP at {rate / 1e9:.0f} GFLOP/s a trial, measured on "
        f"this machine for a second in {hardware.precision}. Nothing was started.",
        highlight=False,
        soft_wrap=True,
    )


def _flops_left(plan: Sequence[PlannedTrial], data_root: Path) -> Mapping[str, float]:
    """By trial id: floating-point operations of the epochs that are left."""
    images = {}
    for name in {planned.trial.config.dataset for planned in plan}:
        pairs = list_pairs(DATASETS[name], data_root)
        images[name] = {split: len(pairs[split]) for split in SPLITS}
    return {
        planned.trial.trial_id: planned.epochs_left
        * epoch_flops(planned.trial.config, images[planned.trial.config.dataset])
        for planned in plan
    }


def _table(study: Study, plan: Sequence[PlannedTrial], seconds: Mapping[str, float], unit: str, share: float) -> Table:
    table = Table(title=f"{study.title}: {len(plan)} trials")
    table.add_column("run", no_wrap=True)
    table.add_column("what would happen", no_wrap=True)
    table.add_column(f"{unit}-hours", justify="right", no_wrap=True)
    table.add_column("trial id", overflow="fold")
    for planned in plan:
        hours = seconds[planned.trial.trial_id] * share / 3600
        table.add_row(planned.trial.run_name, planned.describe(), f"{hours:.3f}", planned.trial.trial_id)
    return table
