"""A frozen encoder's features, computed once: the same scores to the bit, whoever computed them and whenever."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine.array_store import cache_root
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training import run as run_module
from segtrain.training.epoch import train_one_epoch
from segtrain.training.inputs import features as features_module
from segtrain.training.run import Run, start_or_resume
from segtrain.training.trial import train

Tiny = Callable[..., TrialConfig]
Outcome = Callable[[Path], dict[str, Any]]
FROZEN = {"freeze": "encoder", "epochs": 4, "val_every": 2, "test_every": 2}
"""More epochs than there are variants of an image."""
KINDS = {
    "fcn": {},
    "unet": {"arch": "unet"},
    "resnet": {"arch": "fcn_resnet50", "width_mult": 1.0, "batch_size": 7},
    "one image left over": {"batch_size": 13},  # of 14
}


@pytest.fixture
def start(tiny: Tiny, roads_root: Path, tmp_path: Path) -> Callable[..., Run]:
    """start(name, **edits) -> a trial that is about to train; its encoder is the same for every edit of the rest."""

    def start_trial(name: str = "trial", **edits: Any) -> Run:
        (tmp_path / name).mkdir()
        return start_or_resume(tiny(**{**FROZEN, **edits}), tmp_path / name, roads_root, threads=1)

    return start_trial


def stored() -> set[str]:
    """The encoders on their data of which any features are kept."""
    return {path.name.split("-")[1] for path in cache_root().glob("features-*") if path.is_dir()}


def stored_whole() -> set[str]:
    """Those of which all are."""
    variants = ("train", "train-flipped", "val", "test")
    return {key for key in stored() if all((cache_root() / f"features-{key}-{each}").is_dir() for each in variants)}


def without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "open_features", lambda *_: None)


@pytest.mark.parametrize(("kind", "channels_last"), [(kind, True) for kind in KINDS] + [("fcn", False)])
def test_a_trial_gives_the_same_bits_with_features_and_without(
    kind: str,
    channels_last: bool,
    tiny: Tiny,
    roads_root: Path,
    tmp_path: Path,
    outcome: Outcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("segtrain.machine.device.prefers_channels_last", lambda _: channels_last)
    config = tiny(**{**FROZEN, **KINDS[kind]})
    list(train(config, tmp_path / "with", roads_root, threads=1))
    assert len(stored_whole()) == 1
    without_features(monkeypatch)
    list(train(config, tmp_path / "without", roads_root, threads=1))
    assert outcome(tmp_path / "with") == outcome(tmp_path / "without")


def test_in_bfloat16_they_are_kept_as_the_encoder_gave_them(start: Callable[..., Run]) -> None:
    run = start(precision="bfloat16")
    batch = run.inputs["test"].batch(np.array([1, 0]), np.zeros(2, dtype=bool))
    assert batch.images is None
    assert isinstance(batch.features, dict)
    assert {tensor.dtype for tensor in batch.features.values()} == {torch.bfloat16}
    images = run_module.Inputs(run.data.splits["test"], run.hardware).batch(np.array([1, 0]), np.zeros(2, dtype=bool))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = run.model.eval().encoder(images.images)
    assert all(torch.equal(batch.features[name], tensor) for name, tensor in expected.items())


def test_trials_that_differ_in_their_decoder_share_them(start: Callable[..., Run]) -> None:
    encoder = start("first").model.encoder.state_dict()
    first = stored()

    def same_encoder(name: str, **edits: Any) -> set[str]:
        with pytest.MonkeyPatch.context() as patch:
            build = run_module.build_model

            def built(config: TrialConfig, classes: int, streams: tuple[int, ...]) -> EncoderDecoder:
                model = build(config, classes, streams)
                model.encoder.load_state_dict(encoder)
                return model

            patch.setattr(run_module, "build_model", built)
            start(name, **edits)
        return stored() - first

    assert same_encoder("rate", lr=1e-5) == set()
    assert same_encoder("decoder", arch="fcn8s", seed=3) == set()
    assert len(same_encoder("size", image_height=64)) == 1
    start("other weights", seed=5)
    assert len(stored()) == 3


@pytest.mark.parametrize(
    "edits",
    [{"freeze": "none"}, {"epochs": 2}, {"epochs": 1, "flip": False}, {"color_jitter": 0.1}, {"vertical_flip": True}],
)
def test_none_are_made_where_the_encoder_learns_it_does_not_pay_or_views_are_random(
    start: Callable[..., Run], edits: Any
) -> None:
    run = start(**edits)
    assert stored() == set()
    assert next(run.training.training_batches(run.config, 1)).images is not None


def test_a_trial_goes_on_the_same_when_they_are_deleted_or_the_cache_is_full(
    tiny: Tiny, roads_root: Path, tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(**FROZEN)
    list(train(config, tmp_path / "undisturbed", roads_root, threads=1))
    expected = outcome(tmp_path / "undisturbed")
    for name, room in (("deleted", "1"), ("full", "0.0002")):
        epochs = train(config, tmp_path / name, roads_root, threads=1)
        next(epochs)
        shutil.rmtree(cache_root())  # under the feet of who reads them
        next(epochs)
        epochs.close()  # type: ignore[attr-defined]
        monkeypatch.setenv("SEGTRAIN_CACHE_GB", room)
        list(train(config, tmp_path / name, roads_root, threads=1))
        assert outcome(tmp_path / name) == expected
        assert len(stored_whole()) == (name == "deleted")


def test_a_kill_while_they_are_made_leaves_none_and_changes_nothing(
    tiny: Tiny, roads_root: Path, tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    config = tiny(**FROZEN)
    with monkeypatch.context() as patch:
        patch.setattr(features_module, "_fill", killed)
        with pytest.raises(Killed):
            list(train(config, tmp_path / "killed", roads_root, threads=1))
    assert stored() == set()
    list(train(config, tmp_path / "killed", roads_root, threads=1))
    list(train(config, tmp_path / "undisturbed", roads_root, threads=1))
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")
    status = records.read_status(tmp_path / "killed")
    assert status is not None
    assert status.state == "finished"


def test_an_encoder_that_goes_on_collecting_statistics_is_run_anew_each_time(start: Callable[..., Run]) -> None:
    """Its parameters stay, its running statistics do not: as with gradients taken away under model.train()."""
    run = start(arch="unet", frozen_norm="collecting")
    before = {name: tensor.clone() for name, tensor in run.model.encoder.state_dict().items()}
    assert stored() == set()
    train_one_epoch(run, 1)
    after = run.model.encoder.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    kept = ("running_mean", "running_var", "num_batches_tracked")
    statistics = {name for name in before if name.rpartition(".")[2] in kept}
    assert changed == statistics != set()
