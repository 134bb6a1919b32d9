"""Code of the user's own that is other than what trials were trained with: told, and left to the user's choice."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from segtrain import own_code, records
from segtrain.architectures import library_of
from segtrain.config import TrialConfig
from sweeps.engine.ask.options import CodeChoice
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.actions import Longest, PlanError

REPLACED_DIR = "replaced"
"""Under `out`: the folders of trials that are trained again because their code changed."""


def find_changed(
    configs: Iterable[TrialConfig], out: Path, longest: Longest = lambda config: None
) -> dict[str, list[str]]:
    """What own code they use -> ids of the trials that were trained with other code than is there now, or whose first
    epochs were. One that failed before its first checkpoint has nothing that could stand. Raises CodeError."""
    changed: dict[str, list[str]] = {}
    digests: dict[str, str | None] = {}
    for config in configs:
        uses = [*([config.arch] if library_of(config.arch) == "hf" else []), *config.own_code]
        if not uses:
            continue
        named = " and ".join(uses)
        folder = records.trial_dir(out, config.trial_id)
        if not _has_result(folder) and (shorter := longest(config)) is not None:
            folder = records.trial_dir(out, shorter.trial_id)
        kept = records.read_code(folder)
        if kept is None or not _has_result(folder):
            continue
        if named not in digests:
            from segtrain.models.resolve import code_of  # torch, which takes seconds

            files = code_of(config)
            digests[named] = own_code.digest(files) if files else None
        if digests[named] not in (None, kept["sha256"]):
            changed.setdefault(named, []).append(config.trial_id)
    return changed


def _has_result(folder: Path) -> bool:
    """Whether a trial has ended, or come as far as a checkpoint."""
    status = records.read_status(folder)
    return (folder / records.LAST_FILE).exists() or (status is not None and status.state in records.FINAL_STATES)


def choose_again(
    trials: Sequence[Trial], out: Path, choice: CodeChoice | None, longest: Longest = lambda config: None
) -> set[str]:
    """Ids of the trials that are to be trained again because their code has changed, and of the children of such.
    Raises PlanError where it has changed and nothing was chosen."""
    changed = find_changed((trial.config for trial in trials), out, longest)
    if changed and choice is None:
        raise PlanError(
            *(
                f"the code of {named} has changed since {len(ids)} of the trials were trained ({', '.join(ids[:3])}"
                f"{' and so on' * (len(ids) > 3)}); type --code changed=rerun to train them again, or "
                "--code changed=keep to let them stand"
                for named, ids in changed.items()
            )
        )
    if choice != "changed=rerun":
        return set()
    again = {trial_id for ids in changed.values() for trial_id in ids}
    # A parent stands before its children.
    for trial in trials:
        if trial.config.parent in again:
            again.add(trial.trial_id)
    return again


def move_away(trial_ids: Iterable[str], out: Path) -> None:
    """Puts the folders of these trials aside, where nothing is lost and nothing is looked for. Raises PlanError when
    another process is training one."""
    for trial_id in sorted(trial_ids):
        folder = records.trial_dir(out, trial_id)
        if not folder.exists():
            continue
        try:
            with FileLock(folder / records.LOCK_FILE, timeout=0, fallback_to_soft=False):
                (out / REPLACED_DIR).mkdir(exist_ok=True)
                before = len(list((out / REPLACED_DIR).glob(f"{trial_id}-*")))
                os.replace(folder, out / REPLACED_DIR / f"{trial_id}-{before + 1}")
        except Timeout:
            raise PlanError(
                f"{folder} is being trained by another process; wait for it, then type the command again"
            ) from None
