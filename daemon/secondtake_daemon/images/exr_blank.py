"""Frames that nobody shot: empty, of the plate's kind, so that what is made there has a file to stand in.

They have the plate's parts, channels, sample types, windows and colour; their samples are 0, but for an alpha that goes
with the picture: that is 1. Of the plate's other attributes they have its rate, its pixel shape and the time code that
follows; what a camera said of one frame is not true of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from secondtake.boxes import Box
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_codec import NewPart, write_parts
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import Compression, ExrFile, ExrPart
from secondtake_daemon.images.second import SecondImage
from secondtake_daemon.images.timecode import moved_on

__all__ = ["BlankKind", "kind_like", "kind_of_size", "write_blank"]

_ASPECT = "PixelAspectRatio"
"""What OpenImageIO calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _BlankPart:
    name: str
    data_window: Box
    display_window: Box
    channels: tuple[tuple[str, str, int], ...]
    """Name, numpy type and value of each."""
    compression: Compression
    attributes: tuple[tuple[str, Any], ...]
    rate: tuple[int, int] | None
    time_code: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankKind:
    """What is the same for all empty frames that go on from one frame of a plate; `repr` tells kinds apart."""

    parts: tuple[_BlankPart, ...]


def kind_like(path: Path) -> BlankKind:
    """As a frame of the plate. Raises BadImage."""
    file = inspect(path)
    with SecondImage(path) as image:
        aspects = {part.index: part.attributes.get(_ASPECT, "") for part in image.parts}
    opaque = _alpha(file)
    return BlankKind(parts=tuple(_part_like(part, aspects.get(part.index, ""), opaque) for part in file.parts))


def kind_of_size(*, width: int, height: int, rate: Fraction, colour: Mapping[str, Any]) -> BlankKind:
    """A plain R, G, B of half samples. colour: attributes that say its colour space."""
    box = Box(0, 0, width, height)
    part = _BlankPart(
        name="",
        data_window=box,
        display_window=box,
        channels=tuple((name, "float16", 0) for name in "BGR"),
        compression=Compression.ZIP,
        attributes=tuple(sorted(colour.items())),
        rate=(rate.numerator, rate.denominator),
        time_code=None,
    )
    return BlankKind(parts=(part,))


def write_blank(dest: Path, kind: BlankKind, *, apart: int) -> None:
    """Write one. apart: frames from the plate's frame to this one, negative before it. Raises OSError, RuntimeError."""
    write_parts(str(dest), [_new_part(part, apart) for part in kind.parts])


def _alpha(file: ExrFile) -> tuple[int, str]:
    """Part and name of the alpha that goes with the picture."""
    part, channels = main_channels(file)
    layer = channels[0].rpartition(".")[0]
    return part, f"{layer}.A" if layer else "A"


def _part_like(part: ExrPart, aspect: str, opaque: tuple[int, str]) -> _BlankPart:
    attributes: dict[str, Any] = {"pixelAspectRatio": float(aspect.split()[-1])} if aspect else {}
    if part.chromaticities is not None:
        attributes["chromaticities"] = part.chromaticities
    if part.colour_interop_id:
        attributes["colorInteropID"] = part.colour_interop_id
    return _BlankPart(
        name=part.name,
        data_window=part.data_window,
        display_window=part.display_window,
        channels=tuple((each.name, each.type.dtype, int((part.index, each.name) == opaque)) for each in part.channels),
        compression=part.compression if part.is_lossless and not part.is_tiled else Compression.ZIP,
        attributes=tuple(sorted(attributes.items())),
        rate=part.frames_per_second,
        time_code=part.time_code,
    )


def _new_part(part: _BlankPart, apart: int) -> NewPart:
    attributes = dict(part.attributes)
    if part.rate is not None and part.rate[1] > 0:
        attributes["framesPerSecond"] = Fraction(*part.rate)
    code = moved_on(part.time_code, part.rate, apart) if part.time_code else None
    if code is not None:
        attributes["timeCode"] = OpenEXR.TimeCode(*code, *(0,) * 14)
    shape = part.data_window.height, part.data_window.width
    return NewPart(
        name=part.name,
        data_window=part.data_window,
        display_window=part.display_window,
        planes={name: np.full(shape, value, dtype) for name, dtype, value in part.channels},
        compression=part.compression,
        attributes=attributes,
    )
