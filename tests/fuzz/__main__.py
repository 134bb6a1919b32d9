"""Damages every file that is read, and command lines, and runs plan, sweep (without Ray), report, best and data on
them: whatever is wrong must be said in an exit code and a line, never in a traceback.

    python -m tests.fuzz [--cases 10000] [--seed 0] [--first NUMBER] [--only NUMBER]

A case is a function of the seed and its number. A finding is an exception that is no UserError or OSError, a change
outside of the folders that were given, a control character in what is printed, or a case that takes two minutes.
"""

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import analysis.__main__ as analysis
from analysis.report import dataset_report, page
from segtrain.training import calibration
from sweeps.engine import cli
from sweeps.engine.run import run_study, schedule
from sweeps.engine.run.search import run_search
from tests.fuzz import world
from tests.fuzz.mutations import command_line, damage

CASE_S = 120
MEMORY_BYTES = 24 * 2**30  # of addresses; torch alone takes some of them
DRAW_EVERY = 100
"""A report of so many is drawn, which takes seconds; of the others the pages and tables are written."""


class TooSlow(BaseException):
    """Of the alarm; nothing of ours catches it."""


class World:
    """A sound tree that is copied for every case into `folder`, beside an `elsewhere` that nothing may touch."""

    def __init__(self, folder: Path) -> None:
        self.sound, self.folder = folder / "sound", folder / "case"
        world.write_data(self.sound / "data")
        world.write_runs(self.sound / "out")
        (self.sound / "elsewhere").mkdir()
        for name in ("kept.png", "kept.svg", "status.json"):
            (self.sound / "elsewhere" / name).write_bytes(b"kept")
        os.environ["SEGTRAIN_CACHE"] = str(folder / "cache")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert cli.search_main(world.SEARCH, world.SEARCH, self.arguments(self.sound)) == 0
            assert analysis.main(["report", str(self.sound / "out/studies/grid")]) == 0

    def arguments(self, root: Path) -> list[str]:
        return ["--out", str(root / "out"), "--data-root", str(root / "data"), "--wandb", "disabled"]

    def copy(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.sound, self.folder)

    def files(self, part: str) -> list[Path]:
        return sorted(path for path in (self.folder / part).rglob("*") if path.is_file() and ".lock" not in path.name)

    def outside(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / "elsewhere").iterdir())}


def targets(place: World, rng: random.Random) -> dict[str, Callable[[], int]]:
    root, out = place.folder, place.folder / "out"
    arguments = place.arguments(root)
    dataset = rng.choice(("scenes", "animals", "camvid"))
    search = out / "studies" / "search"
    return {
        "plan": lambda: cli.main(world.STUDY, world.STUDY, [*arguments, "--plan"]),
        "run": lambda: cli.main(world.STUDY, world.STUDY, arguments),
        "run at found": lambda: cli.main(world.STUDY, world.STUDY, [*arguments, "--lr-from", str(search)]),
        "plan of search": lambda: cli.search_main(world.SEARCH, world.SEARCH, [*arguments, "--plan"]),
        "search": lambda: cli.search_main(world.SEARCH, world.SEARCH, arguments),
        "report": lambda: analysis.main(["report", str(out / "studies" / "grid")]),
        "report of search": lambda: analysis.main(["report", str(search)]),
        "best": lambda: analysis.main(["best", str(out)]),
        "data": lambda: analysis.main(
            ["data", "--dataset", dataset, "--data-root", str(root / "data"), "--out", str(root / "report")]
        ),
    }


def prepare(place: World, rng: random.Random) -> tuple[str, str, Callable[[], int]]:
    """(what runs, what was damaged, the run) of a case."""
    if rng.random() < 0.15:
        searched = rng.random() < 0.4
        words = command_line(rng, searched)
        arguments = [*place.arguments(place.folder), *words, *(["--plan"] if rng.random() < 0.7 else [])]
        asked = world.SEARCH if searched else world.STUDY
        entry = cli.search_main if searched else cli.main
        return "command line", repr(words), lambda: entry(asked, asked, arguments)  # type: ignore[operator]
    runs = sorted(targets(place, rng).items())
    weights = [1 if "report" in name or name == "best" else 2 for name, _ in runs]
    name, run = rng.choices(runs, weights)[0]
    parts = ["data"] if name == "data" else ["out/trials", "out/studies"] + ["data"] * (rng.random() < 0.1)
    if "search" in name or name == "run at found":
        parts = ["out/studies/search", rng.choice(parts)]
    damaged, seen = [], set[Path]()
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        path = rng.choice(place.files(rng.choice(parts)) or place.files("out"))
        how = damage(rng, path, place.folder / "elsewhere", sound=path not in seen)
        seen.add(path)
        damaged.append(f"{path.relative_to(place.folder)}: {how}")
    if "report" in name and rng.random() < 0.05:
        figures = place.folder / "out/studies/grid/report/figures"
        shutil.rmtree(figures, ignore_errors=True)
        figures.parent.mkdir(exist_ok=True)
        if not figures.parent.is_symlink():
            figures.symlink_to(place.folder / "elsewhere")
            damaged.append("report/figures: a link")
    return name, "; ".join(damaged), run


@contextlib.contextmanager
def quickly(draw: bool) -> Iterator[None]:
    """Without what takes time and reads nothing: figures, the measured rate, Ray."""
    with contextlib.ExitStack() as stack:

        def replace(owner: object, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(owner, name, return_value=value))

        if not draw:
            replace(page.matplotlib_files, "write", [])
            replace(page.matplotlib_files, "draw", None)
            replace(page.panels, "draw_panels", None)
            replace(page, "get_plotlyjs", "")
            replace(dataset_report, "draw_samples", None)
            replace(dataset_report, "draw_classes", None)
        replace(calibration, "measure_rate", 1e9)
        stack.enter_context(mock.patch.object(schedule, "run_trials", world.run_without_ray))
        for module in (run_study, run_search):
            replace(module, "starting_ray", contextlib.nullcontext(list))
        yield


def _too_slow(*_: object) -> None:
    raise TooSlow


def run_case(place: World, seed: int, number: int) -> tuple[str, str] | None:
    """(place in the code or what else went wrong, the whole story); None when nothing did."""
    rng = random.Random(f"{seed}/{number}")
    place.copy()
    name, damaged, run = prepare(place, rng)
    before = place.outside()
    output = io.StringIO()
    story = f"case {number}: {name}; {damaged}"
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(CASE_S)
    try:
        with quickly(number % DRAW_EVERY == 0), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = run()
    except SystemExit as stopped:  # argparse
        code = stopped.code
    except BaseException as error:
        signal.alarm(0)
        if isinstance(error, KeyboardInterrupt):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "/fuzz/" not in f.filename and "site-packages" not in f.filename] or frames
        ours = [f for f in ours if "/lib/python" not in f.filename] or ours
        at = f"{Path(ours[-1].filename).name}:{ours[-1].name}: {type(error).__name__}"
        return at, f"{story}\n{''.join(traceback.format_exception(error))}"
    finally:
        signal.alarm(0)
    text = output.getvalue()
    if code not in (0, 1, 2):
        return f"exit code {code}", story
    if "Traceback" in text:
        return "a traceback is printed", f"{story}\n{text}"
    odd = sorted({c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160})
    if odd:
        return f"control characters {odd}", f"{story}\n{text!r}"
    if place.outside() != before:
        return "something outside was changed", story
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files and odd command lines through everything that reads.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first, where a run was cut off")
    parser.add_argument("--only", type=int, help="one case, by its number")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    found: Counter[str] = Counter()
    started = time.perf_counter()
    memory = Path("/dev/shm")
    beside = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=beside) as folder, contextlib.chdir(folder):
        with quickly(draw=False):
            place = World(Path(folder))
        numbers = range(options.first, options.cases) if options.only is None else [options.only]
        for number in numbers:
            finding = run_case(place, options.seed, number)
            if finding is not None:
                found[finding[0]] += 1
                if found[finding[0]] == 1:
                    print(f"{finding[1]}\n", flush=True)
            if number % 500 == 499:
                print(f"{number + 1} cases, {found.total()} findings", flush=True)
    seconds = time.perf_counter() - started
    print(f"{len(numbers)} cases in {seconds:.0f} s: {found.total()} findings at {len(found)} places")
    for at, count in found.most_common():
        print(f"  {count:5d}  {at}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
