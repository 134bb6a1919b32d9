"""Provenance: enough to say what made a number."""

import json
import platform
from importlib.metadata import version

import pytest
import torch
from torch import nn

from segtrain.machine import environment
from segtrain.machine.device import Hardware

HARDWARE = Hardware(torch.device("cpu"), "bfloat16", threads=3)


def test_what_env_json_says() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 1, 1).requires_grad_(False))
    found = environment.describe(HARDWARE, "0123456789ab", model, flops=34)
    assert json.loads(json.dumps(found)) == found
    assert (found["device"], found["precision"], found["threads"]) == ("cpu", "bfloat16", 3)
    assert found["data_fingerprint"] == "0123456789ab"
    assert found["python"] == platform.python_version()
    assert found["packages"] == {
        name: version(name) for name in ("torch", "torchvision", "transformers", "numpy", "pillow", "safetensors")
    }
    assert (found["parameters"], found["trained_parameters"], found["multiply_adds"]) == (11, 8, 17)


def test_a_tree_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    environment._git.cache_clear()
    monkeypatch.setenv("PATH", "")
    found = environment.describe(HARDWARE, "", nn.Identity(), flops=0)
    environment._git.cache_clear()
    assert found["git_commit"] is None
    assert found["git_dirty"] is False
