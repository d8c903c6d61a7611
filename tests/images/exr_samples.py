"""EXR files for the tests, written and read with the library itself: no product code vouches for product code."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
from numpy.typing import NDArray

LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "HTJ2K256", "HTJ2K32", "ZSTD")
LOSSY = ("B44", "B44A", "DWAA", "DWAB", "LJ2K")

SPECIAL = (-0.0, 0.0, np.nan, np.inf, -np.inf, 65504, -65504, 6e-8, -6e-8)

Bits = NDArray[np.unsignedinteger[Any]]
Planes = dict[str, NDArray[Any]]
RGB_AND_MORE = {"A": "f2", "B": "f2", "G": "f2", "R": "f2", "depth.Z": "f4", "id": "u4"}


@dataclass(frozen=True)
class Part:
    """One part to write. Channels are name → numpy type code."""

    channels: Mapping[str, str] = field(default_factory=lambda: {"B": "f2", "G": "f2", "R": "f2"})
    size: tuple[int, int] = (50, 70)
    """Width, height."""
    corner: tuple[int, int] = (0, 0)
    display: tuple[int, int, int, int] | None = None
    """Inclusive corners."""
    codec: str = "ZIP"
    tile: tuple[int, int] | None = None
    decreasing: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def any_bits(kind: str, shape: tuple[int, int], random: np.random.Generator) -> NDArray[Any]:
    """Samples of a type with every kind of pattern: NaN with payloads, infinities, subnormals, −0."""
    size = int(kind[1])
    values = random.integers(0, 1 << (8 * size), shape, dtype=f"u{size}").view(kind)
    if kind[0] == "f":
        spots = random.random(shape) < 0.1
        values[spots] = random.choice(np.array(SPECIAL, kind), int(spots.sum()))
    return values


def all_halves() -> NDArray[np.float16]:
    """Every half there is, as 256 × 256."""
    return np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)


def planes_for(part: Part, seed: int = 0) -> Planes:
    """Random bits for each channel."""
    random = np.random.default_rng(seed)
    width, height = part.size
    return {name: any_bits(kind, (height, width), random) for name, kind in part.channels.items()}


def smooth_planes(part: Part) -> Planes:
    """Samples that a codec makes smaller. (It stores noise as it is, and any bytes are good noise.)"""
    y, x = np.indices(part.size[::-1])
    return {name: (np.abs(np.sin(x / 9 + y / 7)) * 1000).astype(kind) for name, kind in part.channels.items()}


def write_parts(path: Path, parts: Sequence[Part], planes: Sequence[Planes] | None = None) -> Path:
    """Write with OpenEXR."""
    planes = planes or [planes_for(part, seed) for seed, part in enumerate(parts)]
    made = []
    for index, (part, pixels) in enumerate(zip(parts, planes, strict=True)):
        header = _header(part)
        if len(parts) > 1:
            header["name"] = f"part {index}"
        made.append(OpenEXR.Part(header, dict(pixels)))
    OpenEXR.File(made).write(str(path))
    return path


def write_plate(path: Path, part: Part | None = None, *, planes: Planes | None = None, seed: int = 0) -> Path:
    """Write a file of one part with OpenEXR."""
    part = part or Part()
    return write_parts(path, [part], [planes or planes_for(part, seed)])


def bits_of(path: Path) -> list[dict[str, Bits]]:
    """Every sample of every part, as OpenEXR reads the whole file."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return [{name: as_bits(channel.pixels) for name, channel in part.channels.items()} for part in file.parts]


def oiio_bits(path: Path) -> list[dict[str, Bits]]:
    """The same through OpenImageIO, channel by channel in its own type."""
    found, index = [], 0
    image = OpenImageIO.ImageInput.open(str(path))
    while image.seek_subimage(index, 0):
        spec = image.spec()
        kinds = spec.channelformats or (spec.format,) * spec.nchannels
        planes = {}
        for at, (name, kind) in enumerate(zip(spec.channelnames, kinds, strict=True)):
            read = np.ascontiguousarray(image.read_image(index, 0, at, at + 1, str(kind)))
            planes[name] = as_bits(read.reshape(spec.height, spec.width))
        found.append(planes)
        index += 1
    image.geterror()
    return found


def as_bits(plane: NDArray[Any]) -> Bits:
    """A view that tells −0 from +0 and one NaN from another."""
    return np.ascontiguousarray(plane).view(f"u{plane.dtype.itemsize}")


def with_attribute(path: Path, name: str, kind: str, value: bytes, *, head_bytes: int, chunks: int) -> None:
    """Put an attribute in front of a single-part file's header, by hand: the library refuses to write odd ones."""
    raw = path.read_bytes()
    entry = name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    table = struct.unpack_from(f"<{chunks}Q", raw, head_bytes)
    moved = struct.pack(f"<{chunks}Q", *(offset + len(entry) for offset in table))
    path.write_bytes(raw[:8] + entry + raw[8:head_bytes] + moved + raw[head_bytes + 8 * chunks :])


def _header(part: Part) -> dict[str, Any]:
    x, y = part.corner
    width, height = part.size
    left, top, right, bottom = part.display or (x, y, x + width - 1, y + height - 1)
    header = {
        "compression": getattr(OpenEXR, f"{part.codec}_COMPRESSION"),
        "type": OpenEXR.tiledimage if part.tile else OpenEXR.scanlineimage,
        "dataWindow": (np.array([x, y], np.int32), np.array([x + width - 1, y + height - 1], np.int32)),
        "displayWindow": (np.array([left, top], np.int32), np.array([right, bottom], np.int32)),
        **part.extra,
    }
    if part.decreasing:
        header["lineOrder"] = OpenEXR.DECREASING_Y
    if part.tile:
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = part.tile
        header["tiles"] = tiles
    return header
