"""`--cpus-per-trial auto` and `--gpus-per-trial auto` as numbers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.packing.choice import candidates, choose, describe, unknown
from sweeps.engine.plan.packing.probing import measure, recall
from sweeps.engine.plan.resources import Nodes, ResourceError, pick_resources
from sweeps.engine.say import say


def packed(
    trials: Sequence[Trial],
    options: Options,
    nodes: Nodes,
    epoch_flops: Callable[[TrialConfig], float],
    console: Console,
    spend: bool = True,
    repeats: int = 1,
) -> Options:
    """The options with the packing that trains `trials` soonest, each but a pretraining `repeats` times; it is told in
    a line. Without `spend` nothing is measured, and what this machine does not remember leaves the options as they are.
    Raises ResourceError."""
    if not options.measured:
        return options
    resources = pick_resources(nodes, *options.resources)
    if "gpus" in options.measured and not resources.gpus:
        raise ResourceError("--gpus-per-trial is auto but there is no GPU to share; leave it out")
    if resources.gpus and "gpus" not in options.measured:
        say(console, "packing: 1 core each, since the trials train on GPUs")
        return options
    num_gpus = int(sum(node.get("GPU", 0) for node in nodes)) if resources.gpus else 0
    if resources.num_gpus is not None:
        num_gpus = min(num_gpus, resources.num_gpus)
    packings = candidates(nodes[0], num_gpus)
    with console.status("measuring how trials go beside one another"):
        choice = choose(trials, epoch_flops, packings, num_gpus, measure if spend else recall, repeats)
    if choice is None:
        say(console, unknown(packings))
        return options
    say(console, describe(choice, {trial.trial_id: trial.run_name for trial in trials}))
    if choice.packing.on_gpu:
        return replace(options, gpus_per_trial=1 / choice.packing.trials)
    return replace(options, cpus_per_trial=choice.packing.threads, all_cores=choice.wide)
