"""A command line -> what it asks for: the fields that it sets, and how to run them."""

import argparse
import importlib.util
import math
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from segtrain.config import ConfigError
from segtrain.fields import printable, shown
from segtrain.records import FREEZE_LABELS
from sweeps.engine.ask.options import (
    HUNG_AFTER,
    Budget,
    ChangedData,
    CodeChoice,
    Options,
    Replicates,
    Share,
    TrackerName,
    WandbMode,
)
from sweeps.engine.ask.passwords import hide_passwords
from sweeps.engine.ask.search import Pruner, Search
from sweeps.engine.ask.study import Study, parse_settings

MOST_SEEDS = 10_000
REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # s3://bucket, as Path leaves it
MOST_UNTIL_DECIDED, FEWEST_UNTIL_DECIDED = 200, 2
USUAL_MOST = 20
AUTO = "auto"
T = TypeVar("T", float, None)
UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(" ".join(printable(message).split()))  # it repeats the words that it does not know


def build_parser(study: Study, with_demo: bool = True) -> argparse.ArgumentParser:
    parser = _shared_parser(study.title, with_demo)
    add = parser.add_argument
    add("--lr-from", type=Path, metavar="DIR", help="take the rates that a search found: its folder")
    add("--replicates", type=int, metavar="N", help="tune on one seed, and compare the best on N others")
    add(
        "--until-decided", type=int, nargs="?", const=USUAL_MOST, metavar="MAX",
        help="tune on one seed, and give the best others until the claims are decided: at most MAX (%(const)s)",
    )  # fmt: skip
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


def _shared_parser(title: str, with_demo: bool = True) -> argparse.ArgumentParser:
    parser = Parser(description=f"{title}. The same command again goes on where it was ended.")
    add = parser.add_argument
    add("--num-gpus", type=int, metavar="N", help="GPUs to use (all there are; without any, the CPUs)")
    add("--gpus-per-trial", metavar="X", help="0.5 puts two trials on a GPU (1); auto measures what is best")
    add("--cpus-per-trial", default="1", metavar="X", help="CPU cores, and threads, of a trial (%(default)s), or auto")
    add("--memory-per-trial", type=float, metavar="GIB", help="memory that a trial takes of its machine's (uncounted)")
    add("--gpu-type", metavar="NAME", help="use these GPUs of a cluster alone, as Ray names them: A100, L4 and so on")
    add("--dataset", metavar="NAME", help="short for --set dataset=NAME")
    add("--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the datasets (%(default)s)")
    add("--download", action="store_true", help="fetch the datasets into the data root first, where that is allowed")
    decisions = [f"changed={decision}" for decision in get_args(ChangedData)]
    add("--data", choices=decisions, help="train again what was trained on other data, or keep what has ended")
    demo_out = "; with --demo, runs/demo" if with_demo else ""
    add("--out", type=Path, metavar="DIR", help=f"folder of the results (runs{demo_out})")
    add("--mirror", metavar="URL", help="copy what is trained to an object store too, such as s3://bucket/prefix")
    add("--from-mirror", action="store_true", help="first bring here what the mirror has and this machine has not")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="set a field; FIELD=VALUE,VALUE is an axis")
    first = "train encoders on these first, one after the other, and start the trials from them"
    add("--pretrain", nargs="+", default=[], metavar="DATASET", help=first)
    add("--seeds", type=int, default=1, metavar="N", help="train every trial with seeds 0 to N-1 (%(default)s)")
    add("--plan", action="store_true", help="show what would run and what it would cost, and start nothing")
    if with_demo:
        add("--demo", action="store_true", help="a small version on embedded scenes, minutes on two cores")
    else:
        parser.set_defaults(demo=False)
    add("--address", metavar="HOST:PORT", help="a running Ray cluster, or auto (RAY_ADDRESS, else this machine)")
    hung = "end and retry a trial that gives no epoch in X times the expected time (%(default)g; 0: never)"
    add("--hung-after", type=float, default=HUNG_AFTER, metavar="X", help=hung)
    add("--budget", metavar="TIME", help="start no trial that would not end within TIME, such as 8h, 90m or 3600s")
    add("--extendable", action="store_true", help="keep what a later command with more epochs goes on from")
    trackers = ", ".join(get_args(TrackerName))
    add("--track", default="wandb", metavar="NAME,NAME", help=f"trackers of the trials, of {trackers} (%(default)s)")
    add("--wandb", choices=get_args(WandbMode), default="offline", help="(%(default)s)")
    add("--code", choices=get_args(CodeChoice), help="what to do with trials whose own code has changed since")
    add("--notify", metavar="COMMAND", help="run it when the sweep has ended, with the outcome in SWEEP_* variables")
    add("--strict", action="store_true", help="exit with 1 unless every trial finished")
    return parser


def chosen_freezes(choice: str | None) -> list[str]:
    return ["none", "encoder"] if choice == "both" else [choice] if choice else []


def chosen_settings(arguments: argparse.Namespace) -> dict[str, tuple[Any, ...]]:
    settings = parse_settings(arguments.set + ([f"dataset={arguments.dataset}"] if arguments.dataset else []))
    if not 1 <= arguments.seeds <= MOST_SEEDS:
        raise ConfigError(f"--seeds is {shown(arguments.seeds)}; allowed: an integer from 1 to {MOST_SEEDS}")
    if arguments.seeds > 1:
        settings["seed"] = tuple(range(arguments.seeds))
    return settings


def chosen_replicates(arguments: argparse.Namespace) -> Replicates | None:
    """Raises ConfigError."""
    asked = {
        "--seeds": arguments.seeds if arguments.seeds != 1 else None,
        "--replicates": arguments.replicates,
        "--until-decided": arguments.until_decided,
    }
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)} each say how many seeds there are; allowed: one of {', '.join(asked)}; leave the "
            "others out"
        )
    replicates, most = arguments.replicates, arguments.until_decided
    if replicates is not None and not 1 <= replicates <= MOST_SEEDS:
        raise ConfigError(f"--replicates is {shown(replicates)}; allowed: an integer from 1 to {MOST_SEEDS}")
    if most is not None and not FEWEST_UNTIL_DECIDED <= most <= MOST_UNTIL_DECIDED:
        raise ConfigError(
            f"--until-decided is {shown(most)}; allowed: an integer from {FEWEST_UNTIL_DECIDED} to {MOST_UNTIL_DECIDED}"
        )
    if most is not None:
        return Replicates(most, until_decided=True)
    return None if replicates is None else Replicates(replicates)


def chosen_options(arguments: argparse.Namespace) -> Options:
    out = arguments.out or Path("runs/demo" if arguments.demo else "runs")
    _require_name("--out", out)
    _require_name("--data-root", arguments.data_root)
    if REMOTE.match(str(out)):
        raise ConfigError(
            f"--out is {str(out)!r}; allowed: a folder, and every machine of a cluster must see it; an object store is "
            "for --mirror, which copies there what the folder gets"
        )
    if arguments.from_mirror and (arguments.mirror is None or arguments.plan):
        raise ConfigError(
            "--from-mirror is given with --plan, which copies nothing; leave one of them out"
            if arguments.plan
            else "--from-mirror is given without --mirror; give the address as well, such as --mirror s3://bucket/prefix"
        )
    if not (arguments.hung_after == 0 or 1 <= arguments.hung_after < math.inf):
        raise ConfigError(f"--hung-after is {arguments.hung_after:g}; allowed: a number from 1, or 0 for never")
    address = arguments.address or os.environ.get("RAY_ADDRESS")
    address = None if address in ("", "local") else address
    shares: dict[Share, str | None] = {"cpus": arguments.cpus_per_trial, "gpus": arguments.gpus_per_trial}
    measured = tuple(name for name, text in shares.items() if text == AUTO)
    if measured and address is not None:
        raise ConfigError(
            f"--{measured[0]}-per-trial is auto, which measures this machine, and --address is {address!r}; give a "
            "number"
        )
    return Options(
        out=out.absolute(),
        data_root=arguments.data_root.absolute(),
        num_gpus=arguments.num_gpus,
        gpus_per_trial=_chosen_share("--gpus-per-trial", arguments.gpus_per_trial, None),
        cpus_per_trial=_chosen_share("--cpus-per-trial", arguments.cpus_per_trial, 1.0),
        measured=measured,
        address=address,
        wandb=arguments.wandb,
        strict=arguments.strict,
        hung_after=arguments.hung_after,
        changed_data=arguments.data and arguments.data.removeprefix("changed="),
        code=arguments.code,
        track=_chosen_trackers(arguments.track),
        mirror=arguments.mirror,
        from_mirror=arguments.from_mirror,
        notify=_chosen_notice(arguments.notify),
        budget=_chosen_budget(arguments.budget),
        extendable=arguments.extendable,
        memory_per_trial=arguments.memory_per_trial,
        gpu_type=arguments.gpu_type,
        command=shlex.join(["python", *map(hide_passwords, _without_notice(sys.argv))]),
    )


def _require_name(flag: str, path: Path) -> None:
    """A caller in Python may give what no command line can."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ConfigError(f"{flag} is {str(path)!r}, which is the name of no folder; give another") from None


def _chosen_share(name: str, text: str | None, default: T) -> float | T:
    """Raises ConfigError on what is neither a number nor AUTO, for which the default stands until it is measured."""
    if text is None or text == AUTO:
        return default
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name} is {shown(text)}; allowed: a number > 0, or {AUTO}") from None


def _chosen_budget(text: str | None) -> Budget | None:
    """It begins now. Raises ConfigError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([hms])", text)
    seconds = float(match[1]) * UNITS_S[match[2]] if match else 0.0
    if seconds <= 0:
        raise ConfigError(f"--budget is {shown(text)}; allowed: a time above 0, in one unit, such as 8h, 90m or 3600s")
    return Budget(text, seconds, time.monotonic() + seconds)


def _chosen_notice(text: str | None) -> str | None:
    """Raises ConfigError on what is no command line, and on a program that is not there."""
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(
            f"--notify is {shown(text)} ({error}); give a program and its arguments, quoted once"
        ) from None
    if not words or shutil.which(words[0]) is None:
        raise ConfigError(f"--notify is {shown(text)}, whose program is not found; give one that can be started")
    return text


def _without_notice(words: Sequence[str]) -> list[str]:
    """A command line without what `--notify` says: it may hold an address that is a key."""
    hidden = ["***" if before == "--notify" else word for before, word in zip(["", *words], words, strict=False)]
    return [re.sub(r"^(--notify)=.*", r"\1=***", word, flags=re.DOTALL) for word in hidden]


def _chosen_trackers(text: str) -> tuple[TrackerName, ...]:
    """Raises ConfigError, also when the library of one is not installed. wandb's is no extra, and its absence no more
    than any failure of it."""
    allowed = get_args(TrackerName)
    names = tuple(name for name in allowed if name in text.split(","))
    if not names or set(text.split(",")) > set(names):
        raise ConfigError(f"--track is {text!r}; allowed: one or more of {', '.join(allowed)}, with commas between")
    for name in names:
        if name != "wandb" and importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"--track is {text!r}, and {name} is not installed here: uv pip install -e '.[track]', or leave it out"
            )
    return names
