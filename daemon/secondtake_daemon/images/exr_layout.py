"""How an EXR lies on disk, as values: parts, channels, windows, chunks. After the OpenEXR file layout specification."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secondtake.boxes import Box

__all__ = ["CHUNK_LINES", "COMPRESSIONS", "LOSSLESS", "Attribute", "ExrChannel", "ExrFile", "ExrPart"]

COMPRESSIONS = (
    "none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab", "htj2k256", "htj2k32", "lj2k", "zstd",
)  # fmt: skip
CHUNK_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32, 256, 1)
LOSSLESS = frozenset({"none", "rle", "zips", "zip", "piz", "htj2k256", "htj2k32", "zstd"})
"""Codecs that give back every bit of every type. (PXR24 does for half, not for float.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One header attribute as it stands in the file."""

    kind: str
    value: bytes
    at: int
    """Offset of the value in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrChannel:
    """One channel of a part."""

    name: str
    kind: str
    """half, float or uint."""
    x_sampling: int
    y_sampling: int

    @property
    def is_subsampled(self) -> bool:
        """True if it has not a sample for every pixel."""
        return (self.x_sampling, self.y_sampling) != (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrPart:
    """One part of a file. Boxes are in pixels, y down; the display window may lie anywhere."""

    index: int
    channels: tuple[ExrChannel, ...]
    data_window: Box
    display_window: Box
    compression: int
    """Index into COMPRESSIONS."""
    decreasing_y: bool
    tiled: bool
    deep: bool
    level_mode: int
    """Of a tiled part: 0 is one level, 1 mip-map, 2 rip-map."""
    offsets: tuple[int, ...] = field(repr=False)
    """Where each chunk begins in the file, in the order of the offset table."""
    attributes: Mapping[str, Attribute] = field(repr=False)

    @property
    def codec(self) -> str:
        """The compression by name."""
        return COMPRESSIONS[self.compression]

    @property
    def is_lossless(self) -> bool:
        """True if decoding and encoding again gives back every bit of this part."""
        halves = all(channel.kind != "float" for channel in self.channels)
        return self.codec in LOSSLESS or (self.codec == "pxr24" and halves)

    @property
    def lines(self) -> int:
        """Scan lines in a chunk."""
        return CHUNK_LINES[self.compression]

    @property
    def colour_interop_id(self) -> str:
        """The colour space by its interop id, or ""."""
        found = self.attributes.get("colorInteropID")
        return found.value.decode("utf-8", "replace") if found and found.kind == "string" else ""

    @property
    def chromaticities(self) -> tuple[float, ...] | None:
        """x and y of red, green, blue and white, or None."""
        found = self.attributes.get("chromaticities")
        return struct.unpack("<8f", found.value) if found and len(found.value) == 32 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrFile:
    """A file that passed the guard: complete, and within the limits."""

    path: Path
    size: int
    mtime_ns: int
    is_multi_part: bool
    parts: tuple[ExrPart, ...]
    tables_at: int
    """End of the headers, begin of the offset tables."""
    data_at: int
    """End of the offset tables, begin of the chunks."""

    @property
    def is_plain(self) -> bool:
        """True for the usual file: one part, scan lines, not deep, every channel at full resolution."""
        part = self.parts[0]
        odd = self.is_multi_part or part.tiled or part.deep
        return not odd and not any(channel.is_subsampled for channel in part.channels)
