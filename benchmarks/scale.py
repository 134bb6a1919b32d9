"""What ten thousand trials cost the driver, beside a hundred; and how long a hundred thousand take to plan.

    python benchmarks/scale.py [--few 100] [--many 10000] [--planned 100000]

The fake trainer of `benchmarks/search.py` sleeps a moment per epoch; two logical slots share the cores. Driver seconds
are the processor time of this process, in which queue, scheduler and table run, from the end of the first trial to the
end of the last, over the trials: starting Ray and the workers is left out. They are measured for the lines that a log
gets, and for the live table of a terminal.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from search import FakeTrainable

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study
from sweeps.engine.plan.actions import make_plan
from sweeps.engine.plan.resources import local_node
from sweeps.engine.run import schedule
from sweeps.engine.run.cluster import starting_ray
from sweeps.engine.run.progress import live_table

EPOCHS, SLOTS = 2, 2


class Clock(live_table.SweepTable):
    """Notes what the driver had spent when the first trial ended."""

    first_end: float | None = None

    def on_trial_complete(self, *arguments: Any, **info: Any) -> None:
        super().on_trial_complete(*arguments, **info)
        if Clock.first_end is None:
            Clock.first_end = time.process_time()


def study_of(trials: int) -> Study:
    base = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=EPOCHS, val_every=1)
    rates = tuple(1e-3 * (1 + step / trials) for step in range(-(-trials // 10)))
    return Study(name="scale", title="Fake trials", base=base, axes={"lr": rates, "seed": tuple(range(10))})


def run(trials: int, terminal: bool, out: Path) -> float:
    """Driver seconds a trial."""
    options = Options(
        out=out,
        data_root=out,
        num_gpus=None,
        gpus_per_trial=None,
        cpus_per_trial=local_node()["CPU"] / SLOTS,
        address=None,
        wandb="disabled",
        strict=False,
        command="python benchmarks/scale.py",
    )
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=40)
    plan = make_plan(study_of(trials).expand(), out)
    assert len(plan) == trials
    Clock.first_end = None
    with starting_ray(options, trials) as ready:
        assert schedule.run_trials("scale", plan, lambda _: 1.0, options, console, ready, trainable=FakeTrainable)
        spent = time.process_time()
    assert Clock.first_end is not None
    statuses = [records.read_status(records.trial_dir(out, planned.trial.trial_id)) for planned in plan]
    assert all(status and status.state == "finished" for status in statuses), "a trial was lost"
    return (spent - Clock.first_end) / trials


def plan_many(trials: int, out: Path) -> tuple[float, float]:
    """(seconds, processor seconds)."""
    begin, spent = time.perf_counter(), time.process_time()
    plan = make_plan(study_of(trials).expand(), out)
    assert len(plan) == trials
    return time.perf_counter() - begin, time.process_time() - spent


def main() -> None:
    parser = argparse.ArgumentParser(description="What ten thousand trials cost the driver.")
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--planned", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        seconds, spent = plan_many(options.planned, Path(out))
        print(f"{options.planned} trials planned in {seconds:.1f} s, {spent:.1f} s of a core", flush=True)
    schedule.SweepTable = Clock  # type: ignore[misc]
    for shown, terminal in (("lines", False), ("live table", True)):
        driver = {}
        for trials in (options.few, options.many):
            with tempfile.TemporaryDirectory() as out:
                driver[trials] = run(trials, terminal, Path(out))
            print(f"{shown:10} {trials:6d} trials: {1000 * driver[trials]:6.1f} ms a trial", flush=True)
        print(
            f"{shown:10} {options.many} / {options.few} = {driver[options.many] / driver[options.few]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
