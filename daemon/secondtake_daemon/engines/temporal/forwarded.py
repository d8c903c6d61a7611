"""A shot seen through another: what a subclass does not say differently is the inner shot's."""

from __future__ import annotations

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage, Shot

__all__ = ["ForwardedShot"]


class ForwardedShot(Shot):
    """Every question goes to the inner shot."""

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
        """The shot's."""
        return self._shot.hole(frame, box)

    def reference(self, frame: int, box: Box) -> FloatImage:
        """The shot's."""
        return self._shot.reference(frame, box)

    def motion(self, frame: int, box: Box) -> FloatImage:
        """The shot's."""
        return self._shot.motion(frame, box)
