"""Edited frames to disk, with everything outside the edit as it was, down to the bytes of the header.

    copy        nothing changes: the file is copied
    splice      plain file, lossless codec: only the chunks the edit touches are encoded, the others are copied
    transplant  anything else: all pixels are encoded again without loss, the plate's header is kept

A lossy codec is replaced by ZIP, because encoding again would change every pixel; its byte in the header is then the
only one that differs. The library writes into memory; the file is put together here.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images import exr_deflate
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import COMPRESSIONS, ExrFile, ExrPart
from secondtake_daemon.images.exr_read import Plane, Planes, read_planes, scratch_file

__all__ = ["Edit", "Written", "check_editable", "write_edited", "write_new"]

_ZIP = COMPRESSIONS.index("zip")
_COPY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """New samples for some channels of one part."""

    part: int
    box: Box
    """Inside the part's data window."""
    planes: Mapping[str, Plane]
    """Per edited channel (box.height, box.width), in the file's own sample type."""
    where: NDArray[np.bool_]
    """(box.height, box.width): samples that change. All others keep the file's bits."""
    band: Planes | None = None
    """All channels of the part over at least the rows of box, if they are decoded already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a frame was written."""

    way: str
    """copy, splice or transplant."""
    chunks: tuple[tuple[int, int], ...] = ()
    """Of a splice: runs of chunks that were encoded anew, first and one behind the last."""


def check_editable(file: ExrFile, part: int, channels: Sequence[str]) -> None:
    """Raise BadImage if these channels cannot be changed without touching anything else."""
    for channel in file.parts[part].channels:
        if channel.name in channels and channel.kind == "uint":
            raise BadImage("The file's colour channels are integers", remedy="Save it as half or float", path=file.path)
    if any(channel.is_subsampled for found in file.parts for channel in found.channels):
        raise BadImage("The file has subsampled channels (luma-chroma)", remedy="Save it as RGB", path=file.path)
    if any(found.level_mode for found in file.parts):
        raise BadImage("The file holds mip-map levels", remedy="Save it with one level", path=file.path)


def write_edited(file: ExrFile, dest: Path, edit: Edit | None) -> Written:
    """Write the file to dest with the edit put in. dest is made or overwritten; durability is the caller's business.

    Raises BadImage if the plate cannot be decoded, OSError or RuntimeError if the disk is full.
    """
    if edit is None or not edit.where.any():
        shutil.copyfile(file.path, dest)
        return Written(way="copy")
    part = file.parts[edit.part]
    ascending = all(a < b for a, b in zip(part.offsets, part.offsets[1:], strict=False))
    if file.is_plain and part.is_lossless and ascending:
        return _splice(file, part, dest, edit)
    _transplant(file, dest, edit)
    return Written(way="transplant")


def write_new(
    dest: Path,
    *,
    data_window: Box,
    planes: Mapping[str, Plane],
    display_window: Box | None = None,
    compression: str = "zip",
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write a plain new file. attributes: as OpenEXR's Python module takes them."""
    header = {
        **_header(data_window, COMPRESSIONS.index(compression), display_window),
        **(attributes or {}),
    }
    OpenEXR.File(header, {name: np.ascontiguousarray(plane) for name, plane in planes.items()}).write(str(dest))


# --- splice -----------------------------------------------------------------------------------------------------


def _splice(file: ExrFile, part: ExrPart, dest: Path, edit: Edit) -> Written:
    runs = _touched_runs(part, edit)
    encoded = [_encode_run(file, part, edit, run) for run in runs]
    ends = (*part.offsets[1:], file.size)
    table = list(part.offsets)
    pieces: list[bytes | tuple[int, int]] = []
    at, source, chunk = file.data_at, file.data_at, 0
    for (first, last), (data, starts) in zip(runs, encoded, strict=True):
        pieces.append((source, part.offsets[first] - source))
        moved = at - source
        table[chunk:first] = [offset + moved for offset in part.offsets[chunk:first]]
        at += part.offsets[first] - source
        table[first:last] = [at + start for start in starts]
        pieces.append(data)
        at += len(data)
        source, chunk = ends[last - 1], last
    table[chunk:] = [offset + at - source for offset in part.offsets[chunk:]]
    pieces.append((source, file.size - source))
    _assemble(file.path, dest, struct.pack(f"<{len(table)}Q", *table), file.tables_at, pieces)
    return Written(way="splice", chunks=tuple(runs))


def _touched_runs(part: ExrPart, edit: Edit) -> list[tuple[int, int]]:
    """Runs of chunks that hold a row of the edit."""
    rows = np.flatnonzero(edit.where.any(axis=1)) + edit.box.y - part.data_window.y
    chunks = np.unique(rows // part.lines)
    borders = np.flatnonzero(np.diff(chunks) > 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(chunks, borders)]


def _encode_run(file: ExrFile, part: ExrPart, edit: Edit, run: tuple[int, int]) -> tuple[bytes, list[int]]:
    """The run's chunks with the edit put in: (bytes, where each chunk starts in them)."""
    window, lines = part.data_window, part.lines
    top, bottom = window.y + run[0] * lines, min(window.y + run[1] * lines, window.bottom)
    rows = Box(window.x, top, window.width, bottom - top)
    band = edit.band if edit.band is not None and edit.band.box.contains(rows) else None
    if band is None:
        band = read_planes(file, part=part.index, rows=(top, bottom))
    planes = {name: _selected(plane, band.box, rows, name, edit) for name, plane in band.planes.items()}
    if part.codec in exr_deflate.CODECS:
        return _with_leaders(exr_deflate.encode_chunks(planes, lines=lines), top, lines)
    with scratch_file() as (descriptor, path):
        OpenEXR.File(_header(rows, part.compression), planes).write(path)
        return _chunks_in(descriptor, len(range(*run)))


def _with_leaders(chunks: list[bytes], top: int, lines: int) -> tuple[bytes, list[int]]:
    """Packed chunks, each behind its first row and its length."""
    whole = [struct.pack("<ii", top + index * lines, len(data)) + data for index, data in enumerate(chunks)]
    lengths = [len(chunk) for chunk in whole]
    return b"".join(whole), [sum(lengths[:index]) for index in range(len(lengths))]


def _selected(plane: Plane, held: Box, rows: Box, name: str, edit: Edit) -> Plane:
    """The rows of one channel, contiguous, with the edit's bits where it says so. Selection, never arithmetic."""
    out = np.array(plane[rows.within(held)], order="C", copy=True)
    common = edit.box.intersect(rows)
    if name in edit.planes and not common.is_empty:
        inside = common.within(edit.box)
        bits = np.dtype(f"u{out.itemsize}")
        new = np.ascontiguousarray(edit.planes[name], out.dtype).view(bits)
        np.copyto(out.view(bits)[common.within(rows)], new[inside], where=edit.where[inside])
    return out


def _chunks_in(descriptor: int, count: int) -> tuple[bytes, list[int]]:
    """Chunks of a plain file just written by the library."""
    raw = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    data_at = _end_of_header(raw) + 8 * count
    table = struct.unpack_from(f"<{count}Q", raw, data_at - 8 * count)
    return raw[data_at:], [offset - data_at for offset in table]


def _end_of_header(raw: bytes) -> int:
    at = 8
    while raw[at]:
        at = raw.index(b"\0", raw.index(b"\0", at) + 1) + 1
        at += 4 + int(struct.unpack_from("<i", raw, at)[0])
    return at + 1


# --- transplant -------------------------------------------------------------------------------------------------


def _transplant(file: ExrFile, dest: Path, edit: Edit) -> None:
    """Encode all parts anew, without loss, and put the plate's header before them."""
    with scratch_file() as (_, path):
        _encode_all(file, edit, path)
        new = inspect(Path(path))
        head = _patched_head(file, new)
        shift = len(head) - new.tables_at
        table = struct.pack(
            f"<{sum(len(part.offsets) for part in new.parts)}Q",
            *(offset + shift for part in new.parts for offset in part.offsets),
        )
        body = [(new.data_at, new.size - new.data_at)]
        _assemble(Path(path), dest, table, 0, body, head=head)


def _encode_all(file: ExrFile, edit: Edit, path: str) -> None:
    parts = []
    for part in file.parts:
        planes = read_planes(file, part=part.index).planes
        window = part.data_window
        if part.index == edit.part:
            planes = {name: _selected(plane, window, window, name, edit) for name, plane in planes.items()}
        parts.append(OpenEXR.Part(_part_header(part, file.is_multi_part), dict(planes)))
    OpenEXR.File(parts).write(path)


def _part_header(part: ExrPart, is_multi_part: bool) -> dict[str, Any]:
    compression = part.compression if part.is_lossless else _ZIP
    header = _header(part.data_window, compression, part.display_window)
    if part.tiled:
        width, height, _ = struct.unpack("<IIB", part.attributes["tiles"].value)
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = width, height
        header |= {"type": OpenEXR.tiledimage, "tiles": tiles}
    if is_multi_part:
        header["name"] = part.attributes["name"].value.decode("utf-8", "replace")
    return header


def _patched_head(file: ExrFile, new: ExrFile) -> bytes:
    """The plate's header bytes; only codec and chunk count of a lossy part are brought in line."""
    with file.path.open("rb") as opened:
        head = bytearray(opened.read(file.tables_at))
    for old, made in zip(file.parts, new.parts, strict=True):
        if (old.data_window, old.tiled) != (made.data_window, made.tiled) or old.channels != made.channels:
            raise BadImage(
                "The file is of a kind that cannot be edited", remedy="Save it as a flat EXR", path=file.path
            )
        head[old.attributes["compression"].at] = made.compression
        if "chunkCount" in old.attributes:
            struct.pack_into("<i", head, old.attributes["chunkCount"].at, len(made.offsets))
    return bytes(head)


# --- files ------------------------------------------------------------------------------------------------------


def _header(window: Box, compression: int, display: Box | None = None) -> dict[str, Any]:
    return {
        "compression": OpenEXR.Compression(compression),
        "type": OpenEXR.scanlineimage,
        "dataWindow": _corners(window),
        "displayWindow": _corners(display or window),
    }


def _corners(box: Box) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([box.x, box.y], np.int32), np.array([box.right - 1, box.bottom - 1], np.int32)


def _assemble(
    source: Path,
    dest: Path,
    table: bytes,
    head_bytes: int,
    pieces: Sequence[bytes | tuple[int, int]],
    *,
    head: bytes = b"",
) -> None:
    """Write head (or the first head_bytes of source), table, then bytes and (offset, length) spans of source."""
    with source.open("rb") as old, dest.open("wb") as new:
        new.write(head or old.read(head_bytes))
        new.write(table)
        for piece in pieces:
            if isinstance(piece, bytes):
                new.write(piece)
            else:
                _copy_span(old, new, *piece)


def _copy_span(old: BinaryIO, new: BinaryIO, at: int, length: int) -> None:
    """Copy bytes from file to file; on Linux the kernel does it, at twice the speed."""
    new.flush()
    while length > 0:
        if sys.platform == "linux":
            done = os.sendfile(new.fileno(), old.fileno(), at, min(length, _COPY_BYTES))
        else:
            old.seek(at)
            done = new.write(old.read(min(length, _COPY_BYTES)))
        if not done:
            raise BadImage("The plate became shorter while it was read", remedy="Run the job again", path=old.name)
        at, length = at + done, length - done
