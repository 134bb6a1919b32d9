"""Where a trial keeps what it says of each task, where the data have several."""

from collections.abc import Mapping
from pathlib import Path

from analysis.read.frames import Study
from segtrain import records


def task_folders(study: Study, trial_id: str) -> Mapping[str, Path]:
    """Task -> folder, the first task first; its name is "" where the data give it none."""
    folder = records.trial_dir(study.out, trial_id)
    first = study.envs.get(trial_id, {}).get(records.TASK_KEY) or ""
    further = sorted(path for path in folder.glob(f"{records.TASKS_DIR}/*") if path.is_dir())
    return {first: folder} | {path.name: path for path in further}
