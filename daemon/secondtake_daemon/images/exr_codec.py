"""The one door to OpenEXR. It only ever sees small files in memory that we made, with a clean header.

The plate's own header never reaches the library, so no odd attribute can stop it, change its answer or attack it.
Decoding wants just the chunks of the rows that are asked for; encoding gives chunks that fit into the plate's file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_chunks import (
    Chunk,
    copy_bytes,
    damaged,
    leader,
    leader_bytes,
    opened,
    read_chunks,
)
from secondtake_daemon.images.exr_header import MAGIC, Limits, parse
from secondtake_daemon.images.exr_layout import Compression, ExrFile, ExrPart, Tiles
from secondtake_daemon.images.exr_scanlines import ENCODED_HERE, scanline_chunks

__all__ = ["EncodedChunk", "NewPart", "Plane", "decode_bands", "encode_bands", "write_image", "write_parts"]

Plane = NDArray[Any]
"""(height, width) float16, float32 or uint32, C-contiguous, as the file has it."""

# Whatever the binding may raise on damaged pixels: its own errors, those of pybind11, and those of Python it provokes.
_DECODE_ERRORS = (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError)
_SHORT_NAME_BYTES = 31
_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk as it must stand in the plate's file, leader included."""

    head: bytes
    body: bytes | memoryview[int]

    def __len__(self) -> int:
        return len(self.head) + len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """A part of a new file."""

    name: str = ""
    data_window: Box
    display_window: Box
    planes: Mapping[str, Plane]
    """(data_window.height, data_window.width) float16, float32 or uint32 each."""
    compression: Compression
    attributes: Mapping[str, Any]
    """Further header values, as OpenEXR's Python module takes them."""


def decode_bands(file: ExrFile, part: ExrPart, first: int, end: int) -> dict[str, Plane]:
    """All channels of bands first … end − 1 of a part, over the full width. Raises BadImage.

    The library prints a warning to standard output when it meets damaged pixels, so a process that uses standard
    output for anything else must keep it out of the library's way.
    """
    box = part.band_box(first, end)
    with _scratch() as path:
        with Path(path).open("r+b") as scratch:
            _write_small_file(scratch, file, part, first, end)
        planes = _decode(path, file.path)
    for channel in part.channels:
        plane = planes.get(channel.name)
        if plane is None or plane.dtype != channel.type.dtype:
            raise damaged(file.path)
        if not channel.is_subsampled and plane.shape != (box.height, box.width):
            raise damaged(file.path)
    return {channel.name: np.ascontiguousarray(planes[channel.name]) for channel in part.channels}


def encode_bands(
    planes: Mapping[str, Plane], *, part: ExrPart, first: int, end: int, is_multipart: bool
) -> list[EncodedChunk]:
    """The chunks of bands first … end − 1 of a part, in table order. planes: all its channels over those bands."""
    if part.compression in ENCODED_HERE and not part.is_tiled:
        bodies: Iterable[bytes | memoryview[int]] = scanline_chunks(planes, part=part)
    else:
        bodies = _library_chunks(planes, part, part.band_box(first, end))
    return [
        EncodedChunk(leader(part, index, len(body), is_multipart=is_multipart), body)
        for index, body in enumerate(bodies, first * part.chunks_across)
    ]


def _library_chunks(planes: Mapping[str, Plane], part: ExrPart, box: Box) -> Iterator[memoryview[int]]:
    """The packed bytes of each chunk of a file that the library writes."""
    with _scratch() as path:
        write_image(path, data_window=box, planes=planes, compression=part.compression, tiles=part.tiles)
        data: memoryview[int] = memoryview(Path(path).read_bytes())
    written = parse(bytes(data[:_HEADER_BYTES]), Limits()).parts[0]
    length = leader_bytes(written, is_multipart=False)
    for start in struct.unpack_from(f"<{written.chunk_count}Q", data, written.table_at):
        (packed,) = struct.unpack_from("<i", data, start + length - 4)
        yield data[start + length : start + length + packed]


def write_image(
    path: str,
    *,
    data_window: Box,
    planes: Mapping[str, Plane],
    compression: Compression,
    display_window: Box | None = None,
    tiles: Tiles | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """A new file of one part. planes: (data_window.height, data_window.width) float16, float32 or uint32 each."""
    part = NewPart(
        data_window=data_window,
        display_window=display_window or data_window,
        planes=planes,
        compression=compression,
        attributes=attributes or {},
    )
    header = _header(part)
    if tiles:
        description = OpenEXR.TileDescription()
        description.xSize, description.ySize = tiles.width, tiles.height
        header |= {"type": OpenEXR.tiledimage, "tiles": description}
    OpenEXR.File(header, _channels(part), num_threads=0).write(path)


def write_parts(path: str, parts: Sequence[NewPart]) -> None:
    """A new file of any number of parts in scan lines."""
    made = [OpenEXR.Part(_header(part), _channels(part), part.name) for part in parts]
    OpenEXR.File(made).write(path)


def _header(part: NewPart) -> dict[str, Any]:
    return {
        **part.attributes,
        "compression": OpenEXR.Compression(int(part.compression)),
        "type": OpenEXR.scanlineimage,
        "dataWindow": _corners(part.data_window),
        "displayWindow": _corners(part.display_window),
    }


def _channels(part: NewPart) -> dict[str, Plane]:
    # The library writes anything but a C-contiguous array wrong, without a word.
    channels = {name: np.ascontiguousarray(plane) for name, plane in part.planes.items()}
    for name, plane in channels.items():
        if plane.shape != (part.data_window.height, part.data_window.width):
            raise ValueError(f"channel {name} is {plane.shape}, the data window {part.data_window}")
    return channels


def _decode(path: str, plate: Path) -> dict[str, Plane]:
    try:
        image = OpenEXR.File(path, separate_channels=True, num_threads=0)
        if len(image.parts) != 1:  # a part that fails is left out, not raised
            raise damaged(plate)
        return {name: channel.pixels for name, channel in image.parts[0].channels.items()}
    except MemoryError as error:
        raise BadImage("The file needs more memory than there is", remedy="Split its layers", path=plate) from error
    except _DECODE_ERRORS as error:
        raise damaged(plate) from error


def _write_small_file(scratch: BinaryIO, file: ExrFile, part: ExrPart, first: int, end: int) -> None:
    """A legal single-part file of some bands: clean header, offset table, the plate's chunks."""
    across = part.chunks_across
    head = _clean_header(part, part.band_box(first, end))
    length, kept = leader_bytes(part, is_multipart=file.is_multipart), leader_bytes(part, is_multipart=False)
    with opened(file) as handle:
        chunks = list(read_chunks(handle, file, part, first * across, end * across))
        starts = accumulate((chunk.end - chunk.start - length + kept for chunk in chunks), initial=0)
        table = [len(head) + 8 * len(chunks) + start for start in starts][:-1]
        scratch.write(head + struct.pack(f"<{len(table)}Q", *table))
        if not file.is_multipart and not part.is_tiled:  # the checked leaders are those that the small file needs
            for start, stop in _runs(chunks):
                copy_bytes(handle, scratch, at=start, length=stop - start, path=file.path)
            return
        for chunk in chunks:
            # Tiles are counted from the corner of the data window, which is now that of the band.
            index = chunk.number - first * across if part.is_tiled else chunk.number
            packed = chunk.end - chunk.start - length
            scratch.write(leader(part, index, packed, is_multipart=False))
            copy_bytes(handle, scratch, at=chunk.start + length, length=packed, path=file.path)


def _runs(chunks: Iterable[Chunk]) -> Iterator[tuple[int, int]]:
    """Spans of the file that hold chunks which follow each other there too: one copy each, instead of one a chunk."""
    begun = end = 0
    for chunk in chunks:
        if chunk.start != end:
            if end > begun:
                yield begun, end
            begun = chunk.start
        end = chunk.end
    if end > begun:
        yield begun, end


def _clean_header(part: ExrPart, box: Box) -> bytes:
    """Magic, version and the required attributes of a file that holds these rows of the part at full resolution."""
    window = struct.pack("<4i", box.x, box.y, box.right - 1, box.bottom - 1)
    attributes = [
        ("channels", "chlist", _channel_list(part)),
        ("compression", "compression", bytes([part.compression])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    flags = 2
    if part.tiles:
        attributes.append(("tiles", "tiledesc", struct.pack("<IIB", part.tiles.width, part.tiles.height, 0)))
        flags |= 0x200
    if any(len(name.encode()) > _SHORT_NAME_BYTES for name in part.names):
        flags |= 0x400
    packed = (
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return struct.pack("<II", MAGIC, flags) + b"".join(packed) + b"\0"


def _channel_list(part: ExrPart) -> bytes:
    channels = (
        channel.name.encode()
        + b"\0"
        + struct.pack("<IB3xii", channel.type, channel.linear, channel.x_sampling, channel.y_sampling)
        for channel in part.channels
    )
    return b"".join(channels) + b"\0"


def _corners(box: Box) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([box.x, box.y], np.int32), np.array([box.right - 1, box.bottom - 1], np.int32)


@contextmanager
def _scratch() -> Iterator[str]:
    """The path of an empty file, in memory where the system can do that, that is gone at the end."""
    if not hasattr(os, "memfd_create"):
        with TemporaryDirectory(prefix="secondtake-") as folder:
            path = Path(folder) / "band.exr"
            path.touch()
            yield str(path)
        return
    descriptor = os.memfd_create("secondtake")
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
