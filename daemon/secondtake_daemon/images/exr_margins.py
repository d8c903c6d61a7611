"""Which rows of a matte are worth decoding: most of one is empty, and packed empty chunks look alike."""

from __future__ import annotations

from secondtake_daemon.images.exr_chunks import leader_bytes, opened, read_chunks
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_read import read_planes

__all__ = ["used_rows"]


def used_rows(file: ExrFile, part: ExrPart) -> tuple[int, int] | None:
    """Rows outside of which every sample is 0: the first, and one behind the last. None if there are no others.

    A chunk whose packed bytes are those of an empty one is empty too, so only two are decoded to find out. Works for
    scan lines; for tiles it gives all rows. May give more rows than needed, never less.
    """
    window, lines = part.data_window, part.chunk_rows
    if part.is_tiled or any(channel.is_subsampled for channel in part.channels):
        return window.y, window.bottom
    packed = _packed(file, part)
    first, end = 0, len(packed)
    if end > 1 and _is_empty(file, part, end - 1):  # the last one may have fewer lines, and so other bytes
        end -= 1
    if _is_empty(file, part, 0):
        empty = packed[0]
        while first < end and packed[first] == empty:
            first += 1
        while end > first and packed[end - 1] == empty:
            end -= 1
    if first == end:
        return None
    return window.y + first * lines, min(window.y + end * lines, window.bottom)


def _packed(file: ExrFile, part: ExrPart) -> list[bytes]:
    """The packed bytes of each chunk, without its leader."""
    skip = leader_bytes(part, is_multipart=file.is_multipart)
    found = []
    with opened(file) as handle:
        for chunk in list(read_chunks(handle, file, part, 0, part.chunk_count)):
            handle.seek(chunk.start + skip)
            found.append(handle.read(chunk.end - chunk.start - skip))
    return found


def _is_empty(file: ExrFile, part: ExrPart, band: int) -> bool:
    box = part.band_box(band, band + 1)
    planes = read_planes(file, part=part.index, rows=(box.y, box.bottom)).planes
    return not any(plane.any() for plane in planes.values())
