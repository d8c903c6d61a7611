"""What a model follows inside the hole: pictures that were handed in, or lines and brightness of the plate itself.

A model that was trained on control takes its pictures in place of the hole's pixels ("reactive" frames: Jiang et al.,
VACE, ICCV 2025, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import EngineFault
from secondtake.messages import ControlKind
from secondtake_daemon.engines.contract import Control
from secondtake_daemon.engines.diffusion.canvas import Canvas

__all__ = ["control_codes"]

Codes = NDArray[np.float32]

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. ITU-R BT.709-6."""
_FINE_PX, _COARSE_PX = 1.0, 1.6
_LINE = 0.02
"""Difference of the two blurs, in codes, that is half a line."""


def control_codes(control: Control, *, frames: Sequence[int], crop: Box, canvas: Canvas, plate: Codes) -> Codes | None:
    """(F, H, W, 3) codes 0 … 1 to be followed, or None if nothing is.

    plate: (F, H, W, 3) codes of the same frames, also in the hole. Raises EngineFault for a kind that needs pictures
    and has none.
    """
    if control.kind is ControlKind.NONE:
        return None
    if control.read is not None:
        found: dict[int, Codes] = {frame: canvas.shrink(control.read(frame, crop)) for frame in dict.fromkeys(frames)}
        return np.asarray(
            np.clip(np.nan_to_num(np.stack([found[frame] for frame in frames]), nan=0.0), 0, 1), np.float32
        )
    grey: Codes = plate @ _WEIGHTS
    if control.kind is ControlKind.GREY:
        return _grey(grey)
    if control.kind is ControlKind.SCRIBBLE:
        return _grey(np.stack([_lines(each) for each in grey]))
    raise EngineFault(
        f"Nothing was given to follow as {control.kind.value}", remedy="Give the pictures, or follow scribble or grey"
    )


def _grey(planes: Codes) -> Codes:
    grey: Codes = np.repeat(planes[..., None], 3, axis=-1)
    return grey


def _lines(grey: Codes) -> Codes:
    """White lines on black: where two blurs of a picture differ (Winnemoeller et al., XDoG, 2012)."""
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (_FINE_PX, _COARSE_PX))
    return np.asarray(np.clip(np.abs(fine - coarse) / (2 * _LINE), 0, 1), np.float32)
