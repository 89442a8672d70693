"""What the machine can do: mixed precision, compilation, and its name for the record."""

import platform
import shutil
import sysconfig
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path

import torch


def fastest_device() -> str:
    """The GPU where there is one that computes all that is needed: Apple's has no float64, which losses compute in."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=4)
def has_bf16(device: str = "cpu") -> bool:
    """Whether the device has units for bfloat16 (a CPU with AMX or AVX512-BF16, a GPU from Ampere on)."""
    if device == "cpu":
        probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(device: str, enabled: bool = True) -> AbstractContextManager[object]:
    """bfloat16 autocast where the device has the units for it, else nothing."""
    if enabled and has_bf16(device):
        return torch.autocast(device, torch.bfloat16)
    return nullcontext()


def can_compile(device: str) -> bool:
    """Whether ``torch.compile`` has what it needs: Python's headers and a C++ compiler, and Triton for a GPU."""
    headers = Path(sysconfig.get_path("include"), "Python.h").is_file()
    if not headers or not any(shutil.which(compiler) for compiler in ("g++", "clang++", "c++")):
        return False
    return device == "cpu" or (device == "cuda" and torch.utils._triton.has_triton())


def machine() -> str:
    """A line for the lab record: processor, its units, cores, torch."""
    name = _processor()
    units = torch.backends.cpu.get_cpu_capability()
    bf16 = ", bf16 units" if has_bf16() else ""
    line = f"{name}, {units}{bf16}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name()}, {line}" if torch.cuda.is_available() else line


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
