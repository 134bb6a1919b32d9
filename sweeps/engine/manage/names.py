"""What a command line calls a trial or a study -> its folder."""

from collections.abc import Iterable
from pathlib import Path

from analysis.read.gathering.study_json import read_description
from segtrain import records
from segtrain.errors import UserError
from segtrain.fields import did_you_mean, shown
from segtrain.records import RecordError


class NameNotFound(UserError):
    """No trial or study is called so, or several are."""


def find_trial(text: str, out: Path) -> Path:
    """`text` is a trial's folder, its id, or a unique beginning of it; one that a study in `out` asks for and that has
    not begun may have no folder yet. Raises NameNotFound."""
    folder = Path(text).absolute()
    if folder.parent.name == records.TRIALS_DIR and folder.is_dir():
        return folder
    known = {path.name for path in (out / records.TRIALS_DIR).glob("*") if path.is_dir()}
    for study in studies_of(out):
        known |= asked_for(study)
    return records.trial_dir(out, _only(text, known, "trial", out))


def find_study(text: str, out: Path) -> Path:
    """`text` is a study's folder or its name. Raises NameNotFound."""
    folder = Path(text).absolute()
    if folder.parent.name == records.STUDIES_DIR and (folder / records.STUDY_FILE).is_file():
        return folder
    return records.study_dir(out, _only(text, {study.name for study in studies_of(out)}, "study", out))


def find_archived(text: str, out: Path) -> list[Path]:
    """The archived study, or else the archived trial, that `text` names: its folder in the archive. Empty without."""
    archive = out / records.ARCHIVE_DIR
    folder = Path(text).absolute()
    if folder.parents[1].name == records.ARCHIVE_DIR and folder.is_dir():
        return [folder]
    study = records.study_dir(archive, text)
    if (study / records.STUDY_FILE).is_file():
        return [study]
    return [path for path in (archive / records.TRIALS_DIR).glob("*") if path.name.startswith(text) and path.is_dir()]


def studies_of(out: Path) -> list[Path]:
    return sorted(path.parent for path in (out / records.STUDIES_DIR).glob(f"*/{records.STUDY_FILE}"))


def asked_for(study: Path) -> set[str]:
    """The ids of the trials of a study; none where its study.json cannot be read."""
    try:
        return {entry["trial_id"] for entry in read_description(study)["trials"]}
    except (FileNotFoundError, RecordError):
        return set()


def _only(text: str, known: Iterable[str], what: str, out: Path) -> str:
    names = sorted(known)
    found = [name for name in names if name == text] or [name for name in names if name.startswith(text)]
    if len(found) == 1 and text:
        return found[0]
    if not names:
        raise NameNotFound(f"there is no {what} in {out}; give the folder of the results with --out")
    if found and text:
        listed = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise NameNotFound(f"the {what} is {shown(text)}, and {len(found)} begin so: {listed}; give more of the name")
    near = did_you_mean(text, names) if len(names) <= 10 else f"allowed: an id, or its beginning, of the {len(names)}"
    raise NameNotFound(f"the {what} is {shown(text)}, which is none in {out}; {near}")
