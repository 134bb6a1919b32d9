"""FCN-ResNet50 against torchvision's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.models.segmentation import fcn_resnet50

from segtrain.models.fcn_resnet50 import build_fcn_resnet50

Noise = Callable[..., Tensor]


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_logits_are_torchvisions(images: Noise, training: bool) -> None:
    """With torchvision's weights, and in training mode with the same dropout and statistics of the same batch."""
    reference = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3, aux_loss=False).train(training)
    model = build_fcn_resnet50(3).train(training)
    model.encoder.load_state_dict(reference.backbone.state_dict())
    model.decoder.head.load_state_dict(reference.classifier.state_dict())
    x = images(2, 64, 81)
    torch.manual_seed(0)
    expected = reference(x)["out"]
    torch.manual_seed(0)
    assert torch.equal(model(x), expected)
    assert expected.std() > 0
    statistics = reference.backbone.layer4[2].bn3.running_mean
    assert torch.equal(model.encoder.layer4[2].bn3.running_mean, statistics)
    assert statistics.any() == training


def test_features_stand_at_stride_8() -> None:
    with torch.device("meta"):
        features = build_fcn_resnet50(3).encoder(torch.empty(1, 3, 64, 96))
    assert {name: tuple(feature.shape) for name, feature in features.items()} == {"out": (1, 2048, 8, 12)}


def test_weights_start_as_torchvisions() -> None:
    torch.manual_seed(4)
    model = build_fcn_resnet50(3)
    torch.manual_seed(4)
    reference = fcn_resnet50(weights=None, weights_backbone=None, num_classes=3, aux_loss=False)
    assert torch.equal(model.decoder.score_layers()[0].weight, reference.classifier[-1].weight)
    assert torch.equal(model.encoder.layer4[2].conv3.weight, reference.backbone.layer4[2].conv3.weight)
