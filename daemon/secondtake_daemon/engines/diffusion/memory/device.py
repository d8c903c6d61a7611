"""The device that models run on, as far as memory goes: the one place that asks torch for it."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import psutil

from secondtake_daemon.engines.diffusion.memory.plan import Machine

__all__ = ["Cpu", "Cuda", "Device", "here", "is_out_of_memory", "kind_of", "machine_here"]

_EFFECTIVE_TFLOPS = (
    ("B200", 900.0), ("H200", 450.0), ("H100", 420.0), ("A100", 190.0), ("RTX PRO 6000", 260.0), ("5090", 180.0),
    ("L40", 140.0), ("6000 Ada", 140.0), ("4090", 120.0), ("5080", 95.0), ("4080", 80.0), ("A6000", 75.0),
    ("3090", 60.0), ("4070", 50.0), ("L4", 50.0), ("4060", 25.0), ("3060", 20.0),
)  # fmt: skip
"""16-bit, dense, as video models reach them; the first name that the device's holds. Until a step is measured."""
_UNKNOWN_TFLOPS = 40.0
_CORE_TFLOPS = 0.03
_CGROUP = Path("/sys/fs/cgroup/memory.max")


class Device(Protocol):
    """A GPU, or the machine itself."""

    @property
    def torch_name(self) -> str:
        """As torch calls it."""

    def machine(self) -> Machine:
        """What there is now."""

    def used_bytes(self) -> int:
        """Held by this process."""

    def watch_peak(self) -> None:
        """Begin to look for the most that is held."""

    def peak_bytes(self) -> int:
        """The most since `watch_peak`. Without a GPU, the most of the times that this was called."""

    def empty(self) -> None:
        """Give back what nobody uses."""


class Cuda:
    """An NVIDIA GPU; the first one that the process may see."""

    torch_name = "cuda"

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def machine(self) -> Machine:
        """What there is now; what this process holds counts as free, because a plan replaces it."""
        free, total = self._torch.cuda.mem_get_info()
        free = min(free + self._torch.cuda.memory_reserved(), total)
        return replace(machine_here(), memory_bytes=total, free_bytes=free)

    def used_bytes(self) -> int:
        """By tensors."""
        return int(self._torch.cuda.memory_allocated())

    def watch_peak(self) -> None:
        """From now on."""
        self._torch.cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> int:
        """By tensors."""
        return int(self._torch.cuda.max_memory_allocated())

    def empty(self) -> None:
        """Also what the allocator keeps for later."""
        gc.collect()
        self._torch.cuda.empty_cache()


class Cpu:
    """No GPU: models run in the machine's memory."""

    torch_name = "cpu"

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._peak_bytes = 0

    def machine(self) -> Machine:
        """What there is now; half of what this process holds counts as free, because a plan replaces it."""
        found = machine_here()
        free = psutil.virtual_memory().available + self.used_bytes() // 2
        return replace(found, free_bytes=min(free, found.memory_bytes))

    def used_bytes(self) -> int:
        """By the process."""
        return int(self._process.memory_info().rss)

    def watch_peak(self) -> None:
        """From now on."""
        self._peak_bytes = self.used_bytes()

    def peak_bytes(self) -> int:
        """Of the moments at which this was asked."""
        self._peak_bytes = max(self._peak_bytes, self.used_bytes())
        return self._peak_bytes

    def empty(self) -> None:
        """What Python holds in circles."""
        gc.collect()


@lru_cache(maxsize=1)
def machine_here() -> Machine:
    """This machine as if nobody used it. torch is not loaded, which takes seconds: what is in the cache needs none."""
    gpu = _gpu() if _torch_has_cuda() else None
    ram_bytes, cores = _ram_bytes(), os.cpu_count() or 1
    if gpu is None:
        return Machine(
            name=platform.processor() or platform.machine(),
            driver=f"{cores} cores",
            has_gpu=False,
            memory_bytes=ram_bytes,
            free_bytes=ram_bytes,
            ram_bytes=ram_bytes,
            flops=cores * _CORE_TFLOPS * 1e12,
        )
    return Machine(
        name=gpu.name,
        driver=gpu.driver,
        has_gpu=True,
        memory_bytes=gpu.memory_bytes,
        free_bytes=gpu.memory_bytes,
        ram_bytes=ram_bytes,
        flops=next((found for part, found in _EFFECTIVE_TFLOPS if part in gpu.name), _UNKNOWN_TFLOPS) * 1e12,
    )


def kind_of(machine: Machine) -> str:
    """What the last bits of a computation hang on: the device, and without a GPU the threads of this process."""
    if machine.has_gpu:
        return machine.name
    return f"{machine.name} {os.environ.get('OMP_NUM_THREADS') or os.cpu_count() or 1} threads"


@lru_cache(maxsize=1)
def here() -> Device:
    """The device of this process."""
    torch = importlib.import_module("torch")
    return Cuda(torch) if torch.cuda.is_available() else Cpu()


def is_out_of_memory(error: BaseException) -> bool:
    """True for what torch and Python raise when there is no memory left, on a GPU or without."""
    if isinstance(error, MemoryError):
        return True
    torch = importlib.import_module("torch")
    if isinstance(error, torch.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in words or "not enough memory" in words or "out of memory" in words.lower()
    )


@dataclass(frozen=True, slots=True)
class _Gpu:
    name: str
    driver: str
    memory_bytes: int


def _torch_has_cuda() -> bool:
    """Whether the torch that is installed was built for it."""
    spec = importlib.util.find_spec("torch")
    folders = spec.submodule_search_locations or [] if spec is not None else []
    return any(next((Path(folder) / "lib").glob("*torch_cuda.*"), None) is not None for folder in folders)


def _gpu() -> _Gpu | None:
    """The first GPU that the process may see, asked of the driver; None if there is no driver, or no GPU."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device, version, total, name = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    asked: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDeviceGet(ctypes.byref(device), 0),
        lambda: cuda.cuDeviceGetName(name, len(name), device),
        lambda: cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device),
        lambda: cuda.cuDriverGetVersion(ctypes.byref(version)),
    )
    if any(ask() for ask in asked):  # 0 is success
        return None
    driver = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    return _Gpu(name.value.decode("utf-8", "replace"), driver, total.value)


def _ram_bytes() -> int:
    """Of the machine, or of the container that we are in."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = int(_CGROUP.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or no limit
        return total
    return min(total, limit)
