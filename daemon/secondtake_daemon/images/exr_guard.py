"""Look at an EXR before any library does: what it holds, within which limits, and whether it is all there.

Standard library only, some 50 µs a file; no pixel is decoded. Image libraries hang, take gigabytes or skip parts
silently on damaged files; this parser refuses them first.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_layout import CHUNK_LINES, COMPRESSIONS, Attribute, ExrChannel, ExrFile, ExrPart

__all__ = ["LIMITS", "Limits", "inspect"]

_MAGIC = 20000630
_TILED, _LONG_NAMES, _DEEP, _MULTI_PART = 0x200, 0x400, 0x800, 0x1000
_KNOWN_FLAGS = _TILED | _LONG_NAMES | _DEEP | _MULTI_PART
_FIRST_READ_BYTES = 64 << 10
_SAMPLE_BYTES = {"uint": 4, "half": 2, "float": 4}
_PIXEL_KINDS = ("uint", "half", "float")
_REQUIRED = {
    "dataWindow": ("box2i", 16),
    "displayWindow": ("box2i", 16),
    "pixelAspectRatio": ("float", 4),
    "screenWindowWidth": ("float", 4),
    "screenWindowCenter": ("v2f", 8),
    "lineOrder": ("lineOrder", 1),
    "compression": ("compression", 1),
    "channels": ("chlist", None),
}
_RENDER_AGAIN = "Render or copy this frame again"
_NOT_FOR_US = "Save it as a flat EXR of ordinary size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is let through: far above what productions use, far below what harms."""

    header_bytes: int = 4 << 20
    parts: int = 64
    attributes: int = 1024
    attribute_bytes: int = 1 << 20
    side_px: int = 32768
    area_px: int = 32768 * 16384
    coordinate: int = 1 << 30
    channels: int = 1024
    tile_px: int = 8192
    decoded_bytes: int = 4 << 30
    decoded_ratio: int = 1000
    """Decoded bytes of a part per byte of the file; below 1 MiB decoded anything goes."""


LIMITS = Limits()


class _Refusal(Exception):
    """Why a file is refused: the end of a sentence that begins with "The file"."""

    remedy = _RENDER_AGAIN


class _OverLimit(_Refusal):
    remedy = _NOT_FOR_US


class _NeedsMore(_Refusal):
    """The bytes at hand end inside the header."""


def inspect(path: Path, *, limits: Limits = LIMITS) -> ExrFile:
    """Parse headers and offset tables, check limits and completeness. Raises BadImage."""
    try:
        with path.open("rb") as file:
            return _inspect(path, file.fileno(), limits)
    except FileNotFoundError as error:
        raise BadImage("The file is not there", remedy="Check its name", path=path) from error
    except OSError as error:
        raise BadImage(f"The file cannot be read ({error.strerror})", remedy="Check its rights", path=path) from error
    except _Refusal as error:
        raise BadImage(f"The file {error}", remedy=error.remedy, path=path) from error
    except (struct.error, IndexError) as error:
        raise BadImage("The file has a damaged header", remedy=_RENDER_AGAIN, path=path) from error


def _inspect(path: Path, descriptor: int, limits: Limits) -> ExrFile:
    status = os.fstat(descriptor)
    raw, headers, end = _read_headers(descriptor, status.st_size, limits)
    multi_part = bool(_flags(raw) & _MULTI_PART)
    parts = [_part(index, header, raw, limits) for index, header in enumerate(headers)]
    counts = [_chunk_count(part) for part in parts]
    for part, count in zip(parts, counts, strict=True):
        _check_chunk_count(part, count)
    data_at = end + 8 * sum(counts)
    if data_at > status.st_size:
        raise _Refusal("is cut short: it ends before its pixels begin")
    _check_decoded(parts, status.st_size, limits)
    tables = struct.unpack(f"<{sum(counts)}Q", os.pread(descriptor, 8 * sum(counts), end))
    starts = [sum(counts[:index]) for index in range(len(counts))]
    whole = tuple(
        replace(part, offsets=tables[start : start + count])
        for part, start, count in zip(parts, starts, counts, strict=True)
    )
    for part in whole:
        _check_complete(part, descriptor, size=status.st_size, data_at=data_at, multi_part=multi_part)
    return ExrFile(
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        is_multi_part=multi_part,
        parts=whole,
        tables_at=end,
        data_at=data_at,
    )


def _read_headers(descriptor: int, size: int, limits: Limits) -> tuple[bytes, list[dict[str, Attribute]], int]:
    """Read as much as the headers need: (bytes, attributes of each part, where the headers end)."""
    if size == 0:
        raise _Refusal("is empty: the frame was not rendered")
    want = _FIRST_READ_BYTES
    while True:
        raw = os.pread(descriptor, min(want, size), 0)
        try:
            return (raw, *_parse_headers(raw, limits))
        except _NeedsMore:
            if want >= size:
                raise _Refusal("is cut short: it ends inside its header") from None
            if want >= limits.header_bytes:
                raise _OverLimit(f"has a header of over {limits.header_bytes >> 20} MiB") from None
            want = min(want * 8, limits.header_bytes)


def _flags(raw: bytes) -> int:
    return int(struct.unpack_from("<I", raw, 4)[0]) & ~0xFF


def _parse_headers(raw: bytes, limits: Limits) -> tuple[list[dict[str, Attribute]], int]:
    if len(raw) < 8 or struct.unpack_from("<I", raw)[0] != _MAGIC:
        raise _Refusal("is not an EXR")
    flags = _flags(raw)
    if raw[4] != 2 or flags & ~_KNOWN_FLAGS:
        raise _OverLimit("is an EXR of an unknown version")
    headers, at = [], 8
    while True:
        header, at = _parse_header(raw, at, limits)
        if header:
            headers.append(header)
        if not flags & _MULTI_PART or not header:
            break
        if len(headers) > limits.parts:
            raise _OverLimit(f"has over {limits.parts} parts")
    if not headers:
        raise _Refusal("has no parts")
    return headers, at


def _parse_header(raw: bytes, at: int, limits: Limits) -> tuple[dict[str, Attribute], int]:
    """Attributes up to the closing zero byte."""
    found: dict[str, Attribute] = {}
    while True:
        name, at = _name(raw, at)
        if not name:
            return found, at
        kind, at = _name(raw, at)
        if len(raw) < at + 4:
            raise _NeedsMore
        (size,) = struct.unpack_from("<i", raw, at)
        at += 4
        if not 0 <= size <= limits.attribute_bytes:
            raise _Refusal(f"has a damaged header: the attribute '{_shown(name)}' claims {size} bytes")
        if name in found or len(found) >= limits.attributes:
            raise _Refusal(f"has a damaged header: '{_shown(name)}' is there twice, or there are too many attributes")
        if len(raw) < at + size:
            raise _NeedsMore
        found[name] = Attribute(kind=kind, value=raw[at : at + size], at=at)
        at += size


def _name(raw: bytes, at: int) -> tuple[str, int]:
    end = raw.find(b"\0", at, at + 256)
    if end >= 0:
        return raw[at:end].decode("latin-1"), end + 1
    if len(raw) < at + 256:
        raise _NeedsMore
    raise _Refusal("has a damaged header: a name has no end")


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:40])


def _part(index: int, header: dict[str, Attribute], raw: bytes, limits: Limits) -> ExrPart:
    for name, (kind, size) in _REQUIRED.items():
        found = header.get(name)
        if found is None or found.kind != kind or (size is not None and len(found.value) != size):
            raise _Refusal(f"has a damaged header: '{name}' is missing or wrong")
    compression, order = header["compression"].value[0], header["lineOrder"].value[0]
    if compression >= len(COMPRESSIONS):
        raise _OverLimit(f"uses compression {compression}, which is not known")
    if order > 2:
        raise _Refusal("has a damaged header: its line order is not known")
    storage = header["type"].value.rstrip(b"\0") if "type" in header else b""
    if storage.startswith(b"deep") or _flags(raw) & _DEEP:
        raise _OverLimit("is a deep image, which cannot be edited")
    tiled = storage == b"tiledimage" or (not storage and bool(_flags(raw) & _TILED))
    return ExrPart(
        index=index,
        channels=tuple(_channels(header["channels"].value, limits)),
        data_window=_window(header["dataWindow"].value, limits),
        display_window=_window(header["displayWindow"].value, limits),
        compression=compression,
        decreasing_y=order == 1,
        tiled=tiled,
        deep=False,
        level_mode=_level_mode(header, limits) if tiled else 0,
        offsets=(),
        attributes=header,
    )


def _window(value: bytes, limits: Limits) -> Box:
    corners = struct.unpack("<4i", value)
    box = Box.from_window(*corners)
    if max(map(abs, corners)) > limits.coordinate or box.width < 1 or box.height < 1:
        raise _Refusal("has a damaged header: its window is empty or far away")
    if max(box.width, box.height) > limits.side_px or box.area > limits.area_px:
        raise _OverLimit(f"claims {box.width} × {box.height} pixels, more than the limit")
    return box


def _channels(value: bytes, limits: Limits) -> Iterator[ExrChannel]:
    at, last, count = 0, "", 0
    while value[at] != 0:
        end = value.index(b"\0", at, at + 256) if b"\0" in value[at : at + 256] else _no_end()
        name = value[at:end].decode("latin-1")
        kind, x_sampling, y_sampling = struct.unpack_from("<i4x2i", value, end + 1)
        at, count = end + 17, count + 1
        if name <= last or not 0 <= kind <= 2 or not (1 <= x_sampling <= 1024 and 1 <= y_sampling <= 1024):
            raise _Refusal("has a damaged header: its list of channels is not in order")
        if count > limits.channels:
            raise _OverLimit(f"has over {limits.channels} channels")
        last = name
        shown = value[end - len(name) : end].decode("utf-8", "surrogateescape")
        yield ExrChannel(name=shown, kind=_PIXEL_KINDS[kind], x_sampling=x_sampling, y_sampling=y_sampling)
    if at != len(value) - 1 or not count:
        raise _Refusal("has a damaged header: its list of channels has no end")


def _no_end() -> NoReturn:
    raise _Refusal("has a damaged header: a channel's name has no end")


def _level_mode(header: dict[str, Attribute], limits: Limits) -> int:
    tiles = header.get("tiles")
    if tiles is None or tiles.kind != "tiledesc" or len(tiles.value) != 9:
        raise _Refusal("has a damaged header: its tiles are not described")
    width, height, mode = struct.unpack("<IIB", tiles.value)
    if not (1 <= width <= limits.tile_px and 1 <= height <= limits.tile_px) or mode & 15 > 2 or mode >> 4 > 1:
        raise _Refusal("has a damaged header: its tiles have an impossible size")
    return int(mode & 15)


def _chunk_count(part: ExrPart) -> int:
    box = part.data_window
    if not part.tiled:
        return -(-box.height // CHUNK_LINES[part.compression])
    width, height, mode = struct.unpack("<IIB", part.attributes["tiles"].value)
    columns, rows = _sides(box.width, width, mode), _sides(box.height, height, mode)
    if part.level_mode == 2:
        return sum(columns) * sum(rows)
    if part.level_mode == 1:
        deepest = max(len(columns), len(rows))
        return sum(columns[min(i, len(columns) - 1)] * rows[min(i, len(rows) - 1)] for i in range(deepest))
    return columns[0] * rows[0]


def _sides(length: int, tile: int, mode: int) -> list[int]:
    """Tiles along one side, for each level down to one pixel; rounding up or down as the file says."""
    found = []
    while True:
        found.append(-(-length // tile))
        if length <= 1:
            return found
        length = (length + (mode >> 4)) // 2


def _check_chunk_count(part: ExrPart, count: int) -> None:
    told = part.attributes.get("chunkCount")
    if told is not None and told.value != struct.pack("<i", count):
        raise _Refusal("has a damaged header: it tells a wrong number of chunks")


def _check_decoded(parts: list[ExrPart], size: int, limits: Limits) -> None:
    """Refuse files that say they grow beyond all measure when decoded."""
    total = 0
    for part in parts:
        samples = [
            (-(-part.data_window.width // c.x_sampling))
            * (-(-part.data_window.height // c.y_sampling))
            * _SAMPLE_BYTES[c.kind]
            for c in part.channels
        ]
        decoded = sum(samples)
        total += decoded
        if decoded > max(1 << 20, limits.decoded_ratio * size):
            box = part.data_window
            raise _OverLimit(f"claims {box.width} × {box.height} pixels in {size} bytes, more than it can hold")
    if total > limits.decoded_bytes:
        raise _OverLimit(f"would take {total >> 20} MiB in memory, more than the limit")


def _check_complete(part: ExrPart, descriptor: int, *, size: int, data_at: int, multi_part: bool) -> None:
    """The offset table is written last: if it is whole and its last chunk ends inside the file, all is there."""
    if not all(part.offsets):
        raise _Refusal("is cut short: the frame is not finished")
    if min(part.offsets) < data_at or max(part.offsets) >= size:
        raise _Refusal("is cut short or damaged: chunks lie outside of it")
    leader = (4 if multi_part else 0) + (16 if part.tiled else 4)
    last = max(part.offsets) + leader
    raw = os.pread(descriptor, 4, last)
    packed = struct.unpack("<i", raw)[0] if len(raw) == 4 else -1
    if packed < 0 or last + 4 + packed > size:
        raise _Refusal("is cut short: its last chunk is not whole")
