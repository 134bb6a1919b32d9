"""Disturbs small sweeps at random moments, repeats their command, and compares what they leave with an undisturbed run.

    python -m tests.faults.soak [--disturbances 200] [--seed 0]

A round is one `--out`: up to four disturbances, each at a moment drawn from the length of an undisturbed run, then the
command once more, to its end. A moment after the sweep's end disturbs nothing: it ends the round and does not count. A
finding is an exit code that the disturbance does not explain, or a trial whose files differ by a byte from the
undisturbed ones (times and memory apart).
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from segtrain.synthetic import write_scenes
from tests.segtrain.conftest import read_outcome
from tests.sweeps.harness import TINY, Sweep, finished, kill

COMMAND = (*TINY, "--set", "arch=fcn32s", "--set", "epochs=6")  # a shared pretraining and two trials
MOST_IN_A_ROUND = 4
YEAR_S = 365 * 24 * 3600.0


class Soak:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", "SEGTRAIN_CACHE": str(folder / "cache")}
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []  # each printed when it is found: whoever ends the soak early has them
        self.started = 0
        write_scenes(folder / "data/scenes", "target", {"dataA": 20, "dataB": 20}, 64, 64, seed=1)
        write_scenes(folder / "data/scenes_source", "source", {"dataA": 20}, 64, 64, seed=1)
        before = time.monotonic()
        assert self.start(folder / "whole").wait() == 0
        self.whole_s = time.monotonic() - before
        self.whole = self.outcomes(folder / "whole")

    def start(self, out: Path) -> Sweep:
        self.started += 1
        arguments = [*COMMAND, "--out", str(out), "--data-root", str(self.folder / "data")]
        return Sweep(self.folder / f"{self.started}.log", self.environment, "sweeps/fcn_grid.py", arguments)

    def outcomes(self, out: Path) -> dict[str, dict[str, Any]]:
        return {folder.name: read_outcome(folder) for folder in finished(out)}

    def round(self, number: int, most: int) -> int:
        """How many disturbances there were: `most`, or fewer where the sweep came to its end before the next one."""
        out, met = self.folder / f"round{number}", 0
        families = []
        while met < most:
            begun = time.monotonic()
            sweep = self.start(out)
            moment = begun + self.random.uniform(0, self.whole_s)
            while time.monotonic() < moment and sweep.process.poll() is None:
                time.sleep(0.01)
            if sweep.process.poll() is not None:
                self.expect(sweep, {0}, f"round {number}, undisturbed")
                if met == 0:  # a whole sweep, as fast as the machine is now
                    self.whole_s = time.monotonic() - begun
                break
            families += sweep.family()
            name = self.random.choice(list(DISTURBANCES))
            self.counts[name] += 1
            self.expect(sweep, DISTURBANCES[name](self, sweep, out), f"round {number}, {name}")
            met += 1
        last = self.start(out)
        self.expect(last, {0}, f"round {number}, the last command")
        if self.outcomes(out) != self.whole:
            self.find(f"round {number}: other results than undisturbed; see {out}")
        for process in families:
            kill(process)  # what a killed driver may have left
        self.counts["rounds"] += 1
        return met

    def expect(self, sweep: Sweep, codes: set[int], what: str) -> None:
        code = sweep.wait()
        self.counts[f"exit code {code}"] += 1
        if code not in codes:
            self.find(f"{what}: exit code {code}, not of {sorted(codes)}; see {sweep.log}")

    def find(self, what: str) -> None:
        self.findings.append(what)
        print(what, flush=True)

    def kill_worker(self, sweep: Sweep, out: Path) -> set[int]:
        """Soon after there is one."""
        with contextlib.suppress(psutil.NoSuchProcess):  # the sweep ended meanwhile
            while sweep.process.poll() is None:
                if workers := sweep.workers():
                    time.sleep(self.random.uniform(0, 5))
                    kill(self.random.choice(workers))
                    self.counts["workers killed"] += 1
                    break
                time.sleep(0.05)
        return {0}

    def kill_driver(self, sweep: Sweep, out: Path) -> set[int]:
        sweep.kill_driver()
        return {-signal.SIGKILL}

    def kill_everything(self, sweep: Sweep, out: Path) -> set[int]:
        sweep.kill_everything()
        return {-signal.SIGKILL}

    def terminate(self, sweep: Sweep, out: Path) -> set[int]:
        sweep.process.terminate()
        return {128 + signal.SIGTERM, -signal.SIGTERM, 0}  # by Python itself while it begins; 0 when all was done

    def terminate_group(self, sweep: Sweep, out: Path) -> set[int]:
        os.killpg(sweep.process.pid, signal.SIGTERM)
        return {128 + signal.SIGTERM, -signal.SIGTERM, 0}

    def interrupt(self, sweep: Sweep, out: Path) -> set[int]:
        os.killpg(sweep.process.pid, signal.SIGINT)
        return {128 + signal.SIGINT, -signal.SIGINT, 0}

    def second_command(self, sweep: Sweep, out: Path) -> set[int]:
        self.expect(self.start(out), {0}, "a second command at once")
        return {0}

    def change_clock(self, sweep: Sweep, out: Path) -> set[int]:
        """As after a clock that was put right: everything was written a year ago, or will be in a year."""
        sweep.kill_everything()
        then = time.time() + self.random.choice((-YEAR_S, YEAR_S))
        for path in out.rglob("*"):
            os.utime(path, (then, then))
        return {-signal.SIGKILL}


DISTURBANCES: dict[str, Callable[[Soak, Sweep, Path], set[int]]] = {
    "a worker": Soak.kill_worker,
    "driver killed": Soak.kill_driver,
    "everything killed": Soak.kill_everything,
    "SIGTERM": Soak.terminate,
    "SIGTERM to the group": Soak.terminate_group,
    "Ctrl-C": Soak.interrupt,
    "second command": Soak.second_command,
    "other times of files": Soak.change_clock,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--disturbances", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak"))
    soak, left, number = Soak(folder, arguments.seed), arguments.disturbances, 0
    while left > 0:
        number += 1
        left -= soak.round(number, min(left, soak.random.randint(1, MOST_IN_A_ROUND)))
        print(f"{arguments.disturbances - left} of {arguments.disturbances}, {len(soak.findings)} findings", flush=True)
    for name, count in sorted(soak.counts.items()):
        print(f"{count:5}  {name}")
    print(f"{len(soak.findings)} findings")
    if not soak.findings:
        shutil.rmtree(folder)
    return 1 if soak.findings else 0


if __name__ == "__main__":
    sys.exit(main())
