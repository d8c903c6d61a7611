"""What seals a take into its line: where the line may change the plate, and that nothing changed anywhere else.

The proof of a take on a take compares it with its parent. This one compares the written files with the plate that the
line begins with, outside the union of all mattes of the line, so that no chain of reasoning has to hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from secondtake.boxes import Box
from secondtake.errors import ProofFailed
from secondtake.messages import Proof
from secondtake_daemon.images.exr_chunks import Chunk, opened, read_chunks
from secondtake_daemon.images.exr_edit import band_runs, bits
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layers import LAYERS
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.job.line import Line
from secondtake_daemon.job.report import Report
from secondtake_daemon.job.shot import PlateShot
from secondtake_daemon.takes.manifest import SupportsUsed, TakeFrame
from secondtake_daemon.takes.supports import Packed, Support, pack, write_supports

__all__ = ["Sealed", "seal"]

_LAYER_CHANNELS = frozenset(name for layer in LAYERS for name in layer.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What the manifest says of the line."""

    records: tuple[TakeFrame, ...]
    """With the plate's frames in those of a take on a take."""
    supports: SupportsUsed
    line_proof: Proof | None
    """None for a take on the plate: there it is the take's own proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    record: TakeFrame
    packed: Packed
    proof: Proof | None = None


def seal(
    shot: PlateShot,
    line: Line | None,
    records: Sequence[TakeFrame],
    *,
    supports: Path,
    threads: Executor,
    report: Report,
) -> Sealed:
    """Keep the supports in a file beside the frames, and measure the line. Raises ProofFailed, DiskError.

    records: of all frames, which are written. supports: where the file goes.
    """

    def one(record: TakeFrame) -> _Frame:
        return _seal_frame(shot, line, record, folder=supports.parent)

    frames = []
    for frame in threads.map(one, records):
        frames.append(frame)
        report.frame(frame.record.frame)
    used = write_supports(supports, {frame.record.frame: frame.packed for frame in frames})
    proofs = [frame.proof for frame in frames if frame.proof is not None]
    return Sealed(
        records=tuple(frame.record for frame in frames), supports=used, line_proof=_sum(proofs) if proofs else None
    )


def _seal_frame(shot: PlateShot, line: Line | None, record: TakeFrame, *, folder: Path) -> _Frame:
    window = shot.facts[record.frame].window
    stitch = shot.mattes(record.frame).stitch
    own: Support = np.zeros((window.height, window.width), np.bool_)
    if not stitch.box.is_empty:
        own[stitch.box.within(window)] = stitch.alpha > 0
    if line is None:
        return _Frame(record=record, packed=pack(window, own=own, line=None))
    if record.added:  # the line begins with this take, and nothing lies outside
        proof = Proof(outside_changed=0, outside_samples=0, inside_samples=record.inside_samples)
        named = replace(record, root=record.plate, root_digest=record.plate_digest)
        return _Frame(record=named, packed=pack(window, own=own, line=None), proof=proof)
    union = own | line.supports.line(record.frame, window)
    root, digest = line.root(record.frame)
    may_change = _LAYER_CHANNELS.union(shot.channels)
    proof = _measure(inspect(root), inspect(folder / record.file), part=shot.part, inside=union, channels=may_change)
    return _Frame(
        record=replace(record, root=str(root), root_digest=digest),
        packed=pack(window, own=own, line=union),
        proof=proof,
    )


def _measure(plate: ExrFile, take: ExrFile, *, part: int, inside: Support, channels: frozenset[str]) -> Proof:
    """Count the plate's samples that differ in the take. inside: where those of some channels of one part may."""
    if len(plate.parts) != len(take.parts):
        raise _not_its(plate, "parts", take)
    differing: dict[int, set[int]] = {}
    with opened(plate) as theirs, opened(take) as ours:
        for first, second in zip(plate.parts, take.parts, strict=True):
            if first.data_window != second.data_window or not set(first.names) <= set(second.names):
                raise _not_its(plate, "windows or channels", take)
            differing[first.index] = _differing_bands(plate, first, theirs, take, second, ours)
    here, of_here = plate.parts[part], differing.pop(part)
    if any(differing.values()):  # a part that no take edits is copied byte for byte
        raise _not_its(plate, "samples in the parts that are not edited", take)
    boxes = _boxes(here, of_here)
    changed = sum(_changed(plate, take, here, box, inside=inside, channels=channels) for box in boxes)
    edited = sum(name in channels for name in here.names)
    total = sum(each.sample_count for each in plate.parts)
    free = int(np.count_nonzero(inside)) * edited
    return Proof(outside_changed=changed, outside_samples=total - free, inside_samples=free)


def _differing_bands(
    plate: ExrFile, part: ExrPart, theirs: BinaryIO, take: ExrFile, made: ExrPart, ours: BinaryIO
) -> set[int]:
    """Bands of the plate's part with a chunk that has other bytes; all of them, if the chunks are laid otherwise."""
    if (part.compression, part.chunk_count, part.names) != (made.compression, made.chunk_count, made.names):
        return set(range(part.bands))
    pairs = zip(
        read_chunks(theirs, plate, part, 0, part.chunk_count),
        read_chunks(ours, take, made, 0, made.chunk_count),
        strict=True,
    )
    return {
        first.number // part.chunks_across for first, second in pairs if _bytes(theirs, first) != _bytes(ours, second)
    }


def _bytes(handle: BinaryIO, chunk: Chunk) -> bytes:
    handle.seek(chunk.start)
    return handle.read(chunk.end - chunk.start)


def _boxes(part: ExrPart, bands: set[int]) -> Iterator[Box]:
    """The pixels of these bands, in runs that fit into memory."""
    for first, end in band_runs(part):
        run: list[int] = []
        for band in range(first, end + 1):
            if band < end and band in bands:
                run.append(band)
            elif run:
                yield part.band_box(run[0], run[-1] + 1)
                run = []


def _changed(
    plate: ExrFile, take: ExrFile, part: ExrPart, box: Box, *, inside: Support, channels: frozenset[str]
) -> int:
    rows = (box.y, box.bottom)
    before = read_planes(plate, part=part.index, rows=rows).rows(*rows)
    after = read_planes(take, part=part.index, rows=rows, channels=part.names).rows(*rows)
    free = inside[box.within(part.data_window)]
    changed = 0
    for name, plane in before.planes.items():
        if plane.dtype != after.planes[name].dtype:
            raise _not_its(plate, "sample types", take)
        differs = bits(plane) != bits(after.planes[name])
        if name in channels:
            differs &= ~free
        changed += int(np.count_nonzero(differs))
    return changed


def _sum(proofs: Sequence[Proof]) -> Proof:
    return Proof(
        outside_changed=sum(proof.outside_changed for proof in proofs),
        outside_samples=sum(proof.outside_samples for proof in proofs),
        inside_samples=sum(proof.inside_samples for proof in proofs),
    )


def _not_its(plate: ExrFile, what: str, take: ExrFile) -> ProofFailed:
    return ProofFailed(
        f"The take has other {what} than {plate.path.name}, the plate that its line begins with",
        remedy="Nothing was kept; please report this, with the plate's header",
        path=take.path,
    )
