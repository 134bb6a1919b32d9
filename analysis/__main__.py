"""`python -m analysis <out>/studies/<name>`: prints the tables and writes them and the figures to its report/ folder.

Works while the sweep still runs. Exit code 2 when there is no study to read.
"""

import argparse
import sys
from pathlib import Path

from analysis import panels, plots, tables
from analysis.load import Study, load_study
from segtrain.records import REPORT_DIR, RecordError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Tables and figures of a study.")
    parser.add_argument("study", type=Path, help="the study's folder, <out>/studies/<name>")
    options = parser.parse_args(arguments)
    try:
        study = load_study(options.study)
    except (RecordError, OSError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    report = study.folder / REPORT_DIR
    print(f"# {study.title}\n\nrun by: {study.command}\n")
    written = tables.all_tables(study)
    paths = tables.write_tables(written, report / "tables")
    for table in written:
        print(table.markdown())
    figures, problems = write_figures(study, report / "figures")
    print("Written:", *(f"  {path}" for path in paths + figures), sep="\n")
    problems = study.problems + problems
    if problems:
        print(f"\n{len(problems)} could not be read:", *(f"  {problem}" for problem in problems), sep="\n")
    return 0


def write_figures(study: Study, folder: Path) -> tuple[list[Path], list[str]]:
    """Draws what the study has results for: the files written, and what could not be read. A figure that has nothing
    to show is not there, so one of an earlier report goes."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = panels.read_panels(study)
    figures = {name: draw(study) for name, draw in plots.FIGURES.items()}
    figures["panels.png"] = panels.draw_panels(pictures) if pictures else None
    for name, figure in figures.items():
        if figure is None:
            (folder / name).unlink(missing_ok=True)
        else:
            plots.write_figure(figure, folder / name)
    return [folder / name for name, figure in figures.items() if figure], pictures.problems if pictures else []


if __name__ == "__main__":
    sys.exit(main())
