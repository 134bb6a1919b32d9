"""Provenance of a trial: what it ran, on what and with what, as plain values for env.json."""

import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segtrain.machine.device import Hardware, device_name

PACKAGES = ("torch", "torchvision", "transformers", "numpy", "pillow", "safetensors")


def describe(hardware: Hardware, data_fingerprint: str, model: nn.Module, flops: int) -> dict[str, Any]:
    """`flops` are the operations of the model on one image."""
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "multiply_adds": flops // 2,
        "host": socket.gethostname(),
        "device": str(hardware.device),
        "device_name": device_name(hardware.device),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "precision": hardware.precision,
        "threads": hardware.threads,
        "data_fingerprint": data_fingerprint,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "cuda": torch.version.cuda if hardware.device.type == "cuda" else None,
        "packages": {name: version(name) for name in PACKAGES},
    }


@cache
def _git(*arguments: str) -> str | None:
    """What git says of this source tree; None where it is no checkout or git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
