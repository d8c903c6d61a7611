"""The array types of this engine, and its presets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake.messages import Quality

__all__ = ["Colour", "Grey", "Mask", "Matrix", "Plane", "Points", "Preset", "largest", "preset_for"]

Colour = NDArray[np.float32]
"""(height, width, 3) float32."""
Plane = NDArray[np.float32]
"""(height, width) float32."""
Grey = NDArray[np.uint8]
"""(height, width) uint8, a matching picture."""
Mask = NDArray[np.bool_]
"""(height, width)."""
Matrix = NDArray[np.float64]
"""3×3, maps pixel centres (x, y, 1) of the target frame to the source frame."""
Points = NDArray[np.float32]
"""(n, 2) x, y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How much work a quality allows."""

    name: str
    proxy_width_px: int
    """Widest matching picture."""
    views: int
    """Views that each hidden pixel should get."""
    sources: int
    """Source frames tried for one target frame, if one layer explains the shot."""
    sources_layered: int
    """The same where there are several layers."""
    most_layers: int
    bends: bool
    """Surfaces that deform are followed where rigid motions do not explain the picture."""
    tracks: int
    """Points followed from frame to frame."""
    samples: int
    """Frames from which level and noise are measured."""


def largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest of the three last-axis channels (ten times faster than NumPy's reduction over a short axis)."""
    return np.asarray(np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2]), np.float32)


_PRESETS = {
    Quality.FINAL: Preset(
        name="final",
        proxy_width_px=1024,
        views=6,
        sources=12,
        sources_layered=16,
        most_layers=5,
        bends=True,
        tracks=900,
        samples=6,
    ),
    Quality.DRAFT: Preset(
        name="draft",
        proxy_width_px=512,
        views=2,
        sources=5,
        sources_layered=6,
        most_layers=3,
        bends=False,
        tracks=400,
        samples=3,
    ),
}


def preset_for(*, quality: Quality) -> Preset:
    """The preset of a quality."""
    return _PRESETS[quality]
