"""A GPU that is simulated on the CPU: as large and as free as told, and out of memory when told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.memory import device
from secondtake_daemon.engines.diffusion.memory.placing import Layout
from secondtake_daemon.engines.diffusion.memory.plan import Machine, Way

__all__ = ["GIB", "Pressure", "oom"]

torch.set_num_threads(1)  # tiny tensors: threads would only wait for each other

GIB = 1 << 30
_LATENT_PX = 8


def oom() -> Exception:
    """As the allocator of a GPU says it."""
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB (simulated)")


class Pressure(device.Cpu):
    """The device of this process while a test runs. `fails` is asked before every run of a denoiser."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, gib: float = 12, has_gpu: bool = True) -> None:
        super().__init__()
        size = int(gib * GIB)
        self.now = Machine(
            name="Simulated", driver="CUDA 0.0", has_gpu=has_gpu, memory_bytes=size, free_bytes=size,
            ram_bytes=64 * GIB, flops=1e12,
        )  # fmt: skip
        self.fails: Callable[[Layout, int], bool] = lambda layout, run: False
        self.raises: Callable[[], Exception] = oom
        self.laid_out: list[Layout] = []
        self.emptied = 0
        self.runs = 0
        self.area_px = 0
        """Of the canvas that a denoiser works on."""
        pipes.drop()
        monkeypatch.setattr(device, "here", lambda: self)
        monkeypatch.setattr(device, "machine_here", lambda: replace(self.now, free_bytes=self.now.memory_bytes))
        monkeypatch.setattr(pipes, "lay_out", self._lay_out)

    def machine(self) -> Machine:
        return self.now

    def empty(self) -> None:
        self.emptied += 1
        super().empty()

    @property
    def ways(self) -> list[Way]:
        """In which a whole pipeline was laid out, in order; that of the text encoder alone does not count."""
        return [layout.way for layout in self.laid_out if "transformer" not in layout.without]

    def _lay_out(self, pipe: Any, layout: Layout, **given: Any) -> None:
        from secondtake_daemon.engines.diffusion.memory.placing import lay_out

        self.laid_out.append(layout)
        lay_out(pipe, layout, **given)

        def before(_: object, args: object, named: dict[str, Any]) -> None:
            self.runs += 1
            height, width = named["hidden_states"].shape[-2:]
            self.area_px = height * width * _LATENT_PX**2
            if self.fails(layout, self.runs):
                raise self.raises()

        if getattr(pipe, "transformer", None) is not None:
            pipe.transformer.register_forward_pre_hook(before, with_kwargs=True)
