"""A study -> report/: index.html, one file that opens from disk without a network, and its tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from analysis.draw import gallery, panels
from analysis.draw.backends import matplotlib_files, plotly_page
from analysis.draw.chart import Chart
from analysis.draw.charts import forest_chart
from analysis.draw.charts.data_chart import class_balance
from analysis.draw.charts.learning_curves import CURVES
from analysis.draw.charts.search_charts import SEARCH_CHARTS, search_charts
from analysis.draw.diagrams.network_diagram import draw_network
from analysis.draw.diagrams.stage_diagram import draw_stages
from analysis.draw.example_panels import ExamplePanel, example_panels
from analysis.draw.metric_words import unit_of, words_of
from analysis.draw.panels import Panels
from analysis.draw.ticks import minus
from analysis.draw.training_samples import TrainingSamples, training_samples
from analysis.read.frames import Study
from analysis.read.score_check import check_scores
from analysis.read.search_history import read_search
from analysis.read.trial_files.network_layers import Layer, read_layers
from analysis.report import answers, overview, page_images, provenance
from analysis.report.frame_files import write_frames
from analysis.report.tables import claims_table, result_tables
from analysis.report.tables.class_tables import area_table, class_shares, class_tables
from analysis.report.tables.data_tables import data_tables
from analysis.report.tables.error_table import error_table
from analysis.report.tables.image_table import image_table
from analysis.report.tables.network_table import network_table
from analysis.report.tables.published_table import published_table
from analysis.report.tables.search_tables import search_tables
from analysis.report.tables.settings_table import settings_table, task_table
from analysis.report.tables.table import Column, Table, write_tables
from analysis.statistics import cells as cells_of
from analysis.statistics import claims
from analysis.statistics.claims import Judgement
from analysis.statistics.counted import counted_by_each
from segtrain import records
from segtrain.records import VAL_MEAN_IOU, RecordError

DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "8 3 2 3"}  # of the legend's SVG lines
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """What was written, the tables to print, and what could not be read."""

    paths: list[Path]
    tables: list[Table]
    problems: list[str]


@dataclass(frozen=True)
class Content:
    """All that a report shows."""

    judgements: list[Judgement]
    tables: list[Table]
    charts: list[Chart]
    pictures: Panels | None
    of_tasks: dict[str, Panels]  # pictures of further tasks
    examples: dict[str, dict[str, ExamplePanel]]
    samples: list[TrainingSamples]
    networks: dict[str, list[Layer]]
    problems: list[str]


def write_report(study: Study, kinds: Sequence[str] = matplotlib_files.DEFAULT_KINDS) -> Report:
    """Writes the report of what the study has so far, its figures as files of `kinds`. A figure of an earlier report
    that has nothing to show any more, or is of another kind, goes."""
    folder = study.folder / records.REPORT_DIR
    for place in (folder, folder / "figures", folder / "tables", folder / "data"):
        if place.is_symlink():  # of another's run, perhaps: what it points to is not this report's to write or delete
            raise RecordError(f"{place} is a link; remove it, and the report is written in its place")
        place.mkdir(parents=True, exist_ok=True)
    content = gather(study)
    records.write_atomic(folder / "index.html", render(study, content).encode(errors="backslashreplace"))
    paths = [folder / "index.html", *write_tables(content.tables, folder / "tables")]
    paths += write_figures(content.charts, content.pictures, content.of_tasks, folder / "figures", kinds)
    paths += write_frames(study, content.judgements, folder / "data")
    return Report(paths, content.tables, content.problems)


def gather(study: Study) -> Content:
    judgements = claims.judge_all(study)
    searches, torn = read_search(study)
    problems = [*study.problems, *torn]
    pictures = panels.read_panels(study)
    problems += pictures.problems if pictures else []
    of_tasks = panels.read_further(study)
    problems += [problem for shown in of_tasks.values() for problem in shown.problems]
    examples, torn = example_panels(study, pictures.wrong_colour if pictures else (0, 0, 0))
    problems += torn
    samples, torn = training_samples(study)
    problems += torn
    networks, torn = read_networks(study)
    problems += torn
    charts, torn = gallery.all_charts(study)
    problems += torn
    forest = forest_chart.forest(answers.strongest_first(judgements))
    balance = class_balance(samples[0]) if samples else None
    charts = [*filter(None, (forest, balance)), *charts, *search_charts(searches, study)]
    written = [*result_tables.all_tables(study), settings_table(study), *class_tables(study)]
    shares = data_tables(samples)
    written += [
        *search_tables(searches, validated_classes(study)),
        *shares,
        *filter(None, () if shares else (class_shares(study),)),
    ]
    further = (
        published_table(study),
        task_table(study),
        image_table(study),
        error_table(study),
        area_table(study),
        network_table(networks),
    )
    written += [table for table in further if table]
    written += [claims_table.claims_table(judgements), provenance.table(study)]
    return Content(judgements, written, charts, pictures, of_tasks, examples, samples, networks, problems)


def validated_classes(study: Study) -> dict[str, str]:
    """Trial id -> the classes that its validation mean IoU counts, blank for all."""
    return dict(zip(study.trials["trial_id"], counted_by_each(study.trials, VAL_MEAN_IOU), strict=True))


def read_networks(study: Study) -> tuple[dict[str, list[Layer]], list[str]]:
    """Model -> its layers, of a trial that trained all of them where there is one; and what could not be read."""
    found: dict[str, list[Layer]] = {}
    problems = []
    shown = cells_of.shown(study).sort_values("freeze", key=lambda freezes: freezes != "unfreeze", kind="stable")
    for cell in shown.drop_duplicates("model").to_dict("records"):
        try:
            layers = read_layers(study.out / cell["folder"])
        except RecordError as error:
            problems.append(str(error))
            continue
        if layers:
            found[cell["model"]] = layers
    return found, problems


def write_figures(
    charts: list[Chart],
    pictures: Panels | None,
    of_tasks: Mapping[str, Panels],
    folder: Path,
    kinds: Sequence[str],
) -> list[Path]:
    with matplotlib_files.settings():
        drawn = {chart.name: matplotlib_files.draw(chart) for chart in charts}
        if pictures:
            drawn |= {
                "panels": panels.draw_panels(pictures),
                "panels_marked": panels.draw_panels(pictures, marked=True),
                **{f"panels_{task}": panels.draw_panels(shown) for task, shown in of_tasks.items()},
            }
        paths = [path for name, figure in drawn.items() for path in matplotlib_files.write(figure, name, folder, kinds)]
    for old in set(folder.iterdir()) - set(paths):
        if old.suffix.removeprefix(".") in matplotlib_files.KINDS and not old.is_dir():
            old.unlink()
    return paths


def render(study: Study, content: Content) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["sort_keys_of"] = Column.sort_keys
    environment.filters["best_of"] = Column.best_of
    shared, varied = provenance.recipe(study)
    tables = {table.name: table for table in content.tables}
    diagrams = {model: draw_network(model, layers) for model, layers in content.networks.items()}
    stages = draw_stages(study)
    present = {
        "claims": bool(content.judgements),
        "predictions": content.pictures is not None,
        "search": "search" in tables,
        "data": bool(content.samples),
        "models": bool(content.networks) or stages is not None,
    }
    return environment.get_template("report.html.jinja").render(
        study=study,
        gathered=provenance.gathered(study),
        tiles=overview.tiles(study, content.judgements),
        contents=overview.contents(present),
        notes=[*provenance.warnings(study), *check_scores(study), *overview.unfinished(study)],
        problems=content.problems,
        judgements=answers.strongest_first(content.judgements),
        tables=tables,
        charts={chart.name: chart for chart in content.charts},
        figures={chart.name: plotly_page.figures(chart) for chart in content.charts},
        curve_names=[column.replace("/", "_") for column in CURVES],
        search_names=SEARCH_CHARTS,
        panels=content.pictures and page_images.PanelPictures(content.pictures),
        further_panels={task: page_images.PanelPictures(shown) for task, shown in content.of_tasks.items()},
        examples={model: page_images.example_pictures(panels) for model, panels in content.examples.items()},
        samples=[page_images.sample_pictures(sample) for sample in content.samples],
        stages=Markup(stages) if stages else None,
        networks={model: Markup(drawn) for model, drawn in diagrams.items() if drawn},
        shared=shared,
        varied=varied,
        environments=provenance.environments(study),
        dashes=DASHES,
        css=_verbatim("report.css"),
        script=_verbatim("report.js"),
        plotly=Markup(get_plotlyjs()),
        **_claim_texts(),
    )


def _verbatim(name: str) -> Markup:
    """A file of ours, which is not escaped."""
    return Markup((_TEMPLATES / name).read_text())


def _claim_texts() -> Mapping[str, Any]:
    """How the page writes the numbers of a judgement."""

    return {
        "sentence": answers.sentence,
        "lack": answers.lack,
        "verdicts": answers.WORDS,
        "images": lambda j: minus(claims_table.range_text(j.metric, *j.images)),
        "cell": lambda j, value: minus(claims_table.effect_text(j.metric, value, float("nan"), float("nan"))),
        "margin": lambda j: f"{unit_of(j.metric).scale * j.claim.margin:g}",
        "unit": lambda j: f" {unit_of(j.metric).name}".rstrip(),
        "metric": lambda j: words_of(j.metric),
        "published": lambda j: minus(claims_table.published_text(j)),
    }
