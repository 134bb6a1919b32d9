"""`python -m analysis watch STUDY`."""

import argparse
import sys
import threading
from pathlib import Path

from analysis.read.gathering.study_json import read_description
from analysis.watch.current_report import CurrentReport
from analysis.watch.live_page import LivePage
from analysis.watch.server import Server
from segtrain import records
from segtrain.errors import UserError
from segtrain.fields import printable

LOOPBACK = "127.0.0.1"
EVERY_S = 30.0
FEWEST_S, MOST_S = 1.0, 86_400.0


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if not FEWEST_S <= options.every <= MOST_S:
        return _say(f"--every is {options.every:g}; allowed: seconds from {FEWEST_S:g} to {MOST_S:g}")
    folder = options.study.absolute()
    try:
        read_description(folder)
    except FileNotFoundError:
        return _say(f"{folder} has no {records.STUDY_FILE}; give <out>/{records.STUDIES_DIR}/<name>")
    except UserError as error:
        return _say(str(error))
    report = CurrentReport(folder, options.every)
    try:
        server = Server(options.host, options.port, LivePage(report))
    except (OSError, OverflowError) as error:
        return _say(f"{options.host}, port {options.port}, cannot be listened on ({error}); choose others")
    with server:
        print(f"{printable(folder.name)}: {server.address}\nwhoever has this address sees it; Ctrl-C ends", flush=True)
        keeper = threading.Thread(target=report.run, daemon=True)
        keeper.start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
        finally:
            report.ended.set()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis watch",
        description="Keeps the report of a study current and serves it, with a page of what runs, until Ctrl-C.",
    )
    parser.add_argument("study", type=Path, help="a study's folder, <out>/studies/<name>")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (%(default)s: this machine alone)")
    parser.add_argument("--port", type=int, default=0, help="(a free one)")
    parser.add_argument(
        "--every", type=float, default=EVERY_S, metavar="S", help="seconds between two reports, at least (%(default)g)"
    )
    return parser


def _say(problem: str) -> int:
    print(f"analysis: {printable(problem)}", file=sys.stderr)
    return 2
