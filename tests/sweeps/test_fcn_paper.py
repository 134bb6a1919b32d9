"""`sweeps/fcn_paper.py`: the ladder as the paper has it, and stages that are killed, each in the middle."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.training.trial import train
from sweeps.engine.ask.study import Trial
from sweeps.fcn_paper import DEMO, STUDY
from tests.sweeps.harness import TINY, Sweep, finished, half_done

SMALL = {
    "dataset": ("scenes",), "width_mult": (0.0625,), "image_height": (64,), "image_width": (64,), "epochs": (3,),
    "val_every": (1,),
}  # fmt: skip
"""What TINY and --dataset scenes set; --pretrain scenes_source gives it classes to start from."""


def test_the_ladder_is_the_papers() -> None:
    trials = {trial.variant: trial for trial in STUDY.expand()}
    configs = {variant: trial.config for variant, trial in trials.items()}
    assert [before.variant for before in trials["8s"].ancestors] == ["32s", "16s"]
    assert [configs[name].lr for name in ("32s", "16s", "8s", "8s-at-once")] == [1e-10, 1e-12, 1e-14, 1e-10]
    assert {configs[name].take for name in ("16s", "8s", "8s-learned", "8s-at-once")} == {"all"}
    # At once as many epochs as in stages.
    assert sum(t.config.epochs for t in (*trials["8s-at-once"].ancestors, trials["8s-at-once"])) == 3 * 13
    assert sum(t.config.epochs for t in (*trials["8s"].ancestors, trials["8s"])) == 3 * 13
    assert (configs["32s-fixed"].init, configs["32s-fixed"].freeze) == ("imagenet", "all_but_score")
    batches = configs["32s-batches"]
    assert (batches.batch_size, batches.momentum, batches.reduction) == (20, 0.9, "mean")
    assert {(c.bias_lr_factor, c.bias_decay, c.weight_decay) for c in configs.values()} == {(2.0, False, 5e-4)}
    assert all(claim.describe()["metric"] == records.TEST_MEAN_IOU for claim in STUDY.claims)


def run(trial: Trial, out: Path, data_root: Path, killed_after: int = 0) -> None:
    """Without Ray, and ended in the middle where that is asked for."""
    folder = records.trial_dir(out, trial.trial_id)
    epochs = train(trial.config, folder, data_root, threads=1, use_gpu=False)
    for _ in range(killed_after):
        next(epochs)
    if killed_after:
        epochs.close()  # type: ignore[attr-defined]
    else:
        list(epochs)


def results(out: Path, trials: list[Trial]) -> dict[str, bytes]:
    folders = [records.trial_dir(out, trial.trial_id) for trial in trials]
    return {
        f"{f.name}/{name}": (f / name).read_bytes() for f in folders for name in (records.BEST_FILE, records.TEST_FILE)
    }


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Trial]:
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "cache"))
    return DEMO.edit(SMALL, ["scenes_source"]).expand()


def test_killed_in_every_stage_and_gone_on_with_it_comes_to_the_same_bytes(
    ladder: list[Trial], tmp_path: Path, data_root: Path, start: Callable[..., Sweep]
) -> None:
    for trial in ladder:
        run(trial, tmp_path / "whole", data_root)
        run(trial, tmp_path / "killed", data_root, killed_after=2)
        run(trial, tmp_path / "killed", data_root)
    whole = results(tmp_path / "whole", ladder)
    assert results(tmp_path / "killed", ladder) == whole
    assert len(whole) == 2 * 11

    # Under Ray, by SIGKILL to everything: in FCN-32s, and in FCN-8s.
    out = tmp_path / "out"
    command = (*TINY, "--dataset", "scenes", "--pretrain", "scenes_source", "--out", str(out))
    for stage in ("fcn32s-scenes-unfreeze-lr1e-08-*", "fcn8s-scenes-unfreeze-lr1e-09-*"):
        sweep = start(*command, script="sweeps/fcn_paper.py")
        sweep.wait_until(lambda name=stage: half_done(out, name))
        sweep.kill_everything()
    last = start(*command, script="sweeps/fcn_paper.py")
    assert last.wait() == 0, last.text()
    assert len(finished(out)) == 11
    assert results(out, ladder) == whole
    # What is new in a stage stands in the log, and with the trial.
    note = "16s takes all layers of 32s; new: decoder.score_skips.pool4, decoder.upscore2.pool4"
    assert note in last.log.with_name("sweep0.log").read_text()
    new = {t.variant: records.read_new_layers(records.trial_dir(out, t.trial_id)) for t in ladder}
    assert new["8s"] == ["decoder.score_skips.pool3", "decoder.upscore2.pool3"]
    assert new["32s"] == []  # of other scenes with as many classes


def test_a_trial_alone_says_what_to_take_of_whom() -> None:
    child = next(trial for trial in DEMO.expand() if trial.variant == "16s")
    assert TrialConfig.from_dict(child.config.to_dict()).take == "all"
    described = {stage["name"]: stage["from"] for stage in DEMO.describe(DEMO.expand(), "")["stages"]}
    assert described == {
        "pretraining": None, "32s-fixed": "pretraining", "32s": "pretraining", "16s": "32s", "8s": "16s",
        "8s-learned": "16s", "8s-at-once-1": "pretraining", "8s-at-once-2": "8s-at-once-1",
        "8s-at-once": "8s-at-once-2", "32s-batches": "pretraining",
    }  # fmt: skip
