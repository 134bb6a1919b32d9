"""A study as it is just now, as a page: curves of what runs, what is next, how long, and claims as they firm up."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.read.gathering.study_json import read_description
from analysis.read.gathering.sweep_state import TrialState, eta_s, read_states
from analysis.watch.current_report import CurrentReport
from segtrain import records
from segtrain.errors import UserError
from segtrain.records import RecordError

_TEMPLATES = Path(__file__).parent / "templates"
MOST_CURVES, MOST_WAITING = 12, 8
WIDTH, HEIGHT = 300, 80  # of a curve, in units of its own
NEEDS_SOMEBODY = ("failed", "unreadable", "interrupted")
ENDED_EARLY = ("diverged", "stopped")
REFRESH_S = 5


@dataclass(frozen=True)
class Curve:
    """`path` is the validation mean IoU over the epochs, from 0 to its best so far, as an SVG path."""

    trial: TrialState
    path: str


class LivePage:
    def __init__(self, report: CurrentReport) -> None:
        self.report = report
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )  # fmt: skip
        self.environment.filters["duration"] = duration

    def render(self) -> str:
        """The whole page."""
        css, script = ((_TEMPLATES / name).read_text() for name in ("live.css", "live.js"))
        return self.environment.get_template("page.html.jinja").render(
            css=Markup(css), script=Markup(script), refresh_ms=1000 * REFRESH_S, **self._now()
        )

    def render_changing(self) -> str:
        """What of it changes."""
        return self.environment.get_template("live.html.jinja").render(**self._now())

    def _now(self) -> dict[str, Any]:
        folder = self.report.folder
        try:
            description = read_description(folder)
            states = read_states(folder.parents[1], description)
        except (UserError, OSError) as error:
            return {"title": folder.name, "problem": str(error), **_nothing()}
        counts = Counter(trial.state for trial in states)
        by_state = {state: [trial for trial in states if trial.state == state] for state in counts}
        running = by_state.get("running", [])
        return {
            "title": description["title"],
            "problem": self.report.problem,
            "counts": counts,
            "planned": len(states),
            "finished": len(by_state.get("finished", [])),
            "left_s": eta_s(states),
            "running": [Curve(trial, _path(folder.parents[1], trial)) for trial in running[:MOST_CURVES]],
            "more_running": max(0, len(running) - MOST_CURVES),
            "waiting": by_state.get("waiting", [])[:MOST_WAITING],
            "more_waiting": max(0, len(by_state.get("waiting", [])) - MOST_WAITING),
            "attention": [trial for state in NEEDS_SOMEBODY for trial in by_state.get(state, [])],
            "early": [trial for state in ENDED_EARLY for trial in by_state.get(state, [])],
            "answers": self.report.answers,
            "unanswered": self.report.unanswered,
            "has_report": (folder / records.REPORT_DIR / "index.html").is_file(),
        }


def _nothing() -> dict[str, Any]:
    """Of a study that cannot be read."""
    lists = dict.fromkeys(("running", "waiting", "attention", "early", "answers"), ())
    numbers = dict.fromkeys(("planned", "finished", "more_running", "more_waiting", "unanswered"), 0)
    return {**lists, **numbers, "counts": {}, "left_s": None, "has_report": False}


def _path(out: Path, trial: TrialState) -> str:
    try:
        lines = records.read_metrics(records.trial_dir(out, trial.trial_id))
    except (RecordError, OSError):
        return ""
    points = [(line[records.EPOCH], v) for line in lines if (v := line.get(records.VAL_MEAN_IOU)) is not None]
    top = max((value for _, value in points), default=0.0)
    if len(points) < 2 or top <= 0:
        return ""
    places = (
        (epoch / max(1, trial.epochs) * WIDTH, HEIGHT - max(0.0, value) / top * HEIGHT) for epoch, value in points
    )
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in places)


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
