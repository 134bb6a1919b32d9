"""From a study to finished trials: check, plan, schedule, report."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console

from segtrain import records
from segtrain.data import DATASETS
from segtrain.data.cache import open_cache
from segtrain.data.spec import SPLITS
from segtrain.models import weights
from segtrain.models.fcn import VGG16_WEIGHTS
from sweeps.engine import cluster
from sweeps.engine.cost import epoch_flops
from sweeps.engine.options import INTERRUPTED, Options
from sweeps.engine.plan import PlannedTrial, make_plan
from sweeps.engine.searcher import NewestFirst, TrialQueue
from sweeps.engine.study import Study, Trial
from sweeps.engine.table import SweepTable
from sweeps.engine.trainable import TrialTrainable

RAY_DIR = ".ray"
"""Tune's scratch files, under `out` because every node of a cluster must see them; removed at the end."""


def run_study(study: Study, options: Options, console: Console) -> int:
    """Trains what is left of `study` and says how it went.

    Returns the exit code: 1 when no trial of the study finished, or with `strict` when any did not, and INTERRUPTED
    after Ctrl-C. What can be wrong with options, data, weights or trial folders is raised before any trial starts:
    ResourceError, DataError, WeightsError, PlanError, OSError.
    """
    trials = study.expand()
    _require_writable(options.out)
    if options.address is None:
        cluster.pick_resources([cluster.local_node()], *options.resources)
    plan = make_plan(trials, options.out)
    left = [planned for planned in plan if planned.action != "skip"]
    if any(planned.action == "run" and planned.trial.config.init == "imagenet" for planned in left):
        weights.find_or_download(VGG16_WEIGHTS, options.data_root)
    flops = _check_data(left, options.data_root)

    folder = records.study_dir(options.out, study.name)
    folder.mkdir(parents=True, exist_ok=True)
    records.write_json(folder / records.STUDY_FILE, study.describe(trials, options.command))
    try:
        complete = not left or _schedule(study, plan, flops, options, console)
    except KeyboardInterrupt:
        complete = False
    code = _summarise(study, trials, options, console)
    if complete:
        return code
    console.print("interrupted; the same command again goes on from here")
    return INTERRUPTED


def _require_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OSError(f"--out {out} cannot be written to ({error.strerror}); choose a folder that can") from None


def _check_data(plan: Sequence[PlannedTrial], data_root: Path) -> dict[str, float]:
    """Builds the image caches that the trials need, which reads every file; by trial id, the operations of an epoch."""
    images = {}
    flops = {}
    for config in (planned.trial.config for planned in plan):
        key = (config.dataset, config.image_height, config.image_width)
        if key not in images:
            splits = open_cache(DATASETS[config.dataset], data_root, config.image_height, config.image_width).splits
            images[key] = {split: len(splits[split]) for split in SPLITS}
        flops[config.trial_id] = epoch_flops(config, images[key])
    return flops


def _schedule(
    study: Study, plan: Sequence[PlannedTrial], flops: Mapping[str, float], options: Options, console: Console
) -> bool:
    """One `Tuner.fit()` over everything that is left; whether it came to its end."""
    with cluster.ray_session(options.address) as nodes:
        resources = cluster.pick_resources(nodes(), *options.resources)

        def slots() -> int:
            return resources.slots(nodes())

        def worker_config(trial: Trial) -> dict[str, Any]:
            return {
                "trial": trial.config.to_dict(),
                "trial_id": trial.trial_id,
                "run_name": trial.run_name,
                "study": study.name,
                "out": str(options.out),
                "data_root": str(options.data_root),
                "wandb": options.wandb,
                "cpus": resources.cpus,
                "gpus": resources.gpus,
            }

        def read_status(trial_id: str) -> records.Status | None:
            return records.read_status(records.trial_dir(options.out, trial_id))

        left = {p.trial.trial_id: p.epochs_left * flops.get(p.trial.trial_id, 0.0) for p in plan}
        queue = TrialQueue(plan, left, options.out, slots, worker_config)
        scratch = options.out / RAY_DIR
        scratch.mkdir(exist_ok=True)
        session = Path(tempfile.mkdtemp(dir=scratch))
        try:
            with SweepTable(console, plan, flops, slots, read_status) as table:
                tune.Tuner(
                    TrialTrainable,
                    tune_config=tune.TuneConfig(
                        search_alg=queue,
                        scheduler=NewestFirst(),
                        num_samples=-1,  # until the queue says that it is done
                        max_concurrent_trials=len(plan),  # the queue knows the slots; unset, Tune would queue one
                        reuse_actors=True,
                    ),
                    run_config=tune.RunConfig(
                        name=study.name,
                        storage_path=str(session),
                        callbacks=[table],
                        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # a trial keeps its own
                        verbose=0,
                    ),
                ).fit()
        finally:
            shutil.rmtree(session, ignore_errors=True)
        return queue.complete


def _summarise(study: Study, trials: Sequence[Trial], options: Options, console: Console) -> int:
    statuses = {t.trial_id: records.read_status(records.trial_dir(options.out, t.trial_id)) for t in trials}
    unfinished = [t for t in trials if (status := statuses[t.trial_id]) is None or status.state != "finished"]
    lines = [f"{len(trials) - len(unfinished)} of {len(trials)} trials finished"]
    for trial in unfinished:
        status = statuses[trial.trial_id]
        parts = [status.state, status.reason] if status else ["not started"]
        lines.append(f"  {trial.run_name}: " + ", ".join(part for part in parts if part))
    best = _best(study, [t for t in trials if t not in unfinished and t.stage == "trial"], options.out)
    if best is not None:
        trial, value = best
        scores = records.read_test_scores(records.trial_dir(options.out, trial.trial_id))
        test = "undefined" if scores.mean_iou is None else f"{scores.mean_iou:.4f}"
        lines.append(f"best model by {study.metric}: {trial.run_name}, {value:.4f} at epoch {scores.epoch}")
        lines.append(f"  test mean IoU {test}, in {records.trial_dir(options.out, trial.trial_id)}")
    folder = records.study_dir(options.out, study.name)
    lines.append(f"study: {folder}; tables and figures: python -m analysis {folder}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return 1 if len(unfinished) == len(trials) or (options.strict and unfinished) else 0


def _best(study: Study, finished: Sequence[Trial], out: Path) -> tuple[Trial, float] | None:
    """The trial with the best value of the study's metric over its epochs, and that value."""
    pick = max if study.mode == "max" else min
    values = []
    for trial in finished:
        lines = records.read_metrics(records.trial_dir(out, trial.trial_id))
        reached = [line[study.metric] for line in lines if line.get(study.metric) is not None]
        if reached:
            values.append((trial, pick(reached)))
    return pick(values, key=lambda item: item[1]) if values else None
