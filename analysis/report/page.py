"""A study -> report/: index.html, one file that opens from disk without a network, and its tables and figures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from PIL import Image
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from analysis.draw import gallery, panels
from analysis.draw.backends import matplotlib_files, plotly_page
from analysis.draw.chart import Chart
from analysis.draw.charts import forest_chart
from analysis.draw.charts.learning_curves import CURVES
from analysis.draw.charts.search_charts import SEARCH_CHARTS, search_charts
from analysis.draw.panels import Panels, Pixels
from analysis.draw.ticks import minus
from analysis.read.frames import Study
from analysis.read.score_check import check_scores
from analysis.read.search_history import read_search
from analysis.report import answers, provenance
from analysis.report.frame_files import write_frames
from analysis.report.tables import claims_table, result_tables
from analysis.report.tables.class_tables import class_tables
from analysis.report.tables.image_table import image_table
from analysis.report.tables.search_tables import search_tables
from analysis.report.tables.settings_table import settings_table
from analysis.report.tables.table import Column, Table, part, write_tables
from analysis.statistics import claims, selection
from analysis.statistics.cells import ending_text
from analysis.statistics.claims import Judgement
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, RecordError

DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "8 3 2 3"}  # of the legend's SVG lines
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """What was written, the tables to print, and what could not be read."""

    paths: list[Path]
    tables: list[Table]
    problems: list[str]


def write_report(study: Study, kinds: Sequence[str] = matplotlib_files.DEFAULT_KINDS) -> Report:
    """Writes the report of what the study has so far, its figures as files of `kinds`. A figure of an earlier report
    that has nothing to show any more, or is of another kind, goes."""
    folder = study.folder / records.REPORT_DIR
    for place in (folder, folder / "figures", folder / "tables", folder / "data"):
        if place.is_symlink():  # of another's run, perhaps: what it points to is not this report's to write or delete
            raise RecordError(f"{place} is a link; remove it, and the report is written in its place")
        place.mkdir(parents=True, exist_ok=True)
    judgements = claims.judge_all(study)
    written = [*result_tables.all_tables(study), settings_table(study), *class_tables(study)]
    written += [table] if (table := image_table(study)) else []
    written += [claims_table.claims_table(judgements), provenance.table(study)]
    charts, problems = gallery.all_charts(study)
    cells, torn = read_search(study)
    written += search_tables(cells)
    forest = forest_chart.forest(answers.strongest_first(judgements), claims_table.is_fraction)
    charts = [*([forest] if forest else []), *charts, *search_charts(cells, study)]
    pictures = panels.read_panels(study)
    problems = study.problems + problems + torn + (pictures.problems if pictures else [])
    page = render(study, judgements, written, charts, pictures, problems)
    records.write_atomic(folder / "index.html", page.encode(errors="backslashreplace"))
    paths = [folder / "index.html", *write_tables(written, folder / "tables")]
    paths += write_figures(charts, pictures, folder / "figures", kinds)
    paths += write_frames(study, judgements, folder / "data")
    return Report(paths, written, problems)


def write_figures(charts: list[Chart], pictures: Panels | None, folder: Path, kinds: Sequence[str]) -> list[Path]:
    with matplotlib_files.settings():
        drawn = {chart.name: matplotlib_files.draw(chart) for chart in charts}
        if pictures:
            drawn |= {
                "panels": panels.draw_panels(pictures),
                "panels_marked": panels.draw_panels(pictures, marked=True),
            }
        paths = [path for name, figure in drawn.items() for path in matplotlib_files.write(figure, name, folder, kinds)]
    for old in set(folder.iterdir()) - set(paths):
        if old.suffix.removeprefix(".") in matplotlib_files.KINDS and not old.is_dir():
            old.unlink()
    return paths


def render(
    study: Study,
    judgements: list[Judgement],
    written: list[Table],
    charts: list[Chart],
    pictures: Panels | None,
    problems: list[str],
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["sort_keys_of"] = Column.sort_keys
    environment.filters["best_of"] = Column.best_of
    shared, varied = provenance.recipe(study)
    return environment.get_template("report.html.jinja").render(
        study=study,
        gathered=provenance.gathered(study),
        tiles=tiles(study, judgements),
        contents=contents(judgements, pictures, written),
        notes=[*provenance.warnings(study), *check_scores(study), *unfinished(study)],
        problems=problems,
        judgements=answers.strongest_first(judgements),
        tables={table.name: table for table in written},
        charts={chart.name: chart for chart in charts},
        figures={chart.name: plotly_page.figures(chart) for chart in charts},
        curve_names=[column.replace("/", "_") for column in CURVES],
        search_names=SEARCH_CHARTS,
        panels=pictures,
        shared=shared,
        varied=varied,
        environments=provenance.environments(study),
        dashes=DASHES,
        css=_verbatim("report.css"),
        script=_verbatim("report.js"),
        plotly=Markup(get_plotlyjs()),
        **_claim_texts(),
        **(_pictures(pictures) if pictures else {}),
    )


def _verbatim(name: str) -> Markup:
    """A file of ours, which is not escaped."""
    return Markup((_TEMPLATES / name).read_text())


def tiles(study: Study, judgements: list[Judgement]) -> list[tuple[str, str, str]]:
    """(what, value, beside) of the numbers on top."""
    trials = study.trials
    finished = int((trials["state"] == "finished").sum())
    seeds = selection.usable(study)["seed"].nunique()
    lost = ending_text(*((trials["state"] == state).sum() for state in ("diverged", "failed")))
    found = [("trials finished", f"{finished} of {len(trials)}", lost), ("seeds", str(seeds), "")]
    models = selection.best_models(study)
    if len(models):
        best = models.iloc[0]
        numbers = (best[f"{TEST_MEAN_IOU}{name}"] for name in ("", "_low", "_high", "_n"))
        score = part(*numbers, form=".2f", within=(0, 1))
        text = f"{score.mean} {score.around}".strip() + f" % test mIoU, n = {best['n']}" if score else ""
        found.append(("best on validation", selection.cell_name(study, best["model"], best["freeze"]), text))
    if judgements:
        counts = claims.count_verdicts(judgements)
        others = f"{counts['contradicted']} contradicted, {counts['undecided']} undecided"
        found.append(("claims that hold", f"{counts['holds']} of {len(judgements)}", others))
    hours = trials["runtime_s"].sum() / 3600
    return [*found, ("trial hours", f"{hours:.1f}", f"hosts: {trials['host'].nunique()}")]


def contents(judgements: list[Judgement], pictures: Panels | None, written: list[Table]) -> list[tuple[str, str]]:
    """(anchor, name) of the sections that are there."""
    names = {"claims": "Answers", "predictions": "Pictures", "results": "Results", "search": "Search"}
    names |= {"curves": "Learning", "classes": "Classes", "edges": "Edges and sizes", "cost": "Cost"}
    names |= {"provenance": "Provenance", "trials": "Trials"}
    searched = any(table.name == "search" for table in written)
    absent = {"claims": not judgements, "search": not searched, "predictions": pictures is None}
    return [(anchor, name) for anchor, name in names.items() if not absent.get(anchor)]


def unfinished(study: Study) -> list[str]:
    """A sentence for every state that trials are in and should not end in, with their names."""
    if study.trials.empty:
        return ["The study has no trials: its last command planned none. Run the sweep, then the report again."]
    found = (
        [f"{len(study.archived)} archived, and left out: {', '.join(study.archived[:10])}"] if study.archived else []
    )
    if selection.usable(study).empty:
        found.append(result_tables.nothing_yet(study))
    for state, group in study.trials.groupby("state", sort=False):
        if state not in ("finished", "pruned"):
            names = [
                row["run"] + ("" if pd.isna(row["reason"]) else f" ({row['reason']})")
                for row in group.to_dict("records")
            ]
            listed = "; ".join(names[:10]) + (f"; and {len(names) - 10} more" if len(names) > 10 else "")
            found.append(f"{len(names)} {state}: {listed}")
    resumed = study.trials[study.trials["attempts"].fillna(1) > 1]
    if len(resumed):
        found.append(f"{len(resumed)} resumed after an interruption: {', '.join(resumed['run'])}")
    return found


def _claim_texts() -> Mapping[str, Any]:
    """How the page writes the numbers of a judgement."""

    def scale(judgement: Judgement) -> float:
        return 100 if claims_table.is_fraction(judgement.metric) else 1

    return {
        "sentence": answers.sentence,
        "lack": answers.lack,
        "verdicts": answers.WORDS,
        "images": lambda j: minus(claims_table.range_text(j.metric, *j.images)),
        "cell": lambda j, value: minus(claims_table.effect_text(j.metric, value, float("nan"), float("nan"))),
        "margin": lambda j: f"{scale(j) * j.claim.margin:g}",
        "unit": lambda j: " points" if claims_table.is_fraction(j.metric) else "",
        "published": lambda j: minus(claims_table.published_text(j)),
    }


def _pictures(pictures: Panels) -> Mapping[str, Any]:
    def wrong(row: int, title: str) -> str:
        share = pictures.wrong[row, title]
        return "all ignored" if pd.isna(share) else f"{100 * share:.1f} % wrong"

    return {
        "picture": lambda row, title: data_uri(pictures.cells[row, title], photo=title == "image"),
        "marked": lambda row, title: data_uri(pictures.marked[row, title], photo=False),
        "wrong": wrong,
    }


def data_uri(pixels: Pixels, *, photo: bool) -> str:
    """(H, W, 3) uint8 -> a data: address; a photo as JPEG, a mask as PNG, which keeps its colours."""
    content = BytesIO()
    kind = "jpeg" if photo else "png"
    Image.fromarray(pixels).save(content, format=kind, **({"quality": 90} if photo else {"optimize": True}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
