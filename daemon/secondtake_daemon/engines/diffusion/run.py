"""One rendering of a model, as numbers: what a family turns into its pipeline's arguments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.family import Settings

__all__ = ["Run"]

Codes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Pixels are in the model's codes, 0 … 1, on its canvas."""

    canvas: Canvas
    codes: Codes
    """(F, H, W, 3): the plate, and accepted frames of other windows inside the hole."""
    holes: NDArray[np.bool_]
    """(F, H, W): where the model makes pixels. False in accepted frames."""
    control: Codes | None
    """(F, H, W, 3): depth, pose, lines … to be followed inside the hole; None leaves it free."""
    looks: tuple[Codes, ...]
    """(h, w, 3) each: pictures of what is wanted."""
    prompt: str
    negative_prompt: str
    seed: int
    first: int
    """Number of the first frame; noise is keyed to it."""
    settings: Settings
