"""The best models over all studies of one output folder."""

from pathlib import Path

import pandas as pd

from analysis.read.frames import Study, load
from analysis.report.result_tables import INTERVAL
from analysis.report.table import Table, numbers, spread, words
from analysis.statistics import selection
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU, RecordError


def load_all(out: Path) -> tuple[list[Study], list[str]]:
    """The studies under `<out>/studies`, by name, and a sentence for each that cannot be read.

    Raises RecordError when there is none at all.
    """
    folders = sorted(path.parent for path in (out / records.STUDIES_DIR).glob(f"*/{records.STUDY_FILE}"))
    if not folders:
        raise RecordError(
            f"the output folder is {str(out)!r}, which has no {records.STUDIES_DIR}/<name>/{records.STUDY_FILE}; give "
            "the --out of a sweep"
        )
    studies, problems = [], []
    for folder in folders:
        try:
            studies.append(load(folder))
        except RecordError as error:
            problems.append(str(error))
    return studies, problems


def best_over(studies: list[Study]) -> Table:
    """One row per dataset and model of each study, best validated first within a dataset. A trial that several studies
    share stands in each of them."""
    frames = []
    for study in studies:
        models = selection.best_models(study)
        datasets = study.trials.drop_duplicates("setting").set_index("setting")["dataset"]
        frames.append(models.assign(study=study.name, dataset=models["setting"].map(datasets)))
    rows = [frame for frame in frames if len(frame)]
    if not rows:
        return Table("best_models", "Best models", "No trial of any study has finished with scores.")
    found = pd.concat(rows, ignore_index=True)
    found = found.sort_values(["dataset", VAL_MEAN_IOU], ascending=[True, False], kind="stable", ignore_index=True)
    columns = [
        words("dataset", "dataset", found["dataset"]),
        numbers("rank", "rank", found.groupby("dataset").cumcount() + 1, "d"),
        words("model", "model", found["model"]),
        words("freeze", "freeze", found["freeze"]),
        words("setting", "setting", found["setting_name"]),
        spread("val mIoU %", found, VAL_MEAN_IOU, ".2f", 100),
        spread("test mIoU %", found, TEST_MEAN_IOU, ".2f", 100),
        words("study", "study", found["study"]),
        words("trial", "folder", found["folder"]),
    ]
    note = (
        f"Ranked by validation mean IoU within each dataset, since scores of different data do not compare; {INTERVAL}."
    )
    return Table("best_models", "Best models", note, columns)
