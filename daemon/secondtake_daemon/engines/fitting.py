"""An engine's card as it runs on this machine: with windows and a canvas that there is memory for.

Workers and the command line only. What is behind it, and needs a model's folder, is imported when a card has a model.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job

__all__ = ["Foreseen", "fitted", "foreseen"]

_FIT = "secondtake_daemon.engines.diffusion.memory.fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How a model would be brought into this machine's memory. Bytes of the GPU, or of RAM without one."""

    model: str
    width: int
    height: int
    frames: int
    """Of a rendering."""
    tile_px: int
    """Side of the VAE's tiles; 0 is the canvas whole."""
    storage: str
    """Of its numbers: `full` or `fp8`."""
    way: str
    """`resident`, `offload` or `stream`."""
    how: str
    """The same in words."""
    device: str
    has_gpu: bool
    needs_bytes: int
    total_bytes: int
    free_bytes: int
    ram_bytes: int
    """Weights that wait there."""
    seconds: float
    is_measured: bool
    """True if a step was measured here; else it is an estimate from counted operations."""
    waits: bool
    """True if other programs hold memory that it needs."""
    note: str
    """What there is not enough memory for; "" if for all."""


def fitted(card: Card, *, job: Job, crop: Box, frames: int) -> Card:
    """The card as the engine runs on this machine, in this job: with windows that it has memory for.

    crop: that its patches cover. frames: of the shot. Raises GpuMemory if there is no form of
    it that fits.
    """
    if card.model is None and not card.steps:
        return card
    made: Card = importlib.import_module(_FIT).fitted(card, job=job, crop=crop, frames=frames)
    return made


def foreseen(card: Card, *, job: Job, crop: Box, frames: int) -> tuple[Card, tuple[Foreseen, ...]]:
    """As `fitted`, with the plan of each model, on the machine as it is now; keeps nothing."""
    if card.model is None and not card.steps:
        return card, ()
    fit = importlib.import_module(_FIT)
    made: tuple[Card, tuple[Foreseen, ...]] = fit.foreseen(card, job=job, crop=crop, frames=frames)
    return made
