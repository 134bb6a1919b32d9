"""The frames that a report stands on, as CSV files for other programs: raw numbers, one row for each thing."""

from collections.abc import Sequence
from pathlib import Path

from analysis.read.frames import Study
from analysis.report.tables.table import harmless
from analysis.statistics import selection
from analysis.statistics.claims import Judgement
from analysis.statistics.loaded_study import judgement_frame
from segtrain import records


def write_frames(study: Study, judgements: Sequence[Judgement], folder: Path) -> list[Path]:
    """Writes trials.csv, epochs.csv and classes.csv, which `Study` documents and whose rows `trial_id` joins, and
    settings.csv and judgements.csv, as `LoadedStudy`, into `folder`. What is missing is an empty cell."""
    frames = {
        "trials": study.trials,
        "epochs": study.epochs,
        "classes": study.classes,
        "settings": selection.settings(study),
        "judgements": judgement_frame(judgements),
    }
    paths = []
    for name, frame in frames.items():
        paths.append(folder / f"{name}.csv")
        records.write_atomic(paths[-1], frame.map(harmless).to_csv(index=False).encode(errors="backslashreplace"))
    return paths
