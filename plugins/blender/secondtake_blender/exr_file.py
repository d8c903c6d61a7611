"""Writes a one-channel float EXR with the standard library: a matte that was painted in Blender, number for number."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["write_matte"]

_MAGIC, _VERSION = 20000630, 2
_FLOAT, _NOT_PACKED, _INCREASING_Y = 2, 0, 0


def write_matte(path: Path, rows: Iterable[array[float]], *, size: tuple[int, int]) -> Iterator[None]:
    """Write `rows` (float32, from the top; `size` = width and height) as channel V, one between two yields.

    The file is whole when it has its name; it is not synced, because nobody can wait for a disk here. Layout: OpenEXR
    file format, scan lines; not packed, because that would take Python longer than the disk.

    Raises OSError, and ValueError for a row of another length.
    """
    width, height = size
    header, row_bytes = _header(width, height), 4 * width
    first = len(header) + 8 * height
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(header)
            file.write(struct.pack(f"<{height}Q", *(first + y * (8 + row_bytes) for y in range(height))))
            for y, row in enumerate(rows):
                if len(row) != width:
                    raise ValueError(f"A row has {len(row)} values and not {width}")
                if sys.byteorder == "big":
                    row.byteswap()
                file.write(struct.pack("<ii", y, row_bytes))
                file.write(row)
                yield
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _header(width: int, height: int) -> bytes:
    channel = b"V\0" + struct.pack("<iB3xii", _FLOAT, 0, 1, 1) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = (
        ("channels", "chlist", channel),
        ("compression", "compression", bytes([_NOT_PACKED])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", bytes([_INCREASING_Y])),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    )
    body = b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return struct.pack("<ii", _MAGIC, _VERSION) + body + b"\0"
