"""What a trial costs beyond its own training: this engine beside plain Ray Tune, on the same trials.

    python benchmarks/overhead.py

Sixteen one-epoch trials, two at a time, go through `run_study` and then through a plain function trainable of Ray
Tune that imports torch and calls the same trainer. Overhead per trial is (wall time - training time / 2) / 16: wall
time includes starting the workers and not starting Ray, training time is what the trials report in their status.
Starting the engine's two workers is paid once a sweep; a sweep of two trials before it tells what each further trial
costs.
"""

import functools
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray
from ray import tune
from ray.cluster_utils import Cluster
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data import DATASETS
from segtrain.data.cache import open_cache
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study
from sweeps.engine.run.run_study import run_study

TRIALS, SLOTS = 16, 2
DATA_ROOT = Path("data").absolute()
STUDY = Study(
    name="overhead",
    title="One-epoch trials",
    base=TrialConfig(
        arch="fcn32s",
        dataset="scenes",
        init="scratch",
        image_height=64,
        image_width=64,
        width_mult=0.0625,
        epochs=1,
    ),
    axes={"seed": tuple(range(TRIALS))},
)


def function_trainable(config: dict[str, Any]) -> None:
    """What one would write first: the trainer inside a function."""
    import torch

    from segtrain.training.trial import train

    torch.set_num_threads(1)
    point = config["point"]
    trial = TrialConfig.from_dict(point["trial"])
    for record in train(trial, records.trial_dir(Path(point["out"]), trial.trial_id), DATA_ROOT, threads=1):
        tune.report(records.nan_to_none(record))


def run_plain(out: Path, address: str) -> float:
    trials = [{"trial": trial.config.to_dict(), "out": str(out)} for trial in STUDY.expand()]
    started = time.perf_counter()
    ray.init(address, log_to_driver=False, logging_level="error")
    tune.Tuner(
        tune.with_resources(function_trainable, {"cpu": 1}),
        param_space={"point": tune.grid_search(trials)},
        run_config=tune.RunConfig(storage_path=str(out / "ray"), verbose=0),
    ).fit()
    ray.shutdown()
    return time.perf_counter() - started


def run_engine(out: Path, address: str, study: Study = STUDY) -> float:
    options = Options(
        out=out,
        data_root=DATA_ROOT,
        num_gpus=None,
        gpus_per_trial=None,
        cpus_per_trial=1,
        address=address,
        wandb="offline",
        strict=True,
        command="python benchmarks/overhead.py",
    )
    started = time.perf_counter()
    code = run_study(study, options, Console(file=io.StringIO()))
    assert code == 0, "a trial did not finish"
    return time.perf_counter() - started


def training_s(out: Path, study: Study = STUDY) -> float:
    """The seconds that the trials say they trained and tested."""
    statuses = [records.read_status(records.trial_dir(out, trial.trial_id)) for trial in study.expand()]
    assert all(status is not None and status.state == "finished" for status in statuses), "a trial did not finish"
    return sum(status.runtime_s for status in statuses if status is not None)


def on_fresh_cluster(run: Callable[..., float], study: Study = STUDY) -> tuple[float, float]:
    """(wall seconds, training seconds) of `study`."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": SLOTS})
    try:
        with tempfile.TemporaryDirectory() as out:
            return run(Path(out), cluster.address), training_s(Path(out), study)
    finally:
        cluster.shutdown()


def main() -> None:
    open_cache(DATASETS["scenes"], DATA_ROOT, STUDY.base.image_height, STUDY.base.image_width)
    overhead = {}
    two = STUDY.edit({"seed": tuple(range(SLOTS))})
    two_wall_s, two_train_s = on_fresh_cluster(functools.partial(run_engine, study=two), two)
    for name, run in (("engine", run_engine), ("plain", run_plain)):
        wall_s, train_s = on_fresh_cluster(run)
        overhead[name] = (wall_s - train_s / SLOTS) / TRIALS
        print(f"{name:7} {overhead[name]:5.2f} s a trial  (wall {wall_s:.1f} s, training {train_s:.1f} s on {SLOTS})")
        if run is run_engine:
            further = (wall_s - two_wall_s - (train_s - two_train_s) / SLOTS) / (TRIALS - SLOTS)
            print(f"        {further:5.2f} s each further trial, after the first two")
    print(f"engine / plain = {overhead['engine'] / overhead['plain']:.2f}")


if __name__ == "__main__":
    main()
