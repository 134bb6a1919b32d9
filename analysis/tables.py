"""The report's tables: CSV files hold raw numbers (fractions, seconds), Markdown files hold percent and words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import stats
from analysis.load import Study
from analysis.trial import NOT_STARTED
from segtrain import records

_REASON_CHARS = 160


@dataclass(frozen=True, eq=False)
class Table:
    """`values` goes to the CSV file; `text`, all strings and blank where a number is missing, to the Markdown file."""

    name: str
    title: str
    note: str
    values: pd.DataFrame
    text: pd.DataFrame

    def markdown(self) -> str:
        if self.text.empty:
            return f"## {self.title}\n\n{self.note}\n"
        body = self.text.to_markdown(index=False, disable_numparse=True)
        return f"## {self.title}\n\n{body}\n\n{self.note}\n"

    def write(self, folder: Path) -> list[Path]:
        paths = [folder / f"{self.name}.csv", folder / f"{self.name}.md"]
        for path, content in zip(paths, (self.values.to_csv(index=False), self.markdown()), strict=True):
            records.write_atomic(path, content.encode())
        return paths


def all_tables(study: Study) -> list[Table]:
    return [results(study), architecture_by_freeze(study), best_models(study)]


def count_states(study: Study) -> str:
    """`19 trials: 18 finished, 1 diverged`"""
    counts = study.trials["state"].value_counts()
    states = [state for state in (*records.STATES, NOT_STARTED) if state in counts]
    states += [state for state in counts.index if state not in states]
    total = len(study.trials)
    listed = ", ".join(f"{counts[state]} {state}" for state in states)
    return f"{total} trial{'' if total == 1 else 's'}: {listed}" if total else "0 trials"


def results(study: Study) -> Table:
    """One row per trial, in the order of study.json. train and val values are those of `best epoch`, the epoch whose
    weights were kept and tested."""
    scores = [records.TEST_LOSS, records.TEST_MEAN_IOU, records.TRAIN_LOSS, records.VAL_LOSS, records.VAL_MEAN_IOU]
    states = ["state", "runtime_s", *scores, "best_epoch", "epoch", "epochs", "step", "reason"]
    values = study.trials[["run", "stage", *states, "trial_id"]]
    text = pd.DataFrame(
        {
            "run": values["run"],
            "stage": values["stage"],
            "state": values["state"],
            "runtime": [duration(seconds) for seconds in values["runtime_s"]],
            **{f"{name} %" if name.endswith("iou") else name: _column(values[name]) for name in scores},
            "best epoch": ["" if pd.isna(epoch) else str(epoch) for epoch in values["best_epoch"]],
            "note": [_note(row) for row in values.to_dict("records")],
        }
    )
    note = f"{count_states(study)}. train and val values are those of the best epoch, whose weights were tested."
    return Table("results", "Results", note, values, text)


def architecture_by_freeze(study: Study) -> Table:
    """Test mean IoU per architecture and freeze, of the setting that validates best.

    CSV columns: architecture; for each freeze label `<label>`, `<label>_std`, `<label>_n`, `<label>_setting`,
    `<label>_settings_done` and `<label>_settings_known`; and unfreeze_minus_freeze where both exist.
    """
    cells = stats.best_cells(study)
    freezes = stats.order(study, "freeze")
    by_cell = {(cell["arch"], cell["freeze"]): cell for cell in cells.to_dict("records")}
    difference = "unfreeze_minus_freeze"
    has_difference = {"freeze", "unfreeze"} <= set(freezes)
    score, std = records.TEST_MEAN_IOU, f"{records.TEST_MEAN_IOU}_std"
    rows, texts = [], []
    for arch in stats.order(study, "arch"):
        row: dict[str, Any] = {"architecture": arch}
        text = {"architecture": arch}
        for freeze in freezes:
            cell = by_cell.get((arch, freeze), {})
            row |= {freeze: cell.get(score), f"{freeze}_std": cell.get(std)}
            row |= {f"{freeze}_n": cell.get("n"), f"{freeze}_setting": cell.get("variant")}
            row |= {f"{freeze}_{count}": cell.get(count) for count in ("settings_done", "settings_known")}
            text[freeze] = f"{_mean_std(cell, score)} ({_basis(cell)})" if cell else ""
        if has_difference:
            pair: list[Any] = [by_cell.get((arch, freeze), {}).get(score) for freeze in ("unfreeze", "freeze")]
            row[difference] = pair[0] - pair[1] if None not in pair else None
            text["unfreeze - freeze"] = "" if None in pair else f"{100 * row[difference]:+.2f}"
        rows.append(row)
        texts.append(text)
    counts = ("_n", "_settings_done", "_settings_known")
    columns = [f"{freeze}{part}" for freeze in freezes for part in ("", "_std", "_setting", *counts)]
    columns = ["architecture", *columns, *([difference] if has_difference else [])]
    values = pd.DataFrame(rows, columns=columns)
    values = values.astype({f"{freeze}{count}": "Int64" for freeze in freezes for count in counts})
    note = (
        "Test mean IoU in percent (mean ± sample standard deviation over seeds), of the setting with the best "
        f"{study.metric} (mean over seeds, {study.mode}). No test score takes part in the choice."
    )
    if cells.empty:
        return Table("architecture_by_freeze", "Architecture by freeze", nothing_yet(study), values, pd.DataFrame())
    return Table("architecture_by_freeze", "Architecture by freeze", note, values, pd.DataFrame(texts))


def best_models(study: Study) -> Table:
    """The best setting of each architecture, ranked by the validation metric. `trial` and `best_epoch` are those of
    the seed that validates best; the scores are means over the seeds."""
    models = stats.best_models(study)
    models.insert(0, "rank", range(1, len(models) + 1))
    scores = [name for name in stats.SCORES if name != records.TEST_LOSS]
    spread = [name for score in scores for name in (score, f"{score}_std")]
    values = models[["rank", "arch", "freeze", "lr", "variant", "seeds", "n", "planned", "score", *spread]]
    values = values.join(models[["best_epoch", "folder"]]).rename(columns={"score": study.metric})
    rows = models.to_dict("records")
    titles = {"rank": "rank", "arch": "architecture", "freeze": "freeze", "variant": "setting", "seeds": "seeds"}
    percent = study.metric == records.VAL_MEAN_IOU
    text = pd.DataFrame(
        {
            **{title: [str(row[name]) for row in rows] for name, title in titles.items()},
            f"{study.metric} %" if percent else study.metric: [_number(row["score"], percent=percent) for row in rows],
            **{f"{score.removeprefix('test/')} %": [_mean_std(row, score) for row in rows] for score in scores},
            "best epoch": [str(row["best_epoch"]) for row in rows],
            "trial": [row["folder"] for row in rows],
        }
    )
    note = (
        f"Ranked by {study.metric} ({study.mode}); the scores are those of the test split, means ± sample standard "
        "deviations over the seeds; best epoch and trial are those of the seed that validates best."
    )
    return Table("best_models", "Best models", nothing_yet(study) if models.empty else note, values, text)


def nothing_yet(study: Study) -> str:
    return f"Nothing to compare yet: no trial has finished with scores ({count_states(study)})."


def duration(seconds: float) -> str:
    """`45s`, `20m 58s`, `1h 02m 03s`; blank when missing."""
    if pd.isna(seconds):
        return ""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minute:02d}m {second:02d}s"
    return f"{minute}m {second:02d}s" if minute else f"{second}s"


def _note(row: Mapping[Any, Any]) -> str:
    """Where a trial that is not finished stands, and why; one line that cannot break the Markdown table."""
    place = {
        "running": lambda: f"{row['epoch']} of {row['epochs']} epochs",
        "failed": lambda: f"after {row['epoch']} of {row['epochs']} epochs",
        "diverged": lambda: f"epoch {row['epoch'] + 1}" + ("" if pd.isna(row["step"]) else f", step {row['step']}"),
    }
    parts = [place[row["state"]]()] if row["state"] in place else []
    if not pd.isna(row["reason"]):
        reason = re.sub(r"\s+", " ", row["reason"]).replace("|", "\\|")
        parts.append(reason if len(reason) <= _REASON_CHARS else reason[: _REASON_CHARS - 1] + "…")
    return ": ".join(parts)


def _column(values: pd.Series) -> list[str]:
    return [_number(value, percent=str(values.name).endswith("iou")) for value in values]


def _number(value: float, *, percent: bool) -> str:
    if pd.isna(value):
        return ""
    return f"{100 * value:.2f}" if percent else f"{value:.5g}"


def _mean_std(row: Mapping[Any, Any], score: str) -> str:
    std = row[f"{score}_std"]
    return _number(row[score], percent=True) + ("" if pd.isna(std) else f" ± {100 * std:.2f}")


def _basis(cell: Mapping[Any, Any]) -> str:
    """`lr 0.001, n=3`, and what is not there yet: `lr 0.001, n=2 of 3, 1 of 3 settings done`."""
    done, known = cell["settings_done"], cell["settings_known"]
    seeds = f"n={cell['n']}" if cell["n"] == cell["planned"] else f"n={cell['n']} of {cell['planned']}"
    return ", ".join([cell["variant"], seeds, *([f"{done} of {known} settings done"] if done < known else [])])


def write_tables(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Writes `<name>.csv` and `<name>.md` of each table into `folder`, which is made when absent."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for table in tables for path in table.write(folder)]
