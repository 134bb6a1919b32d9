"""From Enter to the first training step, and to a mistake that is told: this program beside plain Ray Tune.

    python benchmarks/startup.py

Commands of their own, one after the other, with warm disk caches; the first round of each warms up and does not count.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from segtrain import records
from segtrain.config import TrialConfig

ROOT, DATA_ROOT = Path(__file__).parents[1], Path("data").absolute()
ROUNDS = 3
CONFIG = TrialConfig(
    arch="fcn32s", dataset="scenes", init="scratch", image_height=64, image_width=64, width_mult=0.0625, epochs=1
)
SETTINGS = {"arch": "fcn32s", "freeze": "none", "lr": "0.001", "dataset": "scenes", "init": "scratch",
            "image_height": "64", "image_width": "64", "width_mult": "0.0625", "epochs": "1"}  # fmt: skip
SWEEP = [sys.executable, "sweeps/fcn_grid.py", "--data-root", str(DATA_ROOT)]
for field, value in SETTINGS.items():
    SWEEP += ["--set", f"{field}={value}"]


def first_line(out: Path) -> float:
    started = time.perf_counter()
    with subprocess.Popen([*SWEEP, "--plan", "--out", str(out)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - started


def mistake(out: Path) -> float:
    started = time.perf_counter()
    command = [*SWEEP, "--num-gpus", "99", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    return time.perf_counter() - started


def engine_first_step(out: Path) -> float:
    """The end of the trial's first epoch less the seconds that it trained."""
    started = time.time()
    subprocess.run([*SWEEP, "--out", str(out)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    folder = records.trial_dir(out, CONFIG.trial_id)
    (line,) = records.read_metrics(folder)
    return (folder / records.METRICS_FILE).stat().st_mtime - line[records.EPOCH_S] - started


def plain_first_step(out: Path) -> float:
    given = {"configs": [CONFIG.to_dict()], "data_root": str(DATA_ROOT), "out": str(out)}
    started = time.time()
    command = [sys.executable, "benchmarks/plain_ray.py", json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])[0]["first_step"]) - started


def main() -> None:
    measured: dict[str, Callable[[Path], float]] = {
        "first line of a plan": first_line,
        "a mistake is told": mistake,
        "first step": engine_first_step,
        "first step, plain Ray Tune": plain_first_step,
    }
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SEGTRAIN_CACHE"] = cache
        for name, measure in measured.items():
            seconds = []
            for _ in range(ROUNDS + 1):
                with tempfile.TemporaryDirectory() as out:
                    seconds.append(measure(Path(out)))
            found[name] = statistics.median(seconds[1:])
            print(f"{name:28} {found[name]:6.2f} s  ({min(seconds[1:]):.2f} to {max(seconds[1:]):.2f})", flush=True)
    print(f"first step, this program / plain = {found['first step'] / found['first step, plain Ray Tune']:.2f}")


if __name__ == "__main__":
    main()
