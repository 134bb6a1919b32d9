"""What a study's file calls: its command line, then the plan or the sweep that was asked for."""

import atexit
import gc
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from rich.console import Console

from segtrain import own_code
from segtrain.config import ConfigError
from segtrain.data import DATASETS
from segtrain.data.by_name import find_dataset, register
from segtrain.data.spec import DataError
from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable
from segtrain.mismatches import why_not_extendable
from sweeps.engine.ask.command_line import (
    build_parser,
    build_search_parser,
    chosen_freezes,
    chosen_options,
    chosen_replicates,
    chosen_settings,
)
from sweeps.engine.ask.found import read_found
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.ask.search import Search
from sweeps.engine.ask.study import Study

MAX_PROBLEMS = 50
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What `kill`, service managers, Slurm and clouds send before they end a process; the exit code is 128 + the number."""


def main(study: Study, demo: Study | None = None, argv: list[str] | None = None) -> int:
    """Runs `study`, or `demo`, where there is one, when asked for, as the command line says. Returns the exit code; 2
    for a user's error."""
    arguments = build_parser(study, with_demo=demo is not None).parse_args(argv)

    def run() -> int:
        settings = chosen_settings(arguments)
        replicates = chosen_replicates(arguments)
        chosen = (demo if demo is not None and arguments.demo else study).edit(settings, arguments.pretrain)
        if arguments.lr_from is not None:
            chosen = chosen.at_found(read_found(arguments.lr_from), but_not=settings)
        chosen = _name_datasets(chosen)
        options = replace(chosen_options(arguments), replicates=replicates)
        _prepare(chosen, options, arguments.download)
        # Imported here so that a mistake on the command line is told at once, not after loading torch and ray.
        from sweeps.engine.plan.preview import show_plan
        from sweeps.engine.run.cluster import find_nodes
        from sweeps.engine.run.mirroring import mirrored
        from sweeps.engine.run.notifying import notified
        from sweeps.engine.run.run_study import run_study

        if arguments.plan:
            show_plan(chosen, options, find_nodes(options), Console())
            return 0
        console = Console()
        with mirrored(chosen, options, console) as mirror:
            return notified(
                chosen.name, options, console, lambda notifier: run_study(chosen, options, console, mirror, notifier)
            )

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
        settings = chosen_settings(arguments)
        for name, values in (("arch", arguments.arch), ("freeze", chosen_freezes(arguments.freeze))):
            if values:
                settings[name] = tuple(values)
        chosen = chosen.edit(
            settings,
            arguments.pretrain,
            searched=tuple(name for name in chosen.space if name in {"lr", *arguments.search}),
            trials=chosen.trials if arguments.trials is None else arguments.trials,
            tries=chosen.tries if arguments.tries is None else tuple(arguments.tries),
            pruner=arguments.pruner,
            seed=arguments.sampler_seed,
        )
        chosen = replace(chosen, study=_name_datasets(chosen.study))
        options = chosen_options(arguments)
        _prepare(chosen.study, options, arguments.download)
        from sweeps.engine.plan.preview import show_search
        from sweeps.engine.run.cluster import find_nodes
        from sweeps.engine.run.mirroring import mirrored
        from sweeps.engine.run.notifying import notified
        from sweeps.engine.run.search.run_search import run_search

        if arguments.plan:
            show_search(chosen, options, find_nodes(options), Console())
            return 0
        console = Console()
        with mirrored(chosen.study, options, console) as mirror:
            return notified(
                chosen.study.name, options, console,
                lambda notifier: run_search(chosen, options, arguments.storage, console, mirror, notifier),
            )  # fmt: skip

    return _report_errors(run)


def _tell_mistake_in_study_file(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python does with an error that nobody handles: of a mistake in a study that is being made (a field that does
    not exist, a value or combination that no trial can have) its line in the file, and exit code 2."""
    in_file = trace is not None and trace.tb_frame.f_globals.get("__name__") == "__main__"
    unknown_name = kind is TypeError and trace is not None and trace.tb_next is None
    if trace is None or not in_file or not (isinstance(error, UserError) or unknown_name):
        sys.__excepthook__(kind, error, trace)
        return
    problems = error.problems if isinstance(error, UserError) else (str(error),)
    for problem in problems[:MAX_PROBLEMS]:
        where = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        print(f"error: {printable(where)}: {problem}", file=sys.stderr)
    raise SystemExit(2)


# A study file imports `main` from here before it makes its study, which happens outside of any function of ours.
sys.excepthook = _tell_mistake_in_study_file


def _leave_garbage() -> None:
    """Python would search what is left at the end of the process for garbage, half a second, before the kernel takes
    it. The libraries of torch's compiler want that, and complain on the screen."""
    if "torch" not in sys.modules:
        gc.freeze()


atexit.register(_leave_garbage)


def _report_errors(run: Callable[[], int]) -> int:
    """The exit code of `run`; what a user did wrong is printed, a line for each problem."""
    speak_any_name()
    with _stopped_like_ctrl_c() as received:
        code = _say_errors(run)
    return 128 + received[0] if code == INTERRUPTED and received else code


def _say_errors(run: Callable[[], int]) -> int:
    try:
        return run()
    except (UserError, OSError) as error:
        problems = error.problems if isinstance(error, UserError) else (printable(str(error)),)
        for problem in problems[:MAX_PROBLEMS]:
            print(f"error: {problem}", file=sys.stderr)
        if len(problems) > MAX_PROBLEMS:
            print(f"error: and {len(problems) - MAX_PROBLEMS} more", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted before any trial was started", file=sys.stderr)
        return INTERRUPTED


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[list[int]]:
    """Inside, STOP_SIGNALS do what Ctrl-C does; gives the list that the one that came is put into."""
    received: list[int] = []

    def stop(number: int, frame: object) -> None:
        for signal_number in STOP_SIGNALS:  # one is enough: another would disturb the tidying up
            signal.signal(signal_number, signal.SIG_IGN)
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _name_datasets(study: Study) -> Study:
    """Own data by their names, and their places remembered. Raises DataError, also when there is no such dataset."""
    own_code.make_importable([os.getcwd()])  # the folder of the study file is the first already
    return study.renaming_datasets(register({trial.config.dataset for trial in study.expand()}))


def _prepare(study: Study, options: Options, download: bool) -> None:
    """What comes before torch and ray are imported."""
    if options.extendable:
        _check_extendable(study)
    if download:
        _download(study, options.data_root)
    if options.address is None:
        # A Ray of our own: its ports are open to whoever reaches this machine, so only processes that have this
        # run's token may use them. Ray reads both variables when it is imported.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _check_extendable(study: Study) -> None:
    """Raises ConfigError on a trial that no longer one could go on from."""
    for trial in study.expand():
        if (why := why_not_extendable(trial.config)) is not None:
            raise ConfigError(f"--extendable is given, and {why}, or leave --extendable out")


def _download(study: Study, data_root: Path) -> None:
    """Fetches the datasets of the study that may be fetched without their owner; the others are looked for later.
    Raises DataError, also when there is none to fetch."""
    names = sorted({trial.config.dataset for trial in study.expand()})
    downloads = [download for name in names if (download := find_dataset(name).download) is not None]
    if not downloads:
        can = ", ".join(name for name, dataset in DATASETS.items() if dataset.download is not None)
        raise DataError(f"--download has nothing to fetch for {', '.join(names)}; leave it out (it can fetch {can})")
    for download in downloads:
        download(data_root)
