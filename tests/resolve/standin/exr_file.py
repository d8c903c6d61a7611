"""Real EXR files, uncompressed half RGBA, written with nothing but the standard library (the OpenEXR file layout)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

Pixel = Callable[[int, int], tuple[float, float, float]]


def write_exr(path: Path, size_px: tuple[int, int], pixel: Pixel) -> None:
    """Write a picture. pixel: R, G, B at x, y. Alpha is 1 everywhere, as in Resolve's renders."""
    width, height = size_px
    channels = b"".join(name + b"\0" + struct.pack("<iB3xii", 1, 0, 1, 1) for name in (b"A", b"B", b"G", b"R")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = b"".join(
        (
            _attribute(b"channels", b"chlist", channels),
            _attribute(b"compression", b"compression", b"\0"),
            _attribute(b"dataWindow", b"box2i", window),
            _attribute(b"displayWindow", b"box2i", window),
            _attribute(b"lineOrder", b"lineOrder", b"\0"),
            _attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1.0)),
            _attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0.0, 0.0)),
            _attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1.0)),
        )
    )
    start = 8 + len(header) + 1 + 8 * height
    row_bytes = 8 + width * 4 * 2
    offsets = struct.pack(f"<{height}Q", *(start + row * row_bytes for row in range(height)))
    rows = [_row(y, width, pixel) for y in range(height)]
    path.write_bytes(struct.pack("<2i", 20000630, 2) + header + b"\0" + offsets + b"".join(rows))


def _row(y: int, width: int, pixel: Pixel) -> bytes:
    pixels = [pixel(x, y) for x in range(width)]
    planes = [1.0] * width + [p[2] for p in pixels] + [p[1] for p in pixels] + [p[0] for p in pixels]
    return struct.pack("<ii", y, width * 4 * 2) + struct.pack(f"<{len(planes)}e", *planes)


def _attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
