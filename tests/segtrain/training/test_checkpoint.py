"""What a killed trial goes on from."""

from dataclasses import asdict
from pathlib import Path
from threading import Event

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from segtrain import records
from segtrain.training import checkpoint
from segtrain.training.checkpoint import EpochPart, Progress, Writer

PROGRESS = Progress(
    epoch=3, best_epoch=2, best_mean_iou=0.125, runtime_s=1.5, precision="bfloat16", threads=2
)  # fmt: skip


def model_and_optimizer(seed: int) -> tuple[nn.Sequential, AdamW]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, AdamW(model.parameters(), lr=0.1, amsgrad=True, fused=True)


def train_steps(model: nn.Module, optimizer: AdamW, seeds: range) -> Tensor:
    """The weights afterwards, all in one row."""
    for seed in seeds:
        x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def test_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    model, optimizer = model_and_optimizer(0)
    train_steps(model, optimizer, range(3))
    checkpoint.save_last(tmp_path, checkpoint.copy_state(PROGRESS, model, optimizer))
    expected = train_steps(model, optimizer, range(3, 6))

    other, other_optimizer = model_and_optimizer(1)
    last = checkpoint.load_last(tmp_path)
    assert last is not None
    assert Progress(**last["progress"]) == PROGRESS
    other.load_state_dict(last["model"])
    other_optimizer.load_state_dict(last["optimizer"])
    assert torch.equal(train_steps(other, other_optimizer, range(3, 6)), expected)


def test_before_the_first_epoch_there_is_nothing(tmp_path: Path) -> None:
    assert checkpoint.load_last(tmp_path) is None


def test_an_interrupted_save_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = model_and_optimizer(0)
    checkpoint.save_last(tmp_path, checkpoint.copy_state(PROGRESS, model, optimizer))
    content = (tmp_path / records.LAST_FILE).read_bytes()
    save = torch.save

    def half(value: object, file: object) -> None:
        save(value, file)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_last(tmp_path, checkpoint.copy_state(PROGRESS, *model_and_optimizer(1)))
    assert (tmp_path / records.LAST_FILE).read_bytes() == content


def test_the_best_weights_both_ways(tmp_path: Path) -> None:
    model, optimizer = model_and_optimizer(0)
    train_steps(model, optimizer, range(2))
    checkpoint.save_best(tmp_path, checkpoint.copy_weights(model))
    loaded = checkpoint.load_best(tmp_path)
    assert loaded.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded[name], tensor), name
        assert loaded[name].dtype == tensor.dtype
    first = (tmp_path / records.BEST_FILE).read_bytes()
    checkpoint.save_best(tmp_path, checkpoint.copy_weights(model))
    assert (tmp_path / records.BEST_FILE).read_bytes() == first


def test_every_field_of_progress_is_kept(tmp_path: Path) -> None:
    checkpoint.save_last(tmp_path, checkpoint.copy_state(PROGRESS, *model_and_optimizer(0)))
    last = checkpoint.load_last(tmp_path)
    assert last is not None
    assert last["progress"] == asdict(PROGRESS)


def test_what_is_written_is_what_was_there_when_it_was_copied(tmp_path: Path) -> None:
    model, optimizer = model_and_optimizer(0)
    train_steps(model, optimizer, range(2))
    part = EpochPart(
        loss_sums=[torch.ones(())], pixels=[torch.ones(())], cpu_generator=torch.get_rng_state(), gpu_generator=None
    )
    state, weights = checkpoint.copy_state(PROGRESS, model, optimizer, None, part), checkpoint.copy_weights(model)
    checkpoint.save_last(tmp_path, state)
    checkpoint.save_best(tmp_path, weights)
    before = [(tmp_path / name).read_bytes() for name in (records.LAST_FILE, records.BEST_FILE)]
    train_steps(model, optimizer, range(2, 4))
    part.loss_sums.append(torch.ones(()))
    part.pixels[0] += 1
    checkpoint.save_last(tmp_path, state)
    checkpoint.save_best(tmp_path, weights)
    assert [(tmp_path / name).read_bytes() for name in (records.LAST_FILE, records.BEST_FILE)] == before


def test_one_thing_is_written_at_a_time_and_what_fails_is_told_once() -> None:
    writer, written, gate = Writer(), list[str](), Event()

    def slow() -> None:
        gate.wait(60)
        written.append("slow")

    def fail() -> None:
        raise OSError("no space")

    writer.start(slow)
    assert not written
    gate.set()
    writer.start(fail)
    assert written == ["slow"]
    with pytest.raises(OSError, match="no space"):
        writer.start(lambda: written.append("after the failure"))
    writer.wait()
    assert written == ["slow"]
    writer.start(lambda: written.append("last"))
    writer.close()
    assert written == ["slow", "last"]


def test_what_a_checkpoint_holds_is_counted() -> None:
    model, optimizer = model_and_optimizer(0)
    state = checkpoint.copy_state(PROGRESS, model, optimizer)
    weights = 4 * (4 * 3 * 3 * 3 + 4) + 4 * 4 * 4 + 8  # a convolution, a batch norm with its number of batches
    assert checkpoint.count_bytes(state) == weights
    train_steps(model, optimizer, range(1))
    moments = 3 * 4 * (4 * 3 * 3 * 3 + 4 + 2 * 4)
    assert checkpoint.count_bytes(checkpoint.copy_state(PROGRESS, model, optimizer)) == weights + moments + 4 * 4
