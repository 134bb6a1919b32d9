"""`python -m sweeps COMMAND`: what has run and what runs, and a first study file.

    new NAME               writes a study file into this folder
    status [DIR]           what is done, runs where, waits, failed and why
    stop TRIAL             the trial ends like one that was told to, and is not started again
    archive TRIAL|STUDY    sets it aside, under <out>/archive
    restore TRIAL|STUDY    takes a stop or an archive back
    tail TRIAL             its epochs, as they come
    compare STUDY STUDY    the models that both have, and which of the two scores higher

Exit codes: 0; 1 where `status` finds a trial that needs somebody, or where a trial that was told to stop has not ended
yet; 2 for a mistake; 130 after Ctrl-C. TRIAL is a folder, an id, or the beginning of one.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from segtrain import records
from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable
from sweeps.engine.ask.new_study import write_study
from sweeps.engine.manage import archive, follow, names, status, stopping

INTERRUPTED = 130
PATIENCE_S = 30.0
LAST_LINES = 10


def main(arguments: list[str] | None = None) -> int:
    speak_any_name()
    options = _parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except (UserError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m sweeps", description=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("new", help="write a study file into this folder")
    one.add_argument("name", help="of the study, and of its file: NAME.py")
    one = commands.add_parser("status", help="what is done, runs where, waits, failed and why")
    one.add_argument(
        "dir", type=Path, nargs="?", default=Path("runs"), help="an output folder or a study (%(default)s)"
    )
    one.add_argument("--json", action="store_true", help="for scripts")
    for name, what, helped in (
        ("stop", "trial", "end a trial, and do not start it again"),
        ("archive", "name", "set a trial or a study aside"),
        ("restore", "name", "take a stop or an archive back"),
        ("tail", "trial", "the epochs of a trial, as they come"),
    ):
        one = commands.add_parser(name, help=helped)
        kinds = "trial" if what == "trial" else "trial or a study"
        one.add_argument(what, metavar=what.upper(), help=f"a {kinds}: folder, id or name, or the beginning of an id")
        one.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="of the results (%(default)s)")
        one.add_argument("--json", action="store_true", help="for scripts")
        if name == "stop":
            one.add_argument(
                "--wait", type=float, default=PATIENCE_S, metavar="S", help="seconds for its end (%(default)g)"
            )
        if name == "tail":
            one.add_argument("-n", type=int, default=LAST_LINES, metavar="N", help="lines to begin with (%(default)s)")
            one.add_argument("--no-wait", action="store_true", help="what there is, and no more")
    one = commands.add_parser("compare", help="the models that two studies have, and which scores higher")
    for side in ("left", "right"):
        one.add_argument(side, metavar="STUDY", help="a study: folder or name")
    one.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="of the results (%(default)s)")
    one.add_argument("--json", action="store_true", help="for scripts")
    return parser


def new(options: argparse.Namespace) -> int:
    path = write_study(options.name, Path.cwd())
    print(f"{path.name}: write your question into it, then\n  python {path.name} --plan\n  python {path.name}")
    return 0


def show_status(options: argparse.Namespace) -> int:
    studies, problems = status.read_all(options.dir)
    if options.json:
        print(json.dumps(status.as_json(studies, problems), indent=2))
    else:
        console = Console()
        console.print(status.render(studies, console))
        for problem in problems:
            print(printable(problem), file=sys.stderr)
    return status.exit_code(studies, problems)


def stop(options: argparse.Namespace) -> int:
    folder = names.find_trial(options.trial, options.out.absolute())
    became = stopping.stop(folder, options.wait)
    words = became or "told to stop, and still running; status says when it has"
    _say(options, {"trial": folder.name, "stopped": became is not None}, f"{folder.name}: {words}")
    return 0 if became else 1


def set_aside(options: argparse.Namespace) -> int:
    out = options.out.absolute()
    try:
        moved = archive.archive_study(names.find_study(options.name, out))
    except names.NameNotFound:
        moved = archive.archive_trial(names.find_trial(options.name, out))
    return _say_moved(options, moved, "archived")


def restore(options: argparse.Namespace) -> int:
    out = options.out.absolute()
    found = names.find_archived(options.name, out)
    if len(found) > 1:
        listed = ", ".join(path.name for path in found[:5])
        raise names.NameNotFound(f"{len(found)} archived trials begin so: {listed}; give more of the name")
    moved = [path for folder in found for path in archive.restore(folder)]
    if not found:
        folder = names.find_trial(options.name, out)
        if not stopping.let_go_on(folder):
            raise names.NameNotFound(f"{folder.name} is neither archived nor stopped; its command trains it as it is")
        moved = [folder]
    return _say_moved(options, moved, "back")


def tail(options: argparse.Namespace) -> int:
    folder = names.find_trial(options.trial, options.out.absolute())
    before = records.read_status(folder)
    for line in follow.follow(folder, max(1, options.n), wait=not options.no_wait):
        print(follow.line_json(line) if options.json else follow.line_text(line, before.epochs if before else 0))
        sys.stdout.flush()
    if not options.json:
        print(f"{folder.name} {follow.how_it_stands(folder)}")
    return 0


def compare(options: argparse.Namespace) -> int:
    from sweeps.engine.manage import comparison  # statistics, which the others do without

    folders = [names.find_study(side, options.out.absolute()) for side in (options.left, options.right)]
    pairs = comparison.compare(*folders)
    if not pairs:
        raise names.NameNotFound(
            f"{folders[0].name} and {folders[1].name} have no finished model and freeze in common; status says what "
            "each has; python -m analysis compare judges claims between others"
        )
    if options.json:
        print(json.dumps(comparison.as_json(pairs), indent=2))
    else:
        Console().print(comparison.render(pairs, *(folder.name for folder in folders)))
    return 0


def _say_moved(options: argparse.Namespace, moved: list[Path], word: str) -> int:
    names_of = [str(path) for path in moved]
    _say(options, {word: names_of}, "\n".join(f"{word}: {name}" for name in names_of))
    return 0


def _say(options: argparse.Namespace, value: object, text: str) -> None:
    print(json.dumps(value) if options.json else printable(text))


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "new": new, "status": show_status, "stop": stop, "archive": set_aside, "restore": restore, "tail": tail,
    "compare": compare,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
