"""The chunks of a checked file: where they lie, and that they are what the offset table says. No decoding, no numpy.

A chunk's leader is [part number, in a multi-part file] · y, or tile column, tile row, level x, level y · packed size;
all int32. A chunk is encoded alone, which is what makes it legal to move or replace one.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from secondtake.errors import BadImage
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.roots import check_opened

__all__ = ["Chunk", "copy_bytes", "damaged", "leader", "leader_bytes", "opened", "read_chunks", "read_table"]

_BUFFER_BYTES = 4 << 10  # small, so that reading a leader does not read much more
_COPY_BYTES = 64 << 10


class Chunk(NamedTuple):
    """Where one chunk lies in its file, leader included."""

    part: int
    number: int
    """Position in the part's offset table."""
    start: int
    end: int


@contextmanager
def opened(file: ExrFile) -> Iterator[BinaryIO]:
    """The file, open for reading; what was checked about it still holds. Raises BadImage if it changed or is gone."""
    try:
        handle = file.path.open("rb", buffering=_BUFFER_BYTES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadImage(f"The file cannot be read ({reason})", remedy="Put it back", path=file.path) from error
    with handle:
        check_opened(handle, file.path)
        status = os.fstat(handle.fileno())
        if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
            raise BadImage(
                "The file changed on disk while it was worked on", remedy="Run the job again", path=file.path
            )
        yield handle


def read_table(handle: BinaryIO, part: ExrPart) -> array[int]:
    """The part's offset table; empty if the file ends before it does."""
    handle.seek(part.table_at)
    raw = handle.read(8 * part.chunk_count)
    table = array("Q")
    if len(raw) == 8 * part.chunk_count:
        table.frombytes(raw)
        if sys.byteorder == "big":
            table.byteswap()
    return table


def leader_bytes(part: ExrPart, *, is_multipart: bool) -> int:
    """Length of a chunk's leader."""
    return 4 * is_multipart + (20 if part.is_tiled else 8)


def leader(part: ExrPart, number: int, packed_bytes: int, *, is_multipart: bool) -> bytes:
    """The leader that a chunk at this position of the (full-resolution) offset table must have."""
    (place,) = _places(part, number, number + 1, is_multipart=is_multipart)
    return struct.pack(f"<{len(place) + 1}i", *place, packed_bytes)


def read_chunks(handle: BinaryIO, file: ExrFile, part: ExrPart, first: int, end: int) -> Iterator[Chunk]:
    """Chunks first … end − 1 of the part's offset table, with their leaders checked. Raises BadImage.

    The place of a tile of a smaller level is not checked.
    """
    table = read_table(handle, part)[first:end]
    if len(table) != end - first:
        raise damaged(file.path)
    length = leader_bytes(part, is_multipart=file.is_multipart)
    fields = struct.Struct(f"<{length // 4}i")
    places = _places(part, first, min(end, part.bands * part.chunks_across), is_multipart=file.is_multipart)
    for number, (start, expected) in enumerate(zip_longest(table, places), first):
        handle.seek(start)
        raw = handle.read(length)
        *place, packed = fields.unpack(raw) if len(raw) == length else (-1,)
        stop = start + length + packed
        if packed < 0 or stop > file.size_bytes or (expected is not None and place != expected):
            raise damaged(file.path)
        yield Chunk(part.index, number, start, stop)


def _places(part: ExrPart, first: int, end: int, *, is_multipart: bool) -> Iterator[list[int]]:
    """What the leaders of full-resolution chunks say before the packed size."""
    number = [part.index] if is_multipart else []
    if part.is_tiled:
        across = part.chunks_across
        return ([*number, at % across, at // across, 0, 0] for at in range(first, end))
    top, rows = part.data_window.y, part.chunk_rows
    return ([*number, top + at * rows] for at in range(first, end))


def copy_bytes(source: BinaryIO, target: BinaryIO, *, at: int, length: int, path: Path) -> None:
    """Append a span of one file to another. Raises BadImage, for path, if the source ends before it."""
    in_kernel = sys.platform == "linux" and length > _COPY_BYTES  # at twice the speed, but only for long spans
    if in_kernel:
        target.flush()
    buffer = memoryview(bytearray(0 if in_kernel else min(length, _COPY_BYTES)))
    source.seek(at)
    while length:
        if in_kernel:
            count = os.sendfile(target.fileno(), source.fileno(), at, length)
        else:
            count = source.readinto(buffer[: min(length, len(buffer))])  # type: ignore[attr-defined]
            target.write(buffer[:count])
        if not count:
            raise damaged(path)
        at, length = at + count, length - count


def damaged(path: Path) -> BadImage:
    """The error for a file whose header is good and whose pixels are not."""
    return BadImage("The file's pixels are damaged", remedy="Render or copy this frame again", path=path)
