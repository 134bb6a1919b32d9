"""Studies in an object store, read here."""

from pathlib import Path

import pytest

from analysis.__main__ import main
from segtrain import records
from segtrain.mirror.object_store import ObjectStore
from segtrain.mirror.study_copies import ReadCopy
from segtrain.mirror.trial_copies import push_files, push_trial
from tests.analysis.conftest import StudyBuilder, builder
from tests.segtrain.mirror.conftest import S3Server

__all__ = ["builder"]
MIRROR = "s3://lab/runs"


@pytest.fixture
def trial(builder: StudyBuilder, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only trial of a study, which is in the store with all that it has."""
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    folder = builder.trial([0.5], 0.9)
    for name in (records.BEST_FILE, records.LAST_FILE, "wandb/run.wandb"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("large")
    study = builder.write()
    (study / records.REPORT_DIR).mkdir()
    (study / records.REPORT_DIR / "index.html").write_text("of another machine")
    push_files(ObjectStore(MIRROR), study, "studies/grid")
    push_trial(ObjectStore(MIRROR), folder)
    return folder


def test_a_study_is_copied_without_what_is_not_read_and_only_once(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = ReadCopy(f"{MIRROR}/studies/grid")
    assert copy.study == copy.out / "studies" / "grid"
    files = {path.relative_to(copy.out).as_posix() for path in copy.out.rglob("*") if path.is_file()}
    assert files == {"studies/grid/study.json"} | {
        f"trials/{trial.name}/{name}"
        for name in (records.CONFIG_FILE, records.METRICS_FILE, records.STATUS_FILE, records.TEST_FILE)
    }
    got: list[str] = []
    monkeypatch.setattr(ObjectStore, "get", lambda store, path, local: got.append(path))
    ReadCopy(f"{MIRROR}/studies/grid")
    assert got == ["studies/grid/study.json"], "which grows"


def test_the_best_of_a_mirror_has_its_weights_here(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", MIRROR]) == 0
    text = capsys.readouterr().out
    here = ReadCopy(MIRROR).out / "trials" / trial.name
    assert f"python -m segtrain predict {here} IMAGES" in text
    assert (here / records.BEST_FILE).read_text() == "large"


def test_a_mirror_without_studies_is_a_line(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", "s3://lab/other"]) == 2
    assert capsys.readouterr().err == (
        "analysis: s3://lab/other holds no study; give the address that a sweep had as --mirror\n"
    )
    assert main(["report", "s3://lab/runs/studies/absent"]) == 2
    assert capsys.readouterr().err == "analysis: s3://lab/runs holds no study 'absent'; it has grid\n"
