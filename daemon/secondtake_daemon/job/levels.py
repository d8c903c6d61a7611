"""The quality figures of one frame, measured on the samples that are written, in scene-linear light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import UnknownColour
from secondtake.figures import FrameFigures
from secondtake_daemon.composite.figures import ROOM_PX, measure_frame, rows_of
from secondtake_daemon.composite.matte import Stitch
from secondtake_daemon.images.colour import Transform, resolve
from secondtake_daemon.images.exr_read import Planes

__all__ = ["Levels", "room_of"]

_Plane = NDArray[Any]


class Levels:
    """Measures frames of one shot. Thread-safe."""

    def __init__(self, colourspace: str, *, channels: tuple[str, ...]) -> None:
        """colourspace: the plate's. Where the configuration can't bring it to scene-linear, its numbers are taken."""
        self._channels = channels
        self._transform: Transform | None = None
        try:
            self._transform = Transform(resolve(colourspace), scene_linear=True)
        except UnknownColour:  # a space with a way in only; what is relative in the figures still says something
            return

    def measure(self, plate: Planes, mixed: Mapping[str, _Plane], matte: Stitch) -> FrameFigures:
        """plate: the edited part's samples over `room_of` the matte. mixed: those that are written, over its box."""
        box = room_of(matte.box, plate.box)
        here, rows = matte.box.within(box), rows_of(box.height, box.width)
        was = {name: plate.planes[name][box.within(plate.box)] for name in self._channels}
        made = {name: plane.astype(np.float32) for name, plane in was.items()}
        for name, plane in made.items():
            plane[here] = mixed[name]
        alpha = np.zeros((box.height, box.width), np.float32)
        alpha[here] = matte.alpha
        parent = self._picture({name: plane[rows].astype(np.float32) for name, plane in was.items()})
        return measure_frame(take=self._picture(made), parent=parent, alpha=alpha, linear=self._linear)

    def _picture(self, planes: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(height, width, 3) in plate space; a luminance plate three times."""
        pictures = [planes[name] for name in self._channels]
        return np.asarray(cv2.merge(pictures if len(pictures) == 3 else pictures * 3), np.float32)

    def _linear(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._transform.to_engine(pixels) if self._transform is not None else pixels


def room_of(matte: Box, window: Box) -> Box:
    """The box that is looked at: the matte's with its surroundings, inside the frame's data window."""
    return matte.pad(ROOM_PX).intersect(window) if not matte.is_empty else Box(window.x, window.y, 0, 0)
