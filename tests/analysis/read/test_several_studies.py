from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.read.several_studies import combine
from analysis.statistics.claims import judge_all
from segtrain import records
from segtrain.records import RecordError
from tests.analysis.conftest import StudyBuilder, counts


def two_studies(out: Path, **other: Any) -> list[Path]:
    """A study of two variants and a grid over freezes, of three seeds each, tested on the same four images."""
    variants, grid = StudyBuilder(out), StudyBuilder(out)
    for seed in range(3):
        for variant, arch, score in (("plain", "unet", 0.5), ("bare", "unet_noskip", 0.3)):
            matrices = counts([score + seed / 100] * 4)
            variants.trial(test=score + seed / 100, arch=arch, variant=variant, seed=seed, counts=matrices)
        for freeze, score in (("none", 0.72), ("encoder", 0.4)):
            found = score + (seed % 2) / 100
            grid.trial([found], found, arch="fcn8s", freeze=freeze, seed=seed, counts=counts([found] * 4), **other)
    return [
        variants.write(name="nets", variants={"plain": {}, "bare": {}}, axes={}),
        grid.write(name="grid", axes={"arch": ["fcn8s"], "freeze": ["none", "encoder"]}),
    ]


def test_a_claim_names_settings_of_two_studies_and_pairs_their_seeds_and_images(tmp_path: Path) -> None:
    folders = two_studies(tmp_path / "out")
    asked = [["grid:freeze=none", "nets:plain"], ["grid", "nets:bare", "val/mean_iou"]]
    study = combine(folders, asked, "a command")
    assert study.variants == ["nets: plain", "nets: bare", "grid"]
    first, second = judge_all(study)
    assert first.text == "grid:freeze=none has a higher test/mean_iou than nets:plain"
    assert (first.verdict, first.effect.n) == ("holds", 3)
    assert first.effect.mean == pytest.approx(0.72 + 0.01 / 3 - 0.51)
    assert first.images is not None  # paired over the four images
    # What a side does not name is chosen by validation: the fine-tuned ones.
    assert second.effect.mean == pytest.approx(0.72 + 0.01 / 3 - 0.5)
    assert second.reason == "the left side had more tries: it was chosen among 2 settings, the other among 1"
    assert first.reason == ""


def test_studies_that_were_tested_on_other_images_are_not_paired_over_them(tmp_path: Path) -> None:
    folders = two_studies(tmp_path / "out")
    for folder in (tmp_path / "out" / "trials").glob("fcn8s-*"):
        np.savez_compressed(folder / records.IMAGE_CONFUSION_FILE, confusion=counts([0.7] * 5))
    (found,) = judge_all(combine(folders, [["grid:freeze=none", "nets:plain"]], ""))
    assert found.images is None
    assert "was tested on other images" in found.reason


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["grid"], "--claim has 1 words: grid; allowed: LEFT RIGHT, or LEFT RIGHT METRIC"),
        (
            ["grid", "nets"],
            "--claim names 'nets', which is none of these studies' trials; allowed: nets:plain, nets:bare",
        ),
    ],
)
def test_a_claim_that_names_nothing_is_refused(tmp_path: Path, asked: list[str], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        combine(two_studies(tmp_path / "out"), [asked], "")
    assert str(caught.value).startswith(message)


def test_studies_of_two_datasets_or_folders_and_one_twice_are_refused(tmp_path: Path) -> None:
    folders = two_studies(tmp_path / "out")
    with pytest.raises(RecordError, match="the studies are nets, nets; allowed: two or more, each once"):
        combine([folders[0]] * 2, [], "")
    apart = two_studies(tmp_path / "other", dataset="pets")
    with pytest.raises(RecordError, match="the studies lie in 2 output folders"):
        combine([folders[0], apart[1]], [], "")
    with pytest.raises(RecordError, match="the studies are on scenes, pets; allowed: one dataset"):
        combine(apart, [], "")


def test_one_page_is_written_beside_the_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = two_studies(tmp_path / "out")
    described = records.read_json(folders[1] / records.STUDY_FILE)  # gathered from two commands, the second asked
    entries = [{**entry, "commands": [1]} for entry in described["trials"]]
    gathered = described | {"commands": ["a", "b"], "latest": 1, "trials": entries}
    records.write_json(folders[1] / records.STUDY_FILE, gathered)
    words = ["compare", *map(str, folders), "--claim", "grid:freeze=none", "nets:plain"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    page = tmp_path / "out" / "comparisons" / "nets-grid" / "report" / "index.html"
    assert f"Report: {page}" in printed
    assert "grid:freeze=none has a higher test/mean_iou than nets:plain" in page.read_text()
    assert main(["compare", str(folders[0]), str(tmp_path)]) == 2
