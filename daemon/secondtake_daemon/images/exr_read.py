"""EXR pixels to arrays. OpenEXR decodes; what it is given, and what it gives back, is checked here.

A plain file is never opened by the library itself. It gets a small new file in memory, with a clean header and just the
chunks that are wanted: only those are decoded, and no odd attribute can stop it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart

__all__ = ["Plane", "Planes", "read_all", "read_planes", "scratch_file"]

Plane = NDArray[Any]
"""(height, width) float16, float32 or uint32, C-contiguous, as the file has it."""

_DTYPES = {"half": np.dtype(np.float16), "float": np.dtype(np.float32), "uint": np.dtype(np.uint32)}


@dataclass(frozen=True, slots=True)
class Planes:
    """Decoded channels of one part, all over the same box."""

    box: Box
    planes: Mapping[str, Plane]


def read_planes(
    file: ExrFile, *, part: int = 0, rows: tuple[int, int] | None = None, channels: Sequence[str] | None = None
) -> Planes:
    """Decode one part. rows: first and one behind the last, in pixel coordinates; more may come back, never less.

    channels: None is all; they come in file order, in the file's own sample type. Raises BadImage.
    """
    found = file.parts[part]
    wanted = [c.name for c in found.channels if channels is None or c.name in channels]
    if file.is_plain:
        box, planes = _read_band(file, found, rows)
    else:
        box, planes = found.data_window, read_all(file)[part]
    return Planes(box, {name: planes[name] for name in wanted})


def read_all(file: ExrFile) -> list[dict[str, Plane]]:
    """All channels of all parts, as the file has them. Raises BadImage."""
    if file.is_plain:
        return [_read_band(file, file.parts[0], None)[1]]
    decoded = _decode(str(file.path), file.path)
    if len(decoded) != len(file.parts):
        raise _undecodable(file.path)
    return [
        _checked(planes, part, part.data_window, file.path) for planes, part in zip(decoded, file.parts, strict=True)
    ]


@contextmanager
def scratch_file() -> Iterator[tuple[int, str]]:
    """An empty file in memory that libraries can open by name: (descriptor, path). Gone at the end."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("secondtake")
        try:
            yield descriptor, f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with NamedTemporaryFile(suffix=".exr") as named:
            yield named.fileno(), named.name


def _read_band(file: ExrFile, part: ExrPart, rows: tuple[int, int] | None) -> tuple[Box, dict[str, Plane]]:
    window = part.data_window
    first, last = (0, len(part.offsets)) if rows is None else _chunks_of(part, rows)
    y = window.y + first * part.lines
    band = Box(window.x, y, window.width, min(last * part.lines, window.height) - first * part.lines)
    head = _clean_header(part, band)
    table_bytes = 8 * (last - first)
    pieces = [*_chunk_bytes(file, part, first, last)]
    at, table = len(head) + table_bytes, []
    for piece in pieces:
        table.append(at)
        at += len(piece)
    with scratch_file() as (descriptor, path):
        _write_whole(descriptor, b"".join([head, struct.pack(f"<{len(table)}Q", *table), *pieces]))
        decoded = _decode(path, file.path)
    if len(decoded) != 1:
        raise _undecodable(file.path)
    return band, _checked(decoded[0], part, band, file.path)


def _chunks_of(part: ExrPart, rows: tuple[int, int]) -> tuple[int, int]:
    """First chunk and one behind the last, for rows inside the data window."""
    first = (rows[0] - part.data_window.y) // part.lines
    return first, -(-(rows[1] - part.data_window.y) // part.lines)


def _chunk_bytes(file: ExrFile, part: ExrPart, first: int, last: int) -> Iterator[bytes]:
    """The chunks as they stand, each with its leader (y, packed size). Refuses those that are not where they belong."""
    try:
        with file.path.open("rb") as opened:
            for index in range(first, last):
                leader = os.pread(opened.fileno(), 8, part.offsets[index])
                y, packed = struct.unpack("<ii", leader) if len(leader) == 8 else (0, -1)
                raw = os.pread(opened.fileno(), max(packed, 0), part.offsets[index] + 8)
                if y != part.data_window.y + index * part.lines or packed < 0 or len(raw) != packed:
                    raise _undecodable(file.path)
                yield leader + raw
    except OSError as error:
        raise BadImage(f"The file cannot be read ({error.strerror})", path=file.path) from error


def _clean_header(part: ExrPart, band: Box) -> bytes:
    """Magic, version and the eight required attributes, for the rows of a band."""
    window = struct.pack("<4i", band.x, band.y, band.right - 1, band.bottom - 1)
    attributes = [
        ("channels", "chlist", part.attributes["channels"].value),
        ("compression", "compression", bytes([part.compression])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    flags = 0x400 if any(len(channel.name.encode("utf-8", "surrogateescape")) > 31 for channel in part.channels) else 0
    packed = b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return struct.pack("<II", 20000630, 2 | flags) + packed + b"\0"


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _decode(openable: str, path: Path) -> list[dict[str, Plane]]:
    """What the library makes of a file. It raises anything on a damaged one, or prints and leaves parts out."""
    try:
        opened = OpenEXR.File(openable, separate_channels=True)
        return [{name: channel.pixels for name, channel in part.channels.items()} for part in opened.parts]
    except Exception as error:
        raise _undecodable(path) from error


def _checked(planes: dict[str, Plane], part: ExrPart, box: Box, path: Path) -> dict[str, Plane]:
    """The planes in the header's order. Raises BadImage if they are not what the header promised."""
    found = {}
    for channel in part.channels:
        plane = planes.get(channel.name)
        if plane is None or plane.dtype != _DTYPES[channel.kind]:
            raise _undecodable(path)
        if not channel.is_subsampled and plane.shape != (box.height, box.width):
            raise _undecodable(path)
        found[channel.name] = np.ascontiguousarray(plane)
    return found


def _undecodable(path: Path) -> BadImage:
    return BadImage("The file's pixels are damaged", remedy="Render or copy this frame again", path=path)
