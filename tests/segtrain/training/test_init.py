"""Where the weights come from that a trial starts with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.models import build_model, weights
from segtrain.models.fcn import VGG16Encoder
from segtrain.models.weights import WeightsError
from segtrain.training import checkpoint
from segtrain.training import run as run_module
from segtrain.training.run import start_or_resume
from segtrain.training.trial import train

Tiny = Callable[..., TrialConfig]
RunTrial = Callable[..., list[dict[str, Any]]]
ReadStatus = Callable[[Path], records.Status]


def test_a_child_starts_from_its_parents_best_weights(
    tiny: Tiny, tmp_path: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    parent = tiny(epochs=2)
    run_trial(parent, records.trial_dir(tmp_path, parent.trial_id), roads_root)
    best = checkpoint.load_best(records.trial_dir(tmp_path, parent.trial_id))
    child = tiny(epochs=2, init="parent", parent=parent.trial_id, freeze="encoder", arch="fcn8s")
    folder = records.trial_dir(tmp_path, child.trial_id)
    for _ in train(child, folder, roads_root, 1):
        last = checkpoint.load_last(folder)
        assert last is not None
        for state in (checkpoint.load_best(folder), last["model"]):
            encoder = {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}
            assert len(encoder) == 26
            assert all(torch.equal(tensor, best[name]) for name, tensor in encoder.items())


def test_what_a_child_could_not_take_stays_written_down_when_it_is_resumed(
    tiny: Tiny, tmp_path: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    parent = tiny(epochs=1, arch="fcn32s")
    run_trial(parent, records.trial_dir(tmp_path, parent.trial_id), roads_root)
    child = tiny(epochs=2, init="parent", parent=parent.trial_id, take="all")
    folder = records.trial_dir(tmp_path, child.trial_id)
    trial = train(child, folder, roads_root, 1)
    next(trial)
    trial.close()
    new = ["decoder.score_skips.pool4", "decoder.upscore2.pool4"]
    assert records.read_new_layers(folder) == new
    run_trial(child, folder, roads_root)
    assert records.read_new_layers(folder) == new
    assert records.read_new_layers(records.trial_dir(tmp_path, parent.trial_id)) is None


def test_a_resumed_child_does_not_need_its_parent(
    tiny: Tiny, tmp_path: Path, roads_root: Path, run_trial: RunTrial
) -> None:
    parent = tiny(epochs=1)
    parent_folder = records.trial_dir(tmp_path, parent.trial_id)
    run_trial(parent, parent_folder, roads_root)
    child = tiny(epochs=2, init="parent", parent=parent.trial_id)
    folder = records.trial_dir(tmp_path, child.trial_id)
    trial = train(child, folder, roads_root, 1)
    next(trial)
    trial.close()
    (parent_folder / "best.safetensors").unlink()
    assert [line["epoch"] for line in run_trial(child, folder, roads_root)] == [2]


def sliding(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """A matrix whose rows are windows on a short vector: all differ, and on disk it is small."""
    return torch.randn(sum(shape), generator=generator).mul_(0.01).as_strided(shape, (1, 1))


def test_imagenet_weights_come_from_the_folder_under_the_data_root(
    tiny: Tiny, folder: Path, tmp_path: Path, write_roads: Callable[..., Path]
) -> None:
    """The whole network once, at width 1: 540 MB of memory, a small file."""
    write_roads(tmp_path)
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        encoder = VGG16Encoder(1.0).state_dict()
    state = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in encoder.items()}
    for name, shape in {"classifier.0": (4096, 25088), "classifier.3": (4096, 4096)}.items():
        state |= {f"{name}.weight": sliding(shape, generator), f"{name}.bias": torch.randn(4096, generator=generator)}
    (tmp_path / "weights").mkdir()
    torch.save(state, tmp_path / "weights" / "vgg16-397923af.pth")
    config = tiny(init="imagenet", width_mult=1.0, freeze="all_but_score")
    model = start_or_resume(config, folder, tmp_path, 1).model.cpu()
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    fc6, fc7 = model.decoder.fc6, model.decoder.fc7
    assert torch.equal(fc6.weight.reshape(4096, -1)[[0, 1, 4095]], state["classifier.0.weight"][[0, 1, 4095]])
    assert torch.equal(fc7.weight[..., 0, 0], state["classifier.3.weight"])
    assert torch.equal(fc6.bias, state["classifier.0.bias"])
    assert torch.equal(fc7.bias, state["classifier.3.bias"])


def test_a_trial_without_its_weights_fails_before_it_trains(
    tiny: Tiny, folder: Path, roads_root: Path, monkeypatch: pytest.MonkeyPatch, run_trial: RunTrial, status: ReadStatus
) -> None:
    def missing(*_: Any) -> None:
        raise WeightsError("no weights")

    monkeypatch.setattr(weights, "load", missing)
    monkeypatch.setattr(
        run_module, "build_model", lambda config, classes, streams: build_model(tiny(), classes, streams)
    )
    with pytest.raises(WeightsError, match=r"^no weights$"):
        run_trial(tiny(init="imagenet", width_mult=1.0), folder, roads_root)
    assert status(folder).reason == "WeightsError: no weights"
    assert not (folder / "last.pt").exists()
