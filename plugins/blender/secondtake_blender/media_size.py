"""Width and height of an image from its first bytes: EXR, PNG, JPEG, TIFF, DPX. Opens a file, so not in a draw.

Blender's own answer costs decoding the whole image, and a strip's sizes may be undefined.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

__all__ = ["image_size"]

_MOST_HEADER_BYTES = 1 << 20
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels, of an EXR its display window's; None if the file is none of these, or broken."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            reader = _reader(start)
            size = reader(file) if reader else None
    except (OSError, struct.error, ValueError):
        return None
    return size if size is not None and min(size) > 0 else None


def _reader(start: bytes) -> Callable[[BinaryIO], tuple[int, int] | None] | None:
    if start.startswith(b"\xff\xd8"):
        return _jpeg
    return {
        b"\x76\x2f\x31\x01": _exr,
        b"\x89PNG": _png,
        b"II*\0": _tiff,
        b"MM\0*": _tiff,
        b"SDPX": _dpx,
        b"XPDS": _dpx,
    }.get(start)


def _exr(file: BinaryIO) -> tuple[int, int] | None:
    """OpenEXR file layout: after magic and version, attributes of name, type, size and value."""
    header = file.read(_MOST_HEADER_BYTES)
    at = 8
    while header[at : at + 1] not in (b"", b"\0"):
        name_end = header.index(b"\0", at)
        type_end = header.index(b"\0", name_end + 1)
        (count,) = struct.unpack_from("<i", header, type_end + 1)
        if header[at:name_end] == b"displayWindow":
            left, top, right, bottom = struct.unpack_from("<4i", header, type_end + 5)
            return right - left + 1, bottom - top + 1
        at = type_end + 5 + max(count, 0)
    return None


def _png(file: BinaryIO) -> tuple[int, int]:
    width, height = struct.unpack(">II", file.read(24)[16:24])
    return width, height


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """ITU T.81, annex B: segments until the one that begins a frame."""
    file.seek(2)
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        if head[1] in _JPEG_ALONE:
            continue
        (count,) = struct.unpack(">H", file.read(2))
        if head[1] in _JPEG_FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(count - 2, 1)
    return None


def _tiff(file: BinaryIO) -> tuple[int, int] | None:
    """TIFF 6.0, section 2: the first directory."""
    order = "<" if file.read(4)[:2] == b"II" else ">"
    (start,) = struct.unpack(f"{order}I", file.read(4))
    file.seek(start)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    found = {}
    for _ in range(count):
        tag, kind, _, value = struct.unpack(f"{order}HHI4s", file.read(12))
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            (found[tag],) = struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", value)
    return (found[_TIFF_WIDTH], found[_TIFF_HEIGHT]) if len(found) == 2 else None


def _dpx(file: BinaryIO) -> tuple[int, int]:
    """SMPTE 268M: pixels per line and lines at byte 772."""
    order = ">" if file.read(4) == b"SDPX" else "<"
    file.seek(772)
    width, height = struct.unpack(f"{order}II", file.read(8))
    return width, height
