"""A shot seen without its matte: what is changed and not removed is itself the thing to follow."""

from __future__ import annotations

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage, Shot

__all__ = ["Unmasked"]


class Unmasked(Shot):
    """The shot, with no hole in any frame."""

    def __init__(self, shot: Shot) -> None:
        self._shot = shot

    @property
    def frames(self) -> tuple[int, ...]:
        """The shot's."""
        return self._shot.frames

    @property
    def bounds(self) -> Box:
        """The shot's."""
        return self._shot.bounds

    @property
    def references(self) -> tuple[int, ...]:
        """The shot's."""
        return self._shot.references

    @property
    def has_motion(self) -> bool:
        """The shot's."""
        return self._shot.has_motion

    def plate(self, frame: int, box: Box) -> FloatImage:
        """The shot's."""
        return self._shot.plate(frame, box)

    def hole(self, frame: int, box: Box) -> FloatImage:
        """Nothing is hidden."""
        return np.zeros((box.height, box.width), np.float32)

    def reference(self, frame: int, box: Box) -> FloatImage:
        """The shot's."""
        return self._shot.reference(frame, box)

    def motion(self, frame: int, box: Box) -> FloatImage:
        """The shot's."""
        return self._shot.motion(frame, box)
