"""Frames to disk: edited ones with everything outside the edit as it was, header bytes included, and new ones.

    copy        the edit is empty: the file is copied
    splice      lossless codec: only chunks with a changed row are encoded again; all other bytes are copied
    transplant  lossy codec, where encoding again would move every sample: the part's chunks are replaced by ZIP ones
    layer       the edit adds channels: all chunks of the part are encoded again, in its codec if that is lossless

The ways are described in docs/exactness.md. Other parts are copied in each of them, whatever they are.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_assemble import Replacement, assemble
from secondtake_daemon.images.exr_chunks import opened
from secondtake_daemon.images.exr_codec import EncodedChunk, Plane, encode_bands, write_image
from secondtake_daemon.images.exr_edit import Edit, band_of, band_runs, check_fits, edited, touched_bands
from secondtake_daemon.images.exr_guard import LIMITS
from secondtake_daemon.images.exr_layers import with_channels, with_entries
from secondtake_daemon.images.exr_layout import Compression, ExrFile, ExrPart, Levels, SampleType

__all__ = ["Edit", "Written", "check_editable", "write_edited", "write_new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a frame was written."""

    way: str
    """copy, splice, transplant or layer."""


def check_editable(file: ExrFile, part: int, channels: Sequence[str]) -> None:
    """Raise BadImage if these channels of a part cannot be changed without touching anything else."""
    found = file.parts[part]
    if any(channel.is_subsampled for other in file.parts for channel in other.channels):
        raise BadImage("The file has subsampled channels (luma-chroma)", remedy="Save it as RGB", path=file.path)
    if found.levels is not Levels.ONE:
        raise BadImage("The file holds mip-map levels", remedy="Save it with one level", path=file.path)
    if any(found.channel(name).type is SampleType.UINT for name in channels):
        raise BadImage("The file's colour channels are integers", remedy="Save it as half or float", path=file.path)


def write_edited(file: ExrFile, dest: Path, edit: Edit | None) -> Written:
    """Write the file to dest with the edit put in. dest is made or overwritten; durability is the caller's business.

    The same file and edit give the same bytes. Thread-safe. Raises BadImage if the plate cannot be decoded or edited or
    changed since it was inspected, and OSError or RuntimeError (the EXR library) for trouble with the disk.
    """
    if edit is None or edit.is_empty:
        with opened(file):
            shutil.copyfile(file.path, dest)
        return Written(way="copy")
    part = file.parts[edit.part]
    check_fits(edit, part)
    check_editable(file, part.index, tuple(edit.planes))
    if part.is_lossless and not edit.added:
        _splice(file, part, dest, edit)
        return Written(way="splice")
    _check_room(file, part, edit)
    _rewrite(file, part, dest, edit)
    return Written(way="layer" if edit.added else "transplant")


def write_new(
    dest: Path,
    *,
    data_window: Box,
    planes: Mapping[str, Plane],
    display_window: Box | None = None,
    compression: Compression = Compression.ZIP,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write a new file of one part in scan lines.

    planes: (data_window.height, data_window.width) float16, float32 or uint32 each. display_window: None is the data
    window. attributes: further header values, as OpenEXR's Python module takes them. Raises OSError or RuntimeError for
    trouble with the disk.
    """
    write_image(
        str(dest),
        data_window=data_window,
        display_window=display_window,
        planes=planes,
        compression=compression,
        attributes=attributes,
    )


def _splice(file: ExrFile, part: ExrPart, dest: Path, edit: Edit) -> None:
    across = part.chunks_across
    replacements = []
    for first, end in touched_bands(part, edit):
        planes = edited(band_of(file, edit, first, end), edit)
        chunks = encode_bands(planes, part=part, first=first, end=end, is_multipart=file.is_multipart)
        replacements += [Replacement(index, (chunk,)) for index, chunk in enumerate(chunks, first * across)]
    with opened(file) as plate:
        head = plate.read(file.head_bytes)
        assemble(file, plate, dest, part=part, head=head, replacements=replacements)


def _rewrite(file: ExrFile, part: ExrPart, dest: Path, edit: Edit) -> None:
    """Encode all of the part again: lossless, and with the channels that the edit adds."""
    compression = part.compression if part.is_lossless else Compression.ZIP
    target = replace(part, compression=compression, channels=with_channels(part, edit.added))
    chunks: list[EncodedChunk] = []
    for first, end in band_runs(part):
        plate = band_of(file, edit, first, end)
        top, bottom = plate.box.y - part.data_window.y, plate.box.bottom - part.data_window.y
        # A lossy codec's chunk has as many rows as ZIP's, or a multiple of them, so that no chunk crosses a run.
        rows = top // target.chunk_rows, -(-bottom // target.chunk_rows)
        planes = edited(plate, edit)
        chunks += encode_bands(planes, part=target, first=rows[0], end=rows[1], is_multipart=file.is_multipart)
    if compression is part.compression:
        replacements = [Replacement(index, (chunk,)) for index, chunk in enumerate(chunks)]
    else:  # all old chunks go; the new ones take the place of the first
        replacements = [Replacement(0, tuple(chunks)), *(Replacement(index) for index in range(1, part.chunk_count))]
    with opened(file) as plate_file:
        head = _head(plate_file.read(file.head_bytes), part, target, chunk_count=len(chunks))
        head = with_entries(head, part, edit.added)
        assemble(file, plate_file, dest, part=part, head=head, replacements=replacements)


def _head(plate: bytes, part: ExrPart, target: ExrPart, *, chunk_count: int) -> bytes:
    """The plate's headers with another codec in one part; nothing moves."""
    head = bytearray(plate)
    head[part.compression_at] = target.compression
    if part.chunk_count_at is not None:
        struct.pack_into("<i", head, part.chunk_count_at, chunk_count)
    return bytes(head)


def _check_room(file: ExrFile, part: ExrPart, edit: Edit) -> None:
    """Raise BadImage if the guard would refuse the file for having so many channels."""
    if len(part.channels) + len(edit.added) > LIMITS.channels:
        raise BadImage(
            f"The file has {len(part.channels)} channels in a part, so a layer would make more than {LIMITS.channels}",
            remedy="Leave out --aov, or split it into several files",
            path=file.path,
        )
