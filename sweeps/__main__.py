"""`python -m sweeps new NAME`: what has no study file of its own to be called with."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable
from sweeps.engine.ask.new_study import write_study


def main(arguments: list[str] | None = None) -> int:
    speak_any_name()
    parser = argparse.ArgumentParser(prog="python -m sweeps", description="Studies of your own.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("new", help="write a study file into this folder")
    one.add_argument("name", help="of the study, and of its file: NAME.py")
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except (UserError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2


def new(options: argparse.Namespace) -> int:
    path = write_study(options.name, Path.cwd())
    print(f"{path.name}: write your question into it, then\n  python {path.name} --plan\n  python {path.name}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"new": new}

if __name__ == "__main__":
    sys.exit(main())
