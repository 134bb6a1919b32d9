"""The command line that every study shares."""

import argparse
import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import get_args

from rich.console import Console

from segtrain.config import ConfigError
from segtrain.errors import UserError
from sweeps.engine.options import INTERRUPTED, Options, WandbMode
from sweeps.engine.study import Study, parse_settings

MAX_PROBLEMS = 50


def build_parser(study: Study) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"{study.title}. The same command again goes on where it was ended.")
    add = parser.add_argument
    add("--num-gpus", type=int, metavar="N", help="GPUs to use (all there are; without any, the CPUs)")
    add("--gpus-per-trial", type=float, metavar="X", help="0.5 puts two trials on a GPU (1)")
    add("--cpus-per-trial", type=float, default=1, metavar="X", help="CPU cores, and threads, of a trial (%(default)s)")
    add("--dataset", metavar="NAME", help="short for --set dataset=NAME")
    add("--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the datasets (%(default)s)")
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
    try:
        settings = parse_settings(arguments.set + ([f"dataset={arguments.dataset}"] if arguments.dataset else []))
        if arguments.seeds < 1:
            raise ConfigError(f"--seeds is {arguments.seeds}; allowed: an integer >= 1")
        if arguments.seeds > 1:
            settings["seed"] = tuple(range(arguments.seeds))
        chosen = (demo if arguments.demo else study).edit(settings)
        options = Options(
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
        return _start(chosen, options, plan_only=arguments.plan)
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


def _start(study: Study, options: Options, plan_only: bool) -> int:
    if options.address is None:
        # A Ray of our own: its ports are open to whoever reaches this machine, so only processes that have this
        # run's token may use them. Ray reads both variables when it is imported.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # Imported here so that a mistake on the command line is told at once, not after seconds of loading torch and ray.
    from sweeps.engine.preview import show_plan
    from sweeps.engine.run import run_study

    if plan_only:
        show_plan(study, options, Console())
        return 0
    return run_study(study, options, Console())
