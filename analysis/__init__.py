"""What came out of a study: reads run folders only, and imports nothing of the trainer but the names on disk.

    import analysis

    study = analysis.load("runs/studies/fcn_grid")
    compared = study.trials[study.trials["stage"] == "trial"]  # and not the pretraining that gave them weights
    compared.groupby(["arch", "freeze"])["test/mean_iou"].agg(["mean", "count"])
    study.settings[["model", "freeze", "lr", "test/mean_iou", "test/mean_iou_low", "test/mean_iou_high", "n"]]
    study.judgements[["claim", "verdict", "effect", "low", "high"]]
    study.beside_trials(study.classes)  # and no trial is lost

`Study` documents the columns of the frames, `LoadedStudy` those of the settings and judgements.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.statistics.loaded_study import LoadedStudy

__all__ = ["load"]


def load(path: Path | str, latest: bool = False) -> "LoadedStudy":
    """The study in the folder `path`, `<out>/studies/<name>`: the trials of all its commands, or of the `latest` one.
    Raises RecordError."""
    from analysis.read import frames  # pandas, a second, which the inference does without
    from analysis.statistics.loaded_study import LoadedStudy

    return LoadedStudy.of(frames.load(path, latest))
