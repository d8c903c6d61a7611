"""A shot seen without its matte: what is changed and not removed is itself the thing to follow."""

from __future__ import annotations

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage
from secondtake_daemon.engines.temporal.forwarded import ForwardedShot

__all__ = ["Unmasked"]


class Unmasked(ForwardedShot):
    """The shot, with no hole in any frame."""

    def hole(self, frame: int, box: Box) -> FloatImage:
        """Nothing is hidden."""
        return np.zeros((box.height, box.width), np.float32)
