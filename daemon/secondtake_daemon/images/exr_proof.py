"""What really changed in a file that was written: measured on its bytes and samples, not concluded from its making."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadImage, ProofFailed
from secondtake_daemon.images.exr_assemble import chunks_in_file_order
from secondtake_daemon.images.exr_chunks import opened, read_table
from secondtake_daemon.images.exr_edit import Edit, band_of, band_runs, bits, touched_bands, where_on
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layers import with_channels, without_entries
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_read import Planes, read_planes
from secondtake_daemon.images.exr_write import Written

__all__ = ["Counts", "measure"]

_REPORT = "Nothing was kept; please report this, with the plate's header"
_COMPARE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Samples over all channels of all parts and levels of the plate; those of an added layer are not counted."""

    outside_changed: int
    """Samples where nothing may change, whose bits differ all the same."""
    outside_samples: int
    inside_samples: int
    """Samples of the edited channels where change is allowed."""


def measure(file: ExrFile, dest: Path, edit: Edit | None, written: Written) -> Counts:
    """Compare dest with the plate: headers and copied chunks byte by byte, encoded ones by decoding them again.

    Which chunks must be copies is derived from the edit once more. Raises ProofFailed if the header differs, if bytes
    that should have been copied do, or if the edit itself did not arrive, which for added channels includes that they
    are 0 outside of it; BadImage if the plate cannot be read.
    """
    total = sum(part.sample_count for part in file.parts)
    with opened(file) as plate, dest.open("rb") as made:
        if edit is None or written.way == "copy":
            _require_same(plate, made, 0, 0, file.size_bytes, dest)
            _require(made.read(1) == b"", "The written file is longer than the plate", dest)
            return Counts(outside_changed=0, outside_samples=total, inside_samples=0)
        result = _inspected(dest)
        part = file.parts[edit.part]
        is_splice = written.way == "splice"
        _check_head(plate, made, file, result, part=part, edit=edit, is_splice=is_splice)
        touched = touched_bands(part, edit) if is_splice else list(band_runs(part))
        _check_copied(plate, made, file, result, part=part, touched=touched)
    changed = sum(_changed(file, result, edit, first, end) for first, end in touched)
    inside = int(np.count_nonzero(edit.where)) * len(edit.planes)
    return Counts(outside_changed=changed, outside_samples=total - inside, inside_samples=inside)


def _inspected(dest: Path) -> ExrFile:
    try:
        return inspect(dest)
    except BadImage as error:
        raise ProofFailed(f"The written file is not whole ({error.message})", remedy=_REPORT, path=dest) from error


def _check_head(
    plate: BinaryIO, made: BinaryIO, file: ExrFile, result: ExrFile, *, part: ExrPart, edit: Edit, is_splice: bool
) -> None:
    """The header is the plate's byte for byte, but for added channels, and codec and chunk count of a lossy part."""
    plate.seek(0)
    made.seek(0)
    theirs, written = bytearray(plate.read(file.head_bytes)), made.read(result.head_bytes)
    _require(len(result.parts) == len(file.parts), "The written file has other parts than the plate", result.path)
    found = result.parts[part.index]
    _require(found.channels == with_channels(part, edit.added), "The written channels are not the plate's", result.path)
    ours = without_entries(written, found, edit.added) if edit.added else written
    same_length = len(ours) == len(theirs)
    if same_length and not is_splice and not part.is_lossless:
        _require(found.is_lossless, "The written file is not lossless", result.path)
        theirs[part.compression_at] = ours[part.compression_at]
        if part.chunk_count_at is not None:
            place = slice(part.chunk_count_at, part.chunk_count_at + 4)
            theirs[place] = ours[place]
    _require(same_length and theirs == ours, "The written header is not the plate's", result.path)


def _check_copied(
    plate: BinaryIO,
    made: BinaryIO,
    file: ExrFile,
    result: ExrFile,
    *,
    part: ExrPart,
    touched: list[tuple[int, int]],
) -> None:
    """Every chunk that holds no changed row is the plate's byte for byte."""
    encoded = {band for first, end in touched for band in range(first, end)}
    tables = [read_table(made, other) for other in result.parts]
    copied = (
        (chunk.start, tables[chunk.part][chunk.number], chunk.end - chunk.start)
        for chunk in chunks_in_file_order(file, plate)
        if chunk.part != part.index or chunk.number // part.chunks_across not in encoded
    )
    for theirs, ours, length in _joined(copied):
        _require_same(plate, made, theirs, ours, length, result.path)


def _joined(spans: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Join spans (plate offset, written offset, length) that follow each other in both files."""
    theirs = ours = length = 0
    for start, place, size in spans:
        if (start, place) == (theirs + length, ours + length):
            length += size
            continue
        if length:
            yield theirs, ours, length
        theirs, ours, length = start, place, size
    if length:
        yield theirs, ours, length


def _changed(file: ExrFile, result: ExrFile, edit: Edit, first: int, end: int) -> int:
    """Samples of some bands whose bits differ and must not."""
    before = band_of(file, edit, first, end)
    after = _decoded(result, edit.part, before)
    where = where_on(edit, before.box)
    common = edit.box.intersect(before.box)
    changed = 0
    for name, plane in before.planes.items():
        differs = bits(plane) != bits(after.planes[name])
        if name in edit.planes:
            _check_arrived(after, edit, name, common, result.path)
            differs &= ~where
        changed += int(np.count_nonzero(differs))
    for name in edit.added:
        _check_arrived(after, edit, name, common, result.path)
        is_clean = not np.any(bits(after.planes[name])[~where])
        _require(is_clean, f"The new channel {name} is not 0 outside the matte", result.path)
    return changed


def _decoded(result: ExrFile, part: int, plate: Planes) -> Planes:
    try:
        planes = read_planes(result, part=part, rows=(plate.box.y, plate.box.bottom))
    except BadImage as error:
        raise ProofFailed("The written file cannot be decoded", remedy=_REPORT, path=result.path) from error
    return planes.rows(plate.box.y, plate.box.bottom)


def _check_arrived(after: Planes, edit: Edit, name: str, box: Box, path: Path) -> None:
    """Inside, the samples are those of the edit. box: the common part of both."""
    if box.is_empty:
        return
    asked = edit.added[name] if name in edit.added else edit.planes[name]
    wanted, got = bits(asked[box.within(edit.box)]), bits(after.planes[name][box.within(after.box)])
    arrived = not np.any((wanted != got) & edit.where[box.within(edit.box)])
    _require(arrived, f"The edit of channel {name} did not arrive in the file", path)


def _require_same(plate: BinaryIO, made: BinaryIO, theirs: int, ours: int, length: int, path: Path) -> None:
    plate.seek(theirs)
    made.seek(ours)
    one, other = bytearray(_COMPARE_BYTES), bytearray(_COMPARE_BYTES)
    while length:
        if length < len(one):
            one, other = bytearray(length), bytearray(length)
        count = plate.readinto(one)  # type: ignore[attr-defined]
        same = count == made.readinto(other) == len(one) and one == other  # type: ignore[attr-defined]
        _require(same, "Bytes that were copied from the plate differ", path)
        length -= count


def _require(holds: bool, failure: str, path: Path) -> None:
    if not holds:
        raise ProofFailed(failure, remedy=_REPORT, path=path)
