"""Folders of trials that are begun again are emptied."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from filelock import Timeout

from segtrain import records
from segtrain.machine.disk import locked
from sweeps.engine.plan.actions import PlanError, PlannedTrial


def clear_restarted(plan: Iterable[PlannedTrial], out: Path) -> None:
    """Removes what the trials that start again have left. Raises PlanError when another command runs one of them."""
    for planned in plan:
        if planned.action != "restart":
            continue
        folder = records.trial_dir(out, planned.trial.trial_id)
        try:
            with locked(folder / records.LOCK_FILE, timeout_s=0):
                _clear(folder)
        except Timeout:
            raise PlanError(f"{folder} is being trained by another command; wait for it or stop it") from None


def _clear(folder: Path) -> None:
    """The scores first, so that half of it is no result; what it was made from last, so that a command killed here
    finds out again that the data have changed."""
    order = {records.TEST_FILE: 0, records.ENV_FILE: 2, records.LOCK_FILE: 3}
    for path in sorted(folder.iterdir(), key=lambda path: order.get(path.name, 1)):
        if path.name == records.LOCK_FILE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
