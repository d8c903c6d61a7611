"""Putting a file together from a plate's bytes and new chunks. Nothing is decoded here.

Every byte of the plate that is not a replaced chunk is copied in its order: other parts, chunks in any order, gaps, and
whatever lies behind the last chunk. The offset tables are then moved along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.images.exr_chunks import Chunk, copy_bytes, damaged, read_chunks, read_table
from secondtake_daemon.images.exr_codec import EncodedChunk
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart

__all__ = ["Replacement", "assemble", "chunks_in_file_order"]

_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in the place of one chunk of the edited part: one chunk, several, or nothing."""

    index: int
    """Position in the plate's offset table."""
    chunks: tuple[EncodedChunk, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of all chunks."""
        return sum(map(len, self.chunks))


def assemble(
    file: ExrFile, plate: BinaryIO, dest: Path, *, part: ExrPart, head: bytes, replacements: Sequence[Replacement]
) -> None:
    """Write dest: head, moved offset tables, then the plate with some chunks of one part replaced.

    The part's new offset table lists the new chunks in the order of `replacements` where more than one stands for an
    old one, else it keeps its order. Raises BadImage if chunks of the plate overlap.
    """
    old = {chunk.number: chunk for chunk in chunks_in_file_order(file, plate) if chunk.part == part.index}
    ordered = sorted(replacements, key=lambda replacement: old[replacement.index].start)
    new_count = part.chunk_count + sum(len(replacement.chunks) - 1 for replacement in replacements)
    moves = _Moves(
        starts=np.array([old[replacement.index].start for replacement in ordered], np.int64),
        growth=np.array([r.size_bytes - (old[r.index].end - old[r.index].start) for r in ordered], np.int64),
        shift=len(head) - file.head_bytes + 8 * (new_count - part.chunk_count),
    )
    with dest.open("wb", buffering=_BUFFER_BYTES) as made:
        made.write(head)
        for other in file.parts:
            table = moves.apply(np.asarray(read_table(plate, other), np.int64))
            if other.index == part.index and len(replacements) == part.chunk_count:
                table = _fresh_table(replacements, table)
            made.write(table.astype("<u8").tobytes())
        at = file.data_at
        for replacement in ordered:
            chunk = old[replacement.index]
            copy_bytes(plate, made, at=at, length=chunk.start - at, path=file.path)
            for encoded in replacement.chunks:
                made.write(encoded.head)
                made.write(encoded.body)
            at = chunk.end
        copy_bytes(plate, made, at=at, length=file.size_bytes - at, path=file.path)


def chunks_in_file_order(file: ExrFile, handle: BinaryIO) -> list[Chunk]:
    """All chunks of all parts, by where they start. Raises BadImage if two overlap."""
    chunks = [chunk for part in file.parts for chunk in read_chunks(handle, file, part, 0, part.chunk_count)]
    chunks.sort(key=lambda chunk: chunk.start)
    if any(first.end > second.start for first, second in pairwise(chunks)):
        raise damaged(file.path)
    return chunks


@dataclass(frozen=True, slots=True)
class _Moves:
    """Where bytes of the plate come to lie in the new file."""

    starts: NDArray[np.int64]
    """Of the replaced chunks, ascending."""
    growth: NDArray[np.int64]
    """By how much each replacement is longer."""
    shift: int
    """Of all chunks, as head or tables became longer."""

    def apply(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        before = np.concatenate([[0], np.cumsum(self.growth)])
        moved: NDArray[np.int64] = offsets + self.shift + before[np.searchsorted(self.starts, offsets)]
        return moved


def _fresh_table(replacements: Sequence[Replacement], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """The table of a part all of whose chunks are replaced."""
    offsets = []
    for replacement in replacements:
        at = int(table[replacement.index])
        for chunk in replacement.chunks:
            offsets.append(at)
            at += len(chunk)
    return np.array(offsets, np.int64)
