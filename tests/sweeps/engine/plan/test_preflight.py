"""What is wrong with a sweep's weights is said before its first trial."""

import hashlib
from pathlib import Path

import pytest
import torch
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForImageClassification

from segtrain.config import TrialConfig
from segtrain.models.weights import WeightsError
from sweeps.engine.plan.preflight import check_weights


def test_weights_of_another_network_are_refused_before_the_first_trial(tmp_path: Path) -> None:
    """B0's, which fit B0, in B1's folder."""
    for name in ("mit-b0", "mit-b1"):
        SegformerForImageClassification(SegformerConfig(num_labels=10)).save_pretrained(tmp_path / "weights" / name)
    b0, b1 = (TrialConfig(arch=arch, dataset="scenes") for arch in ("segformer_b0", "segformer_b1"))
    check_weights([b0, b1.edit(init="scratch")], tmp_path)
    with pytest.raises(WeightsError, match="mit-b1 does not hold the weights that segformer_b1 starts from"):
        check_weights([b0, b1], tmp_path)


def test_a_damaged_download_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "vgg16-397923af.pth"
    path.parent.mkdir()
    torch.save({}, path, _use_new_zipfile_serialization=False)
    begins = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    with pytest.raises(WeightsError, match=f"its SHA-256 begins with {begins}, and its name says 397923af"):
        check_weights([TrialConfig(arch="fcn8s", dataset="scenes")], tmp_path)
