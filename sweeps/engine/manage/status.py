"""What is done, what runs where, what waits, and what failed and why."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from analysis.read.gathering.study_json import read_description
from analysis.read.gathering.sweep_state import ORDER, TrialState, eta_s, read_states
from segtrain import records
from segtrain.fields import printable
from segtrain.records import RecordError
from sweeps.engine.manage.names import NameNotFound, studies_of

FRAME_LINES = 6  # of a table: title, rules, head, caption, a blank line
FEWEST_ROWS = 3
COLUMNS = ("run", "state", "epoch", "val mIoU %", "on", "why")
MOST_COLUMNS = 32  # of a terminal's, for one of them
SHORTEST_WAIT_S = 60.0


@dataclass(frozen=True)
class StudyState:
    folder: Path
    title: str
    trials: list[TrialState]

    @property
    def counts(self) -> Counter[str]:
        return Counter(trial.state for trial in self.trials)


def read_study(folder: Path) -> StudyState:
    description = read_description(folder)
    return StudyState(folder, description["title"], read_states(folder.parents[1], description))


def read_all(folder: Path) -> tuple[list[StudyState], list[str]]:
    """The studies of an output folder, or the one in a study's folder, and a sentence for each that cannot be read.
    Raises NameNotFound where there is none."""
    folder = folder.absolute()
    folders = [folder] if (folder / records.STUDY_FILE).is_file() else studies_of(folder)
    if not folders:
        raise NameNotFound(f"{folder} is neither an output folder with studies nor a study; give the --out of a sweep")
    found, problems = [], []
    for study in folders:
        try:
            found.append(read_study(study))
        except (RecordError, OSError) as error:
            problems.append(str(error))
    return found, problems


def as_json(studies: list[StudyState], problems: list[str]) -> dict[str, Any]:
    described = [
        {
            "study": study.folder.name,
            "title": study.title,
            "folder": str(study.folder),
            "counts": dict(study.counts),
            "eta_s": eta_s(study.trials),
            "trials": [asdict(trial) for trial in study.trials],
        }
        for study in studies
    ]
    return {"studies": described, "problems": problems}


def exit_code(studies: list[StudyState], problems: list[str]) -> int:
    """2 where a study cannot be read, 1 where a trial needs somebody, else 0."""
    if problems:
        return 2
    return int(any(study.counts[state] for study in studies for state in ("failed", "unreadable", "interrupted")))


def render(studies: list[StudyState], console: Console) -> Group:
    """Of one screen: what has finished is counted, and the other trials share the lines that there are."""
    lines = max(FEWEST_ROWS, console.height // max(1, len(studies)) - FRAME_LINES)
    return Group(*(_table(study, lines) for study in studies))


def _table(study: StudyState, most: int) -> Table:
    counts, eta = study.counts, eta_s(study.trials)
    left = "" if eta is None else f", about {duration(eta)} left"
    title = f"{study.folder.name}: {counts['finished']} of {len(study.trials)} finished{left}"
    table = Table(title=Text(printable(title)))
    rows = [trial for trial in study.trials if trial.state in ORDER]
    cells = [[" ".join(printable(text).split()) for text in _cells(trial)] for trial in rows[:most]]
    for place, name in enumerate(COLUMNS):
        widest = max((len(row[place]) for row in cells), default=0)
        # What is told of a trial goes on until the edge of the screen; the columns before it are kept whole.
        least = None if name == "why" else min(MOST_COLUMNS, max(len(name), widest))
        table.add_column(
            name, justify="right" if name in ("epoch", "val mIoU %") else "left", no_wrap=True, min_width=least
        )
    for row in cells:
        table.add_row(*map(Text, row))
    hidden = Counter(trial.state for trial in rows[most:]) + Counter(
        {state: counts[state] for state in ("finished", "archived")}
    )
    if hidden:
        table.caption = "and " + ", ".join(f"{count} {state}" for state, count in hidden.items())
    return table


def _cells(trial: TrialState) -> list[str]:
    few = f" ({trial.val_counted})" if trial.val_counted else ""
    best = "" if trial.val_mean_iou is None else f"{100 * trial.val_mean_iou:.2f}{few}"
    why = trial.reason or ""
    if trial.state == "running" and trial.age_s is not None and trial.age_s > SHORTEST_WAIT_S:
        why = f"last epoch {duration(trial.age_s)} ago"
    if trial.state == "interrupted":
        why = "nobody trains it; its command, given again, goes on"
    return [trial.run, trial.state, f"{trial.epoch}/{trial.epochs}", best, trial.host or "", why]


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
