"""The box that is being pulled in the preview: its place, and its outline on the screen."""

from __future__ import annotations

from typing import Any

import bpy
import gpu
from gpu_extras.batch import batch_for_shader

__all__ = ["BoxPicture"]

_COLOUR = (1.0, 0.6, 0.1, 1.0)


class BoxPicture:
    """Corners in pixels of the scene's frame, from its lower left, y up. The preview's own origin is its centre."""

    def __init__(self, region: bpy.types.Region, frame: tuple[int, int]) -> None:
        self._region = region
        self._frame = frame
        self._from: tuple[float, float] | None = None
        self._to: tuple[float, float] = (0.0, 0.0)
        self._handle: Any = bpy.types.SpaceSequenceEditor.draw_handler_add(self._draw, (), "PREVIEW", "POST_VIEW")

    @property
    def is_begun(self) -> bool:
        """True once the mouse was pressed."""
        return self._from is not None

    def begin(self, x: int, y: int) -> None:
        """The first corner, in pixels of the window."""
        self._from = self._to = self._at(x, y)

    def pull(self, x: int, y: int) -> None:
        """The other one."""
        if self.is_begun:
            self._to = self._at(x, y)
            self._region.tag_redraw()

    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top, inside of the frame, in whole pixels."""
        (x0, y0), (x1, y1), (width, height) = self._from or self._to, self._to, self._frame
        left, right = sorted((x0 + width / 2, x1 + width / 2))
        bottom, top = sorted((y0 + height / 2, y1 + height / 2))
        return (
            float(round(max(left, 0))),
            float(round(max(bottom, 0))),
            float(round(min(right, width))),
            float(round(min(top, height))),
        )

    def end(self) -> None:
        """Draw it no more."""
        if self._handle is not None:
            bpy.types.SpaceSequenceEditor.draw_handler_remove(self._handle, "PREVIEW")
            self._handle = None
            self._region.tag_redraw()

    def _at(self, x: int, y: int) -> tuple[float, float]:
        view: Any = self._region.view2d
        at = view.region_to_view(x - self._region.x, y - self._region.y)
        return float(at[0]), float(at[1])

    def _draw(self) -> None:
        if self._from is None:
            return
        (x0, y0), (x1, y1) = self._from, self._to
        shader = gpu.shader.from_builtin("UNIFORM_COLOR")
        shader.uniform_float("color", _COLOUR)
        corners = ((x0, y0, 0), (x1, y0, 0), (x1, y1, 0), (x0, y1, 0), (x0, y0, 0))
        batch_for_shader(shader, "LINE_STRIP", {"pos": corners}).draw(shader)
