"""Frames to disk: edited ones with everything outside the edit as it was, header bytes included, and new ones.

    copy        the edit is empty: the file is copied
    splice      lossless codec: only chunks with a changed row are encoded again; all other bytes are copied
    transplant  lossy codec, where encoding again would move every sample: the part's chunks are replaced by ZIP ones

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
from secondtake_daemon.images.exr_codec import Plane, encode_bands, write_image
from secondtake_daemon.images.exr_edit import Edit, band_of, check_fits, edited, touched_bands
from secondtake_daemon.images.exr_layout import Compression, ExrFile, ExrPart, Levels, SampleType

__all__ = ["Edit", "Written", "check_editable", "write_edited", "write_new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a frame was written."""

    way: str
    """copy, splice or transplant."""


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
    if part.is_lossless:
        _splice(file, part, dest, edit)
        return Written(way="splice")
    _transplant(file, part, dest, edit)
    return Written(way="transplant")


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


def _transplant(file: ExrFile, part: ExrPart, dest: Path, edit: Edit) -> None:
    lossless = replace(part, compression=Compression.ZIP)
    planes = edited(band_of(file, edit, 0, part.bands), edit)
    chunks = encode_bands(planes, part=lossless, first=0, end=lossless.bands, is_multipart=file.is_multipart)
    with opened(file) as plate:
        head = bytearray(plate.read(file.head_bytes))
        head[part.compression_at] = Compression.ZIP
        if part.chunk_count_at is not None:
            struct.pack_into("<i", head, part.chunk_count_at, len(chunks))
        # All old chunks go; the new ones take the place of the first.
        replacements = [Replacement(0, tuple(chunks)), *(Replacement(index) for index in range(1, part.chunk_count))]
        assemble(file, plate, dest, part=part, head=bytes(head), replacements=replacements)
