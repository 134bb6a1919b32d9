"""The moving average of the weights, worked by hand."""

import torch
from torch import nn

from segtrain.training.objective.optimizer import AveragedWeights


def model_of(value: float) -> nn.Module:
    model = nn.BatchNorm1d(1)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(value)
    return model


def test_three_steps_by_hand() -> None:
    model = model_of(8)
    average = AveragedWeights(model, 0.75)
    for value in (4.0, 0.0):
        model.load_state_dict(model_of(value).state_dict())
        average.update(model)
    # 8 -> 0.75 * 8 + 0.25 * 4 = 7 -> 0.75 * 7 = 5.25; the batches that were seen are counted, not averaged.
    found = {name: tensor.item() for name, tensor in average.state.items()}
    assert found.pop("num_batches_tracked") == 0
    assert found == dict.fromkeys(("weight", "bias", "running_mean", "running_var"), 5.25)


def test_the_model_has_it_for_a_while() -> None:
    model = model_of(8)
    average = AveragedWeights(model, 0.5)
    model.load_state_dict(model_of(4).state_dict())
    average.update(model)
    with average.in_place_of(model):
        assert model.weight.item() == 6
        average.state["weight"] += 1  # of which the model has a copy
        assert model.weight.item() == 6
    assert (model.weight.item(), average.state["weight"].item()) == (4, 7)
