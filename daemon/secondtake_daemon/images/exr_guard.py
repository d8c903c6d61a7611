"""Look at an EXR before any library does: what it holds, within which limits, and whether it is all there.

Standard library only, some 100 µs a file; no pixel is decoded. Image libraries hang, take gigabytes or skip parts
silently on damaged files; this parser refuses those first. What it lets through can still hold damaged pixels: only the
decoder finds that out.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from secondtake.errors import BadImage, MissingFrames
from secondtake_daemon.images.exr_chunks import read_table
from secondtake_daemon.images.exr_header import MAGIC, Fault, Header, Limits, Truncated, parse
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.roots import check_opened

__all__ = ["LIMITS", "Limits", "inspect"]

LIMITS = Limits()
_FIRST_READ_BYTES = 64 << 10
_RENDER_AGAIN = "Render or copy this frame again"


def inspect(path: Path, *, limits: Limits = LIMITS) -> ExrFile:
    """Parse headers and offset tables, check limits and completeness.

    Raises MissingFrames if there is no such file, BadInput if it lies outside the fence, and BadImage, with the
    reason, for everything else.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise BadImage("This is not a file", remedy="Give an OpenEXR file", path=path)
        with path.open("rb", buffering=0) as handle:
            check_opened(handle, path)
            return _inspect(path, handle, limits)
    except FileNotFoundError as error:
        raise MissingFrames("The file is not there", remedy="Check its name", path=path) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadImage(f"The file cannot be read ({reason})", remedy="Check its rights", path=path) from error
    except Fault as fault:
        raise BadImage(f"The file {fault}", remedy=fault.remedy or _RENDER_AGAIN, path=path) from fault


def _inspect(path: Path, handle: BinaryIO, limits: Limits) -> ExrFile:
    status = os.fstat(handle.fileno())
    size = status.st_size
    header = _header(handle, size, limits)
    if header.data_at > size:
        raise Fault("is cut short: it ends before its pixels begin")
    _check_expansion(header, size, limits)
    for part in header.parts:
        _check_complete(handle, part, header, size)
    return ExrFile(
        path=path,
        size_bytes=size,
        mtime_ns=status.st_mtime_ns,
        parts=header.parts,
        is_multipart=header.is_multipart,
        head_bytes=header.end,
        data_at=header.data_at,
    )


def _header(handle: BinaryIO, size: int, limits: Limits) -> Header:
    """Read as much of the file as its headers need, and no more than a limit."""
    if not size:
        raise Fault("is empty: the frame was not rendered")
    want = _FIRST_READ_BYTES
    while True:
        handle.seek(0)
        data = handle.read(want)
        try:
            return parse(data, limits)
        except Truncated:
            if not struct.pack("<I", MAGIC).startswith(data[:4]):
                raise Fault("is not an EXR", "Give an OpenEXR file") from None
            if len(data) >= size:
                raise Fault("is cut short: it ends inside its header") from None
            if want >= limits.header_bytes:
                raise Fault(f"has a header of over {limits.header_bytes >> 20} MiB", "Remove metadata") from None
            want = min(want * 8, limits.header_bytes)


def _check_expansion(header: Header, size: int, limits: Limits) -> None:
    for part in header.parts:
        if part.decoded_bytes > max(limits.decoded_floor_bytes, limits.decoded_ratio * size):
            box = part.data_window
            raise Fault(
                f"claims {box.width} × {box.height} pixels of {len(part.channels)} channels in only {size} bytes"
            )


def _check_complete(handle: BinaryIO, part: ExrPart, header: Header, size: int) -> None:
    """Writers fill in the offset table last: if it is whole and the last chunk ends inside the file, all is there."""
    offsets = read_table(handle, part)
    if not offsets or not all(offsets):
        raise Fault("is cut short: the frame is not finished (offset table is empty)")
    last = max(offsets)
    if min(offsets) < header.data_at or last >= size:
        raise Fault("is cut short or damaged: its offset table points outside of it")
    handle.seek(last + 4 * header.is_multipart + (16 if part.is_tiled else 4))
    raw = handle.read(4)
    packed = struct.unpack("<i", raw)[0] if len(raw) == 4 else -1
    if packed < 0 or handle.tell() + packed > size:
        raise Fault("is cut short: its last chunk is not whole")
