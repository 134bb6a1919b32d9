"""One `Tuner.fit()` over everything that is to be run."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.air._internal import usage
from ray.tune.execution import class_cache
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import Longest, PlannedTrial
from sweeps.engine.plan.earlier.shorter_trials import starting_folders
from sweeps.engine.plan.rates import predicted_rate
from sweeps.engine.plan.resources import Nodes, TrialResources, pick_resources
from sweeps.engine.run.lost_workers import HungWorkers
from sweeps.engine.run.mirroring import Mirror
from sweeps.engine.run.notifying import Notifier
from sweeps.engine.run.progress.calls_for_help import CallsForHelp
from sweeps.engine.run.progress.live_table import SweepTable
from sweeps.engine.run.queue.out_of_time import OutOfTime
from sweeps.engine.run.queue.trial_queue import TrialQueue
from sweeps.engine.run.queue.trial_source import Source
from sweeps.engine.run.trainable import TrialTrainable
from sweeps.engine.run.tune_callbacks import KeptSignal, MirrorEvents
from sweeps.engine.run.tune_schedulers import NewestFirst, Pruning
from sweeps.engine.run.worker_configs import worker_configs
from sweeps.engine.say import say

RAY_PREFIX = ".ray-"
"""Of the folder of Tune's scratch files, in `out` because every node of a cluster must see it; removed at the end."""
MORE_THAN_ANY_CLUSTER_HOLDS = 10_000
# A variable for PyTorch Lightning. With any, an actor takes no worker that is ready, and its own is started by way of
# another Python, which imports Ray as well.
class_cache.DEFAULT_ENV_VARS.clear()
# Tune would hand these to its workers, which need none, and Ray writes what is handed on into logs that all may read.
class_cache.ENV_VARS_TO_PROPAGATE.difference_update(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"}
)
# Tune tells which trackers of its own are used, for which it imports them all, MLflow among them: a second of a core.
# Nothing is told here, see RAY_USAGE_STATS_ENABLED.
usage.tag_callbacks = lambda callbacks: False


def run_trials(
    study: str,
    plan: Sequence[PlannedTrial],
    epoch_flops: Callable[[TrialConfig], float],
    options: Options,
    console: Console,
    ready: Callable[[], Callable[[], Nodes]],
    source: Source | None = None,
    trainable: type[tune.Trainable] = TrialTrainable,
    mirror: Mirror | None = None,
    longest: Longest = lambda config: None,
    notifier: Notifier | None = None,
) -> bool:
    """Runs what is left of the plan and what `source` gives, on the Ray that `ready` waits for; whether it came to its
    end. A trial of `source` goes on from the `longest` that there is for it, one of the plan where the plan says so.
    Raises ResourceError, and OutOfTime when the rest does not fit into the budget.

    `trainable` is what a worker runs; benchmarks put one there that does not train.
    """
    with console.status("waiting for Ray"):
        nodes = ready()
    resources = pick_resources(nodes(), *options.resources)

    def slots() -> int:
        return resources.slots(nodes())

    given = worker_configs(study, options, resources, nodes, starting_folders(plan, options.out, longest))

    def worker_config(trial: Trial) -> dict[str, Any]:
        table.add(trial)
        return given(trial)

    def read_status(trial_id: str) -> records.Status | None:
        return records.read_status(records.trial_dir(options.out, trial_id))

    costs = {p.trial.trial_id: p.epochs_left * epoch_flops(p.trial.config) if p.epochs_left else 0.0 for p in plan}
    queue = TrialQueue(plan, costs, options.out, slots, worker_config, source, lambda trial: table.fits(trial))
    needed = (notifier or Notifier(study, options, console)).needed

    def hangs(tune_id: str, why: str) -> None:
        queue.ended_for[tune_id] = why
        needed("hung worker", f"{queue.running[tune_id].trial.trial_id}: {why}; it is tried again")

    hung = HungWorkers(options.hung_after, epoch_flops, hangs)
    help_ = CallsForHelp(needed, read_status, queue.why_again, slots)
    rate = _planned_rate(plan, epoch_flops, options, resources)
    table = SweepTable(console, plan, epoch_flops, slots, read_status, source, queue.why_again, options.budget, rate)
    callbacks = [table, hung, help_, KeptSignal(), *([] if mirror is None else [MirrorEvents(mirror)])]
    scheduler = NewestFirst() if source is None else Pruning(source)
    try:
        with table:
            _fit(study, trainable, queue, scheduler, callbacks, options.out)
    finally:
        for trial_id, reason in queue.unwritten.items():
            say(console, f"{trial_id}: {reason}")
    if options.budget is not None and queue.out_of_time:
        unasked = 0 if source is None else source.unasked
        raise OutOfTime(options.budget, [entry.trial for entry in queue.pending], unasked, table.seconds_of)
    return queue.complete


def _fit(
    study: str,
    trainable: type[tune.Trainable],
    queue: TrialQueue,
    scheduler: NewestFirst,
    callbacks: list[tune.Callback],
    out: Path,
) -> None:
    """Returns when the queue says that it is done."""
    session = Path(tempfile.mkdtemp(prefix=RAY_PREFIX, dir=out))
    try:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=queue,
                scheduler=scheduler,
                num_samples=-1,  # until the queue says that it is done
                # The queue knows the slots; unset, Tune would ask it for one trial at a time.
                max_concurrent_trials=MORE_THAN_ANY_CLUSTER_HOLDS,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=study,
                storage_path=str(session),
                callbacks=callbacks,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # a trial keeps its own
                verbose=0,
            ),
        ).fit()
    finally:
        shutil.rmtree(session, ignore_errors=True)


def _planned_rate(
    plan: Sequence[PlannedTrial],
    epoch_flops: Callable[[TrialConfig], float],
    options: Options,
    resources: TrialResources,
) -> Callable[[TrialConfig], float]:
    """How many operations a second a trial is taken to do while none of this sweep has shown its own."""
    on_this_data = {p.trial.config.dataset for p in plan if p.epochs_left}
    known = [p.trial.config for p in plan if p.trial.config.dataset in on_this_data]
    rates: dict[str, float] = {}  # by architecture alone: a moment of training for each trial would be minutes

    def rate(config: TrialConfig) -> float:
        if config.arch not in rates:
            flops = {other.trial_id: epoch_flops(other) for other in known}
            rates[config.arch] = predicted_rate(config, plan, flops, options.out, resources)[0]
        return rates[config.arch]

    return rate
