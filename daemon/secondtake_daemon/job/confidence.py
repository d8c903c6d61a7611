"""How the pixels of a frame are known: checked as the engine says it, counted, and laid out as a layer of the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadImage, EngineFault
from secondtake.messages import Knowledge
from secondtake_daemon.composite.matte import Stitch
from secondtake_daemon.engines.contract import Known
from secondtake_daemon.images.exr_layers import CONFIDENCE
from secondtake_daemon.images.exr_layout import ExrFile, SampleType

__all__ = ["KnownSamples", "LayerPlanes", "check_known", "count_known", "layer_planes"]

KnownSamples = NDArray[np.uint8]
"""(n,) of `Known`: one for each pixel of a patch's samples."""
_WAYS = (Known.SEEN, Known.CARRIED, Known.INVENTED)


@dataclass(frozen=True, slots=True)
class LayerPlanes:
    """The confidence layer over the box of the stitch matte: 1 where a pixel is known in a channel's way, else 0."""

    edited: dict[str, NDArray[Any]]
    """Channels that the plate has already, in its sample type."""
    added: dict[str, NDArray[np.float16]]
    """Channels that it has not."""


def check_known(known: KnownSamples, *, frame: int, engine: str) -> None:
    """Raise EngineFault if an engine does not say of every pixel how it knows it."""
    unsaid = int(np.count_nonzero((known < min(_WAYS)) | (known > max(_WAYS))))
    if unsaid:
        raise EngineFault(
            f"The engine '{engine}' does not say how it knows {unsaid} pixels of frame {frame}",
            remedy="Nothing was written; please report this, or try another engine",
        )


def count_known(known: KnownSamples) -> Knowledge:
    """How many pixels are known in each way."""
    counts = np.bincount(known, minlength=len(Known)).tolist()
    return Knowledge(seen=counts[Known.SEEN], carried=counts[Known.CARRIED], invented=counts[Known.INVENTED])


def layer_planes(known: KnownSamples, *, stitch: Stitch, file: ExrFile, part: int) -> LayerPlanes:
    """Planes over stitch.box. known: the pixels where the stitch matte is above 0, in row order.

    Raises BadImage if the plate has channels of these names that cannot hold the layer.
    """
    here, inside = file.parts[part], stitch.alpha > 0
    planes = LayerPlanes({}, {})
    for name, way in zip(CONFIDENCE.channels, _WAYS, strict=True):
        plane = np.zeros(inside.shape, np.float16)
        plane[inside] = known == way
        if name not in here.names:
            planes.added[name] = plane
            continue
        if here.channel(name).type is SampleType.UINT:
            raise BadImage(
                f"The plate's own channel {name} holds integers", remedy="Rename it, or leave out --aov", path=file.path
            )
        planes.edited[name] = plane.astype(here.channel(name).type.dtype)
    return planes
