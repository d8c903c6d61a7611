"""What a run takes, seen from beside: the most memory while it denoises and while its VAE works; a step's seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from secondtake_daemon.engines.diffusion.memory.device import Device
from secondtake_daemon.engines.diffusion.tap import Observer

__all__ = ["Found", "Meter"]

_STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Of one run: bytes that were held, weights and all."""

    before_bytes: int
    """When it began."""
    step_bytes: int
    """At most, while it denoised."""
    vae_bytes: int
    """At most, while its VAE worked."""
    forward_s: float
    """Of one run of a denoiser."""
    coded_s: float
    """All but the steps: text, encoding and decoding."""


class Meter:
    """An observer round another one (`tap.observed`)."""

    def __init__(self, observer: Observer, device: Device, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._observer, self._device, self._clock = observer, device, clock
        self._base = device.used_bytes()
        self._stage = ""
        self._most = {_STEP: 0, "vae": 0}
        self._taken: list[float] = []
        self._began = clock()
        device.watch_peak()

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """A denoising step is about to be taken."""
        self._taken.append(self._clock())
        self._look()
        self._observer.step(velocity, timestep, sample, scheduler)

    def alive(self, stage: str) -> None:
        """A block of a part of the pipeline is about to run."""
        if stage != self._stage:
            self._look()
            self._device.watch_peak()
            self._stage = stage
        self._observer.alive(stage)

    def found(self, *, forwards: int) -> Found | None:
        """After the run; None if it had too few steps to be measured. forwards: runs of a denoiser in all."""
        self._look()
        if len(self._taken) < 2:
            return None
        apart = [after - before for before, after in pairwise(self._taken)]
        step_s, each = median(apart), max(forwards / len(self._taken), 1.0)
        return Found(
            before_bytes=self._base,
            step_bytes=self._most[_STEP],
            vae_bytes=self._most["vae"],
            forward_s=max(step_s / each, 1e-6),
            coded_s=max(self._clock() - self._began - step_s * len(self._taken), 0.0),
        )

    def _look(self) -> None:
        if self._stage:
            part = _STEP if self._stage == _STEP else "vae"
            self._most[part] = max(self._most[part], self._device.peak_bytes())
