"""What a trial runs on. The tests of CUDA are skipped where there is none."""

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from segtrain.config import Precision
from segtrain.machine import device as device_module
from segtrain.machine.device import (
    Hardware,
    device_name,
    has_bfloat16,
    make_deterministic,
    peak_memory_bytes,
    pick_hardware,
    prefers_channels_last,
    reset_peak_memory,
)

CPU = torch.device("cpu")
MIB = 2**20
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("has_it", [True, False])
@pytest.mark.parametrize("precision", get_args(Precision))
def test_only_auto_asks_the_hardware(monkeypatch: pytest.MonkeyPatch, precision: Precision, has_it: bool) -> None:
    monkeypatch.setattr(device_module, "has_bfloat16", lambda device: has_it)
    expected = ("bfloat16" if has_it else "float32") if precision == "auto" else precision
    assert pick_hardware(precision, threads=1).precision == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "aarch64"}, False),
    ],
)
@pytest.mark.parametrize(("torch_uses", "may"), [("AVX512", True), ("DEFAULT", True), ("AVX2", False)])
def test_bfloat16_needs_its_instructions(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], expected: bool, torch_uses: str, may: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: torch_uses)
    assert has_bfloat16(CPU) is (expected and may)
    assert prefers_channels_last(CPU) is may


def test_a_processor_told_to_do_without_avx512_trains_as_one_without() -> None:
    code = (
        "from segtrain.machine.device import pick_hardware\n"
        "found = pick_hardware('auto', threads=1, use_gpu=False)\n"
        "print(found.precision, found.channels_last)"
    )
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("no such processor")
    limited = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=limited, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["float32", "False"]


def test_threads_are_those_given_or_those_of_torch() -> None:
    torch.set_num_threads(2)
    assert pick_hardware("float32").threads == 2
    assert pick_hardware("float32", threads=1).threads == 1
    make_deterministic(Hardware(CPU, "float32", threads=1))
    assert torch.get_num_threads() == 1


def test_determinism_is_asked_of_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(False)
    make_deterministic(Hardware(CPU, "float32", threads=1))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_the_peak_of_memory_rises_stays_and_is_reset() -> None:
    reset_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    # Pages of our own: the allocator may still hold some that count already.
    block = mmap.mmap(-1, 64 * MIB)
    for page in range(0, 64 * MIB, mmap.PAGESIZE):
        block[page] = 1
    assert before + 48 * MIB < peak_memory_bytes(CPU) < before + 96 * MIB
    block.close()
    assert peak_memory_bytes(CPU) > before + 48 * MIB
    reset_peak_memory(CPU)
    assert peak_memory_bytes(CPU) < before + 32 * MIB


def test_pages_of_a_mapped_file_are_not_in_the_peak(tmp_path: Path) -> None:
    (tmp_path / "features").write_bytes(bytes(64 * MIB))
    reset_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    features = np.memmap(tmp_path / "features", np.uint8, "r")
    assert features.sum() == 0  # every page was looked at, and is resident
    assert abs(peak_memory_bytes(CPU) - before) < 16 * MIB


def test_the_device_has_a_name() -> None:
    assert device_name(CPU).strip()


@needs_cuda
def test_cuda_is_picked_where_it_is_and_bfloat16_from_ampere_on() -> None:
    hardware = pick_hardware("auto", threads=1)
    assert hardware.device.type == "cuda"
    ampere_or_later = torch.cuda.get_device_capability() >= (8, 0)
    assert hardware.precision == ("bfloat16" if ampere_or_later else "float32")


@needs_cuda
def test_the_peak_of_memory_on_cuda_is_what_was_allocated() -> None:
    cuda = torch.device("cuda")
    reset_peak_memory(cuda)
    before = peak_memory_bytes(cuda)
    block = torch.ones(64 * MIB, dtype=torch.uint8, device=cuda)
    assert peak_memory_bytes(cuda) >= before + block.numel()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_freed_memory_is_kept_for_the_next_step_and_given_back_before_the_next_trial() -> None:
    # In a process of its own: the allocator's settings last.
    code = (
        "import torch; from segtrain.machine.device import keep_freed_memory, peak_memory_bytes, release_memory, "
        "reset_peak_memory\n"
        "cpu = torch.device('cpu')\n"
        "def now(): reset_peak_memory(cpu); return peak_memory_bytes(cpu)\n"
        "keep_freed_memory(); before = now()\n"
        "blocks = [torch.ones(2**22) for _ in range(8)]; del blocks; kept = now()\n"
        "release_memory(cpu); print(kept - before, now() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 100 * MIB
    assert left < 20 * MIB
