"""The command line that every study shares."""

import argparse
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from segtrain.config import ConfigError
from segtrain.data import DATASETS
from segtrain.data.spec import DataError
from segtrain.errors import UserError
from segtrain.records import FREEZE_LABELS
from sweeps.engine.found import read_found
from sweeps.engine.options import INTERRUPTED, Options, WandbMode
from sweeps.engine.search import Pruner, Search
from sweeps.engine.study import Study, parse_settings

MAX_PROBLEMS = 50


def build_parser(study: Study) -> argparse.ArgumentParser:
    parser = _shared_parser(study.title)
    parser.add_argument("--lr-from", type=Path, metavar="DIR", help="take the rates that a search found: its folder")
    return parser


def build_search_parser(search: Search, demo: Search) -> argparse.ArgumentParser:
    parser = _shared_parser(search.study.title)
    add = parser.add_argument
    add("--arch", nargs="+", metavar="NAME", help="architectures, each searched by itself")
    add("--freeze", choices=[*FREEZE_LABELS, "both"], help="both: none and encoder, each searched by itself")
    add("--trials", type=int, metavar="N", help=f"trials of each search ({search.trials}; {demo.trials} in the demo)")
    add(
        "--try", dest="tries", nargs="*", type=float, metavar="LR", help="learning rates that come first, and run whole"
    )
    add("--search", nargs="+", choices=list(search.space), default=["lr"], help="fields to search (lr)")
    add("--pruner", choices=get_args(Pruner), default="halving", help="what stops hopeless trials (%(default)s)")
    add("--sampler-seed", type=int, default=0, metavar="N", help="seed of the draws (%(default)s)")
    add("--storage", metavar="URL", help="an Optuna storage, such as sqlite:///search.db (a journal under --out)")
    return parser


def _shared_parser(title: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"{title}. The same command again goes on where it was ended.")
    add = parser.add_argument
    add("--num-gpus", type=int, metavar="N", help="GPUs to use (all there are; without any, the CPUs)")
    add("--gpus-per-trial", type=float, metavar="X", help="0.5 puts two trials on a GPU (1)")
    add("--cpus-per-trial", type=float, default=1, metavar="X", help="CPU cores, and threads, of a trial (%(default)s)")
    add("--dataset", metavar="NAME", help="short for --set dataset=NAME")
    add("--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the datasets (%(default)s)")
    add("--download", action="store_true", help="fetch the datasets into the data root first, where that is allowed")
    add("--out", type=Path, metavar="DIR", help="folder of the results (runs; with --demo, runs/demo)")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="set a field; FIELD=VALUE,VALUE is an axis")
    add("--seeds", type=int, default=1, metavar="N", help="train every trial with seeds 0 to N-1 (%(default)s)")
    add("--plan", action="store_true", help="show what would run and what it would cost, and start nothing")
    add("--demo", action="store_true", help="a small version on embedded scenes, minutes on two cores")
    add("--address", metavar="HOST:PORT", help="a running Ray cluster; without it, this machine")
    add("--wandb", choices=get_args(WandbMode), default="offline", help="(%(default)s)")
    add("--strict", action="store_true", help="exit with 1 unless every trial finished")
    return parser


def main(study: Study, demo: Study, argv: list[str] | None = None) -> int:
    """Runs `study`, or `demo` when asked for, as the command line says. Returns the exit code; 2 for a user's error."""
    arguments = build_parser(study).parse_args(argv)

    def run() -> int:
        settings = _settings(arguments)
        chosen = (demo if arguments.demo else study).edit(settings)
        if arguments.lr_from is not None:
            chosen = chosen.at_found(read_found(arguments.lr_from), but_not=settings)
        options = _options(arguments)
        _prepare(chosen, options, arguments.download)
        # Imported here so that a mistake on the command line is told at once, not after loading torch and ray.
        from sweeps.engine.preview import show_plan
        from sweeps.engine.run import run_study

        if arguments.plan:
            show_plan(chosen, options, Console())
            return 0
        return run_study(chosen, options, Console())

    return _report_errors(run)


def search_main(search: Search, demo: Search, argv: list[str] | None = None) -> int:
    """Like `main`, for a search."""
    arguments = build_search_parser(search, demo).parse_args(argv)

    def run() -> int:
        chosen = demo if arguments.demo else search
        if arguments.seeds > 1:
            raise ConfigError(
                f"--seeds is {arguments.seeds}, but a search ranks trials of one seed; search with --set seed=N, then "
                "compare over seeds: python sweeps/fcn_grid.py --lr-from <search> --seeds N"
            )
        settings = _settings(arguments)
        for name, values in (("arch", arguments.arch), ("freeze", _freezes(arguments.freeze))):
            if values:
                settings[name] = tuple(values)
        chosen = chosen.edit(
            settings,
            searched=tuple(name for name in chosen.space if name in {"lr", *arguments.search}),
            trials=chosen.trials if arguments.trials is None else arguments.trials,
            tries=chosen.tries if arguments.tries is None else tuple(arguments.tries),
            pruner=arguments.pruner,
            seed=arguments.sampler_seed,
        )
        options = _options(arguments)
        _prepare(chosen.study, options, arguments.download)
        from sweeps.engine.preview import show_search
        from sweeps.engine.run_search import run_search

        if arguments.plan:
            show_search(chosen, options, Console())
            return 0
        return run_search(chosen, options, arguments.storage, Console())

    return _report_errors(run)


def _freezes(choice: str | None) -> list[str]:
    return ["none", "encoder"] if choice == "both" else [choice] if choice else []


def _settings(arguments: argparse.Namespace) -> dict[str, tuple[Any, ...]]:
    settings = parse_settings(arguments.set + ([f"dataset={arguments.dataset}"] if arguments.dataset else []))
    if arguments.seeds < 1:
        raise ConfigError(f"--seeds is {arguments.seeds}; allowed: an integer >= 1")
    if arguments.seeds > 1:
        settings["seed"] = tuple(range(arguments.seeds))
    return settings


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        out=(arguments.out or Path("runs/demo" if arguments.demo else "runs")).absolute(),
        data_root=arguments.data_root.absolute(),
        num_gpus=arguments.num_gpus,
        gpus_per_trial=arguments.gpus_per_trial,
        cpus_per_trial=arguments.cpus_per_trial,
        address=arguments.address,
        wandb=arguments.wandb,
        strict=arguments.strict,
        command=shlex.join(["python", *sys.argv]),
    )


def _report_errors(run: Callable[[], int]) -> int:
    """The exit code of `run`; what a user did wrong is printed, a line for each problem."""
    try:
        return run()
    except (UserError, OSError) as error:
        problems = error.problems if isinstance(error, UserError) else (str(error),)
        for problem in problems[:MAX_PROBLEMS]:
            print(f"error: {problem}", file=sys.stderr)
        if len(problems) > MAX_PROBLEMS:
            print(f"error: and {len(problems) - MAX_PROBLEMS} more", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted before any trial was started", file=sys.stderr)
        return INTERRUPTED


def _prepare(study: Study, options: Options, download: bool) -> None:
    """What comes before torch and ray are imported."""
    if download:
        _download(study, options.data_root)
    if options.address is None:
        # A Ray of our own: its ports are open to whoever reaches this machine, so only processes that have this
        # run's token may use them. Ray reads both variables when it is imported.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _download(study: Study, data_root: Path) -> None:
    """Fetches the datasets of the study that may be fetched without their owner; the others are looked for later.
    Raises DataError, also when there is none to fetch."""
    names = sorted({trial.config.dataset for trial in study.expand()})
    downloads = [download for name in names if (download := DATASETS[name].download) is not None]
    if not downloads:
        can = ", ".join(name for name, dataset in DATASETS.items() if dataset.download is not None)
        raise DataError(f"--download has nothing to fetch for {', '.join(names)}; leave it out (it can fetch {can})")
    for download in downloads:
        download(data_root)
