"""What a trial runs on: the device, the precision that its hardware has, and how memory is read off it."""

import ctypes
import gc
import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

import torch

from segtrain.config import Precision

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEPT_BYTES = 2**30
RESET_PEAK = "5"  # written to clear_refs, resets the peak resident set; see proc(5)


@dataclass(frozen=True)
class Hardware:
    device: torch.device
    precision: Precision  # resolved: never "auto"
    threads: int  # of one CPU operation; the order of additions, and so the last bits, depend on it
    channels_last: bool = True  # memory layout of images, weights and features; the last bits depend on it, too

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def pick_hardware(precision: Precision, threads: int | None = None, use_gpu: bool = True) -> Hardware:
    """The GPU if there is one and it may be used, else the CPU; `auto` becomes bfloat16 only where the processor has
    it in hardware: emulated, it is slower than float32."""
    device = torch.device("cuda" if use_gpu and torch.cuda.is_available() else "cpu")
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    return Hardware(device, precision, threads or torch.get_num_threads(), prefers_channels_last(device))


def has_bfloat16(device: torch.device) -> bool:
    """Ampere and later on GPUs; AVX512_BF16 or AMX on CPUs, where torch may use them (see `_has_avx2_alone`)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return not _has_avx2_alone() and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def prefers_channels_last(device: torch.device) -> bool:
    """Not on an x86 processor without AVX-512: there each large kernel converts its inputs back and forth, which took
    40 % of a training step (docs/speed.md)."""
    return device.type != "cpu" or not _has_avx2_alone()


def _has_avx2_alone() -> bool:
    """Of an x86 processor without AVX-512, and of one that is told to do without (ATEN_CPU_CAPABILITY=avx2)."""
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


def make_deterministic(hardware: Hardware) -> None:
    """Process-wide settings under which equal inputs give equal bits."""
    torch.set_num_threads(hardware.threads)
    # cuBLAS is deterministic only with a fixed workspace, and reads this with its first handle.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What use_deterministic_algorithms(True) does, without importing the compiler to tell it too.
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # "float32" means float32


def keep_freed_memory() -> None:
    """Has the C library keep what a step frees for the next step. By default it gives large blocks back to the kernel,
    which then zeroes their pages anew in every step: up to a sixth of it (docs/speed.md)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(parameter, KEPT_BYTES)


def release_memory(device: torch.device) -> None:
    """Gives back what an earlier trial in this process has left, so that a trial's peak is its own, and a neighbour may
    have the rest."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    release_freed_memory()


def release_freed_memory() -> None:
    """Of the C library, which by itself keeps it: see `keep_freed_memory`."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU or of this machine; torch raises a plain RuntimeError for the latter."""
    plain = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return plain or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def free_memory_share(device: torch.device) -> float:
    """Of all the memory that the device has, for whoever wants it."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return free / total
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free, total = (int(memory[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
    return free / total


def reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)


def peak_memory_bytes(device: torch.device) -> int:
    """Since the last reset: allocated on the GPU, or resident in this process on a CPU, without the pages of files that
    it maps: libraries and kept features, which it shares with other trials and which the kernel may drop."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        kib = dict(line.split(":", 1) for line in status.read_text().splitlines())
        resident, of_files = (int(kib[name].split()[0]) for name in ("VmHWM", "RssFile"))
        return (resident - of_files) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
