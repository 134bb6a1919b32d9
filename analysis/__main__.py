"""`python -m analysis report|compare|best|watch|data ...`: what trials say, and what a dataset looks like.

    report <out>/studies/<name> ...   writes each study's report/: index.html, tables, figures (--figures png pdf svg);
                                      works during the sweep. Of all commands that were given for the study, or with
                                      --latest of the last one
    compare <out>/studies/<name> ...  writes one report for several studies, and judges claims between them:
                                      --claim STUDY:VARIANT STUDY:VARIANT [METRIC]
    best <out>                        prints the best models over all studies of an output folder, and the command
                                      that predicts with the best of each dataset
                                      both take the address of a mirror too, such as s3://bucket/prefix, and write
                                      into a copy of theirs
    watch <out>/studies/<name>        keeps the report of a running sweep current, and serves it on loopback with a page
                                      of what runs; see `watch --help`
    data ...                          draws and checks a dataset; see `data --help`

Exit code 2 when there is nothing to read.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable
from segtrain.mirror.object_store import ADDRESS
from segtrain.mirror.study_copies import ReadCopy

if TYPE_CHECKING:
    from analysis.read.frames import Study

FIGURE_KINDS = ("png", "pdf", "svg")  # matplotlib is imported when there is something to draw


def main(arguments: list[str] | None = None) -> int:
    speak_any_name()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["data"]:
        from analysis.report import dataset_report  # the trainer's loaders, which a report does without

        return dataset_report.main(arguments[1:])
    if arguments[:1] == ["watch"]:
        from analysis.watch import command  # a server, which the others do without

        return command.main(arguments[1:])
    options = _parser().parse_args(arguments)
    if options.command == "best":
        return _told(partial(print_best, options.out))
    if options.command == "compare":
        return _told(partial(compare, options.study, options.claim, options.figures))
    return max([_told(partial(report, place, options.figures, options.latest)) for place in options.study])


def _told(command: Callable[[], None]) -> int:
    """The exit code of `command`; what it cannot read is a line."""
    try:
        command()
    except (UserError, OSError) as error:
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="What finished trials say.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("report", help="write the report of studies: a page, tables, figures")
    several = commands.add_parser("compare", help="write one report for several studies, with claims between them")
    for command in (one, several):
        command.add_argument("study", nargs="+", help="a study's folder, <out>/studies/<name>")
        command.add_argument(
            "--figures", nargs="+", choices=FIGURE_KINDS, default=["png"], metavar="KIND",
            help=f"files of the figures: {', '.join(FIGURE_KINDS)} (png alone)",
        )  # fmt: skip
    several.add_argument(
        "--claim", nargs="+", action="append", default=[], metavar="WORD",
        help="LEFT RIGHT [METRIC]: LEFT has more of it (test/mean_iou); a side is STUDY, STUDY:VARIANT or "
        "STUDY:FIELD=VALUE,...; once for each claim",
    )  # fmt: skip
    one.add_argument("--latest", action="store_true", help="what the last command asked for alone (all commands')")
    best = commands.add_parser("best", help="print the best models over all studies")
    best.add_argument("out", help="the output folder of the sweeps")
    commands.add_parser("data", help="draw and check a dataset: data --help")
    commands.add_parser("watch", help="keep a study's report current and serve it: watch --help")
    return parser


def report(place: str, kinds: Sequence[str], latest: bool = False) -> None:
    from analysis.read.frames import load

    study = load(ReadCopy(place).study if ADDRESS.match(place) else Path(place), latest)
    others = len(study.commands) - 1
    gathered = f", and {others} other command{'s' if others > 1 else ''}" if others and not latest else ""
    _write(study, kinds, f"run by: {study.command}{gathered}")


def compare(places: Sequence[str], claims: Sequence[Sequence[str]], kinds: Sequence[str]) -> None:
    from analysis.read.several_studies import combine

    asked = "".join(f" --claim {shlex.join(words)}" for words in claims)
    study = combine(
        [Path(place) for place in places], claims, f"python -m analysis compare {shlex.join(places)}{asked}"
    )
    _write(study, kinds, f"compared by: {study.command}")


def _write(study: "Study", kinds: Sequence[str], origin: str) -> None:
    from analysis.report.page import write_report

    written = write_report(study, kinds)
    print(f"# {study.title}\n\n{origin}\n")
    for table in written.tables:
        if table.name not in ("provenance", "class_iou", "class_differences", "settings"):  # long, and in the files
            print(table.markdown())
    if written.problems:
        print(
            f"{len(written.problems)} could not be read:", *(f"  {problem}" for problem in written.problems), sep="\n"
        )
    print(f"Report: {written.paths[0]}, with {len(written.paths) - 1} tables and figures beside it")


def print_best(place: str) -> None:
    from analysis.report.best_models import best_over, load_all
    from analysis.statistics.ranking import best_lines, ranked_models

    copy = ReadCopy(place) if ADDRESS.match(place) else None
    studies, problems = load_all(copy.out if copy else Path(place))
    if copy is not None:
        found = ranked_models(studies)
        for best in found.drop_duplicates("dataset")["trial_id"] if len(found) else []:
            copy.fetch_weights(best)
    print(best_over(studies).markdown())
    print(*map(printable, best_lines(studies)), sep="\n")
    problems = [*problems, *(f"{study.name}: {problem}" for study in studies for problem in study.problems)]
    if problems:
        print(f"{len(problems)} could not be read:", *(f"  {problem}" for problem in problems), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
