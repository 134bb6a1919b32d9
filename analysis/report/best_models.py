"""The best models over all studies of one output folder."""

from pathlib import Path

from analysis.read.frames import Study, load
from analysis.report.tables.result_tables import INTERVAL
from analysis.report.tables.table import Table, numbers, spread, words
from analysis.statistics.ranking import ranked_models
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
    """One row per dataset and model of each study, as `ranked_models`."""
    found = ranked_models(studies)
    if found.empty:
        return Table("best_models", "Best models", "No trial of any study has finished with scores.")
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
        "Ranked by validation mean IoU within each dataset, since scores of different data do not compare; settings "
        f"whose seeds are complete, and none of them diverged, come first; {INTERVAL}."
    )
    return Table("best_models", "Best models", note, columns)
