"""What a trial of a search costs beyond its training, from few trials to many: this engine beside Ray's own
OptunaSearch and ASHA, on the same fake work.

    python benchmarks/search.py [--ray]

The fake trainer sleeps a moment per epoch and reports a score that a learning rate of 0.01 makes best; it imports no
torch. Eight logical slots share the cores. Overhead per trial is (wall time after the first trial has ended - sleeping
time / 8) / trials: starting Ray and the workers is left out on both sides. `--ray` adds Ray's own.
"""

import argparse
import io
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from rich.console import Console

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.search import LogUniform, Search
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan.resources import local_node
from sweeps.engine.run import cluster
from sweeps.engine.run.schedule import run_trials
from sweeps.engine.run.search.optuna_studies import REDUCTION, OptunaStudies, open_storage
from sweeps.engine.run.trainable import OUTCOME

FEW, MANY = 100, 2000
SLOTS, EPOCHS, EPOCH_SLEEP_S = 8, 9, 0.002
BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=EPOCHS, val_every=1)


def score(lr: float, epoch: int) -> float:
    return epoch / (EPOCHS + abs(math.log10(lr / 0.01)))


class FakeTrainable(tune.Trainable):
    """Stands where TrialTrainable does, and leaves what the engine reads."""

    def setup(self, config: dict[str, Any]) -> None:
        self.folder = records.trial_dir(Path(config["out"]), config["trial_id"])
        self.lr, self.epochs, self.epoch = config["trial"]["lr"], config["trial"]["epochs"], 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if self.epoch == self.epochs:
            self._write("finished")
            return {"done": True, OUTCOME: "ended"}
        time.sleep(EPOCH_SLEEP_S)
        self.epoch += 1
        line = {records.EPOCH: self.epoch, records.VAL_MEAN_IOU: score(self.lr, self.epoch)}
        records.append_metrics(self.folder, line)
        self._write("running")
        return line | {records.EPOCH_S: EPOCH_SLEEP_S, records.IMAGES_PER_S: 1.0}

    def _write(self, state: records.State) -> None:
        status = records.Status(state=state, epoch=self.epoch, epochs=self.epochs, runtime_s=0.0)
        records.write_status(self.folder, status)


class PlainTrainable(tune.Trainable):
    """The same work for Ray's own search."""

    def setup(self, config: dict[str, Any]) -> None:
        self.lr, self.epoch = config["lr"], 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        time.sleep(EPOCH_SLEEP_S)
        self.epoch += 1
        return {"score": score(self.lr, self.epoch), "done": self.epoch == EPOCHS}


class Clock(OptunaStudies):
    """Notes when the first trial ended."""

    first_end: float | None = None

    def ended(self, trial: Trial, outcome: records.State) -> None:
        self.first_end = self.first_end or time.perf_counter()
        super().ended(trial, outcome)


class PlainClock(tune.Callback):
    first_end: float | None = None

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.first_end = self.first_end or time.perf_counter()


def run_engine(trials: int, out: Path) -> tuple[float, int]:
    """(seconds after the first trial has ended, epochs)."""
    study = Study(name="search", title="Fake trials", base=BASE, axes={"arch": ("fcn8s",)})
    search = Search(study=study, space={"lr": LogUniform(1e-5, 1e-1)}, tries=(), trials=trials)
    options = Options(
        out=out,
        data_root=out,
        num_gpus=None,
        gpus_per_trial=None,
        cpus_per_trial=local_node()["CPU"] / SLOTS,
        address=None,
        wandb="disabled",
        strict=False,
        command="python benchmarks/search.py",
    )
    source = Clock(search, open_storage(None, out), out, lambda: None)
    console = Console(file=io.StringIO())
    with cluster.starting_ray(options) as ready:
        through = run_trials("search", [], lambda _: 1.0, options, console, ready, source, FakeTrainable)
    assert through, "the search was cut off"
    assert source.first_end is not None
    elapsed_s = time.perf_counter() - source.first_end
    ended = [frozen for _, frozen in source.trials(source.cells[0])]
    assert len(ended) == trials
    assert all(frozen.state.is_finished() for frozen in ended), "a trial was lost"
    return elapsed_s, sum(len(frozen.intermediate_values) for frozen in ended)


def run_ray(trials: int, out: Path) -> tuple[float, int]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    node = local_node()
    clock = PlainClock()
    ray.init("local", num_cpus=int(node["CPU"]), include_dashboard=False, log_to_driver=False, logging_level="error")
    results = tune.Tuner(
        tune.with_resources(PlainTrainable, {"cpu": node["CPU"] / SLOTS}),
        param_space={"lr": tune.loguniform(1e-5, 1e-1)},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=trials,
            search_alg=OptunaSearch(seed=0),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=REDUCTION),
            max_concurrent_trials=SLOTS,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(out),
            callbacks=[clock],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()
    assert clock.first_end is not None
    elapsed_s = time.perf_counter() - clock.first_end
    ray.shutdown()
    return elapsed_s, sum(result.metrics["training_iteration"] for result in results if result.metrics)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ray", action="store_true", help="measure Ray's own OptunaSearch and ASHA as well")
    sides = {"engine": run_engine} | ({"ray": run_ray} if parser.parse_args().ray else {})
    for name, run in sides.items():
        overhead_s = {}
        for trials in (FEW, MANY):
            with tempfile.TemporaryDirectory() as out:
                elapsed_s, epochs = run(trials, Path(out))
            overhead_s[trials] = (elapsed_s - epochs * EPOCH_SLEEP_S / SLOTS) / trials
            print(
                f"{name:7} {trials:5d} trials: {1000 * overhead_s[trials]:6.1f} ms a trial, {epochs} epochs", flush=True
            )
        print(f"{name:7} {MANY} / {FEW} = {overhead_s[MANY] / overhead_s[FEW]:.2f}", flush=True)


if __name__ == "__main__":
    main()
