"""What the artist hands in beside plate and matte: painted frames and motion vectors, checked once, read on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, MissingFrames, NotFound
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest
from secondtake.messages import Reference as Named
from secondtake_daemon.engines.contract import FloatImage
from secondtake_daemon.images import sequences
from secondtake_daemon.images.colour import ColourSpace, Transform, configuration_name
from secondtake_daemon.images.reference import Pixels, Reference, open_reference
from secondtake_daemon.images.vectors import Vectors, open_vectors
from secondtake_daemon.job.control import FollowedFrames, control_key, find_control
from secondtake_daemon.job.looks import read_look
from secondtake_daemon.job.recent import Recent
from secondtake_daemon.job.report import Report
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import ControlUsed, MotionUsed, ReferenceUsed, joint_digest

__all__ = ["NO_GUIDES", "Guides", "Motion", "Painted", "PlateFormat", "find_guides"]

_PAINTED_BYTES = 192 << 20
_MOTION_BYTES = 192 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateFormat:
    """What a guide has to fit."""

    frames: tuple[int, ...]
    display: Box
    space: ColourSpace
    transform: Transform


class Painted:
    """The painted frames of a shot, in the engine's encoding. Thread-safe; holds a bounded number of bytes."""

    def __init__(
        self,
        images: Mapping[int, Reference],
        *,
        used: Sequence[ReferenceUsed],
        plate: PlateFormat,
        digests: FileDigests,
    ) -> None:
        self._images = dict(sorted(images.items()))
        self._used = {one.frame: one for one in used}
        self._plate = plate
        self._digests = digests
        self._bands: Recent[int, Pixels] = Recent(_PAINTED_BYTES)

    @property
    def frames(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(self._images)

    def over(self, frame: int, box: Box, *, plate: FloatImage) -> FloatImage:
        """The painted frame: (box.height, box.width, 3) float32. Where it has no finite pixel it is the plate's."""
        if frame not in self._images:
            raise NotFound(f"Frame {frame} was not painted", remedy="Ask for one of `references`")
        canvas = plate.copy()
        band = self._band(frame, box)
        if band is not None:
            common = box.intersect(band.box)
            paint = band.values[common.within(band.box)]
            np.copyto(canvas[common.within(box)], paint, where=np.isfinite(paint).all(axis=-1, keepdims=True))
        return canvas

    def _band(self, frame: int, box: Box) -> Pixels | None:
        """The rows of the box, and those that were wanted before, over the image's full width."""
        image, known = self._images[frame], self._bands.get(frame)
        rows = _rows(image.window, box)
        if rows is None:
            return None
        if known is None or not _holds(known.box, rows):
            _refuse_changed(Path(self._used[frame].name), self._used[frame].digest, self._digests)
            read = image.read(rows if known is None else _joined(rows, known.box))
            known = Pixels(read.box, self._plate.transform.bring(read.values, space=image.space))
            self._bands.put(frame, known, known.values.nbytes)
        return known


class Motion:
    """Motion vectors of a shot. Thread-safe; holds a bounded number of bytes."""

    def __init__(
        self, sequence: sequences.Sequence, *, plate: PlateFormat, digests: FileDigests, known: Mapping[int, str]
    ) -> None:
        self._sequence = sequence
        self._plate = plate
        self._digests = digests
        self._known = known
        self._bands: Recent[int, Vectors] = Recent(_MOTION_BYTES)

    def read(self, frame: int, box: Box) -> FloatImage:
        """(box.height, box.width, 4) float32, as `Shot.motion`. NaN towards a neighbour that the shot does not have."""
        canvas = np.full((box.height, box.width, 4), np.nan, np.float32)
        band = self._band(frame, box)
        if band is not None:
            common = box.intersect(band.box)
            canvas[common.within(box)] = band.values[common.within(band.box)]
        for neighbour, way in ((frame - 1, slice(0, 2)), (frame + 1, slice(2, 4))):
            if neighbour not in self._known:
                canvas[..., way] = np.nan
        return canvas

    def _band(self, frame: int, box: Box) -> Vectors | None:
        path, known = self._sequence.path(frame), self._bands.get(frame)
        if known is not None and _holds(known.box, (box.y, box.bottom)):
            return known
        _refuse_changed(path, self._known[frame], self._digests)
        file = open_vectors(path, plate_display=self._plate.display)
        rows = _rows(file.window, box)
        if rows is None:
            return None
        if known is None or not _holds(known.box, rows):
            known = file.read(rows if known is None else _joined(rows, known.box))
            self._bands.put(frame, known, known.values.nbytes)
        return known


@dataclass(frozen=True, kw_only=True)
class Guides:
    """All of them, and what the take records."""

    painted: Painted | None = None
    looks: tuple[FloatImage, ...] = ()
    """Pictures of what is wanted, in the engine's encoding."""
    motion: Motion | None = None
    followed: FollowedFrames | None = None
    references_used: tuple[ReferenceUsed, ...] = ()
    motion_used: MotionUsed | None = None
    control_used: ControlUsed | None = None
    key: tuple[str, ...] = ()
    """Part of a patch's content key: what the guides are, and what is made of them."""
    notes: tuple[str, ...] = ()


NO_GUIDES = Guides()


def find_guides(
    request: FixRequest,
    plate: PlateFormat,
    *,
    roots: tuple[Path, ...],
    digests: FileDigests,
    threads: Executor,
    report: Report,
) -> Guides:
    """Open every reference and every file of vectors once, and decode the references.

    Raises BadInput of the kind that fits: missing, damaged, of another size, outside the roots or the range of frames,
    given twice, of an unknown colour space.
    """
    images: dict[int, Reference] = {}
    used, notes, looks = [], [], []
    for named in request.references:
        image = _reference(named, plate, already=images, roots=roots)
        if named.frame is None:
            looks.append(read_look(image, plate.transform))
        else:
            image.read((image.window.y, image.window.bottom))
            images[named.frame] = image
        used.append(_used(named, image, digests))
        notes.append(image.note)
        report.step()
    motion, motion_used = None, None
    if request.motion:
        sequence, known = _vectors(request.motion, plate, roots=roots, digests=digests, threads=threads, report=report)
        motion = Motion(sequence, plate=plate, digests=digests, known=known)
        motion_used = MotionUsed(name=request.motion, digest=joint_digest(known))
    followed = find_control(
        request,
        frames=plate.frames,
        display=plate.display,
        roots=roots,
        digests=digests,
        threads=threads,
        report=report,
    )
    painted = Painted(images, used=used, plate=plate, digests=digests) if images else None
    return Guides(
        painted=painted,
        looks=tuple(looks),
        motion=motion,
        followed=followed.frames if followed else None,
        references_used=tuple(used),
        motion_used=motion_used,
        control_used=followed.used if followed else None,
        key=(*_key(used, motion_used, encoding=plate.transform.encoding), *control_key(request, followed)),
        notes=tuple(filter(None, [*notes, followed.note if followed else ""])),
    )


def _reference(
    named: Named, plate: PlateFormat, *, already: Mapping[int, Reference], roots: Sequence[Path]
) -> Reference:
    path = Path(named.path)
    require_inside(path, roots)
    if named.frame is not None and named.frame not in plate.frames:
        raise BadInput(
            f"The painted frame {named.frame} is not one of the frames {_described(plate.frames)}",
            remedy="Give the number of one of them after the @, or change --frames",
            path=path,
        )
    if named.frame in already:
        raise BadInput(f"Frame {named.frame} is given twice", remedy="Give one image for each painted frame", path=path)
    display = plate.display if named.frame is not None else None
    return open_reference(path, colourspace=named.colourspace, plate_space=plate.space, plate_display=display)


def _used(named: Named, image: Reference, digests: FileDigests) -> ReferenceUsed:
    return ReferenceUsed(
        name=named.path,
        frame=named.frame,
        digest=digests.of(Path(named.path)),
        colourspace=image.space.name,
        colourspace_assumed=bool(image.note),
    )


def _vectors(
    name: str,
    plate: PlateFormat,
    *,
    roots: Sequence[Path],
    digests: FileDigests,
    threads: Executor,
    report: Report,
) -> tuple[sequences.Sequence, dict[int, str]]:
    """The sequence, and the digest of each frame's file."""
    require_inside(Path(name), roots)
    sequence = sequences.find(name)
    there = set(sequence.frames)
    missing = [frame for frame in plate.frames if frame not in there]
    if missing:
        subject = "1 of the plate's frames" if len(missing) == 1 else f"{len(missing)} of the plate's frames"
        raise MissingFrames(
            f"The motion vectors lack {subject}: {_described(missing)}",
            remedy=f"Render the missing frames, or give --frames inside {_described(sequence.frames)}",
            path=name,
        )

    def check(frame: int) -> str:
        path = sequence.path(frame)
        require_inside(path, roots)
        open_vectors(path, plate_display=plate.display)
        return digests.of(path)

    known = {}
    for frame, digest in zip(plate.frames, threads.map(check, plate.frames), strict=True):
        known[frame] = digest
        report.step()
    return sequence, known


def _key(used: Sequence[ReferenceUsed], motion: MotionUsed | None, *, encoding: str) -> tuple[str, ...]:
    colour = f"{configuration_name()}: {encoding}"
    references = (f"reference {one.frame} {one.digest} {one.colourspace} → {colour}" for one in used)
    return (*references, f"motion {motion.digest}") if motion else tuple(references)


def _described(frames: Sequence[int]) -> str:
    return sequences.describe(FrameSet(frames))


def _refuse_changed(path: Path, digest: str, digests: FileDigests) -> None:
    if digests.of(path) != digest:
        raise BadImage("The file changed on disk while the job ran", remedy="Run the job again", path=path)


def _rows(window: Box, box: Box) -> tuple[int, int] | None:
    """The rows of the box that the window has."""
    common = window.intersect(box)
    return None if common.is_empty else (common.y, common.bottom)


def _holds(box: Box, rows: tuple[int, int]) -> bool:
    return box.y <= rows[0] and rows[1] <= box.bottom


def _joined(rows: tuple[int, int], box: Box) -> tuple[int, int]:
    return min(rows[0], box.y), max(rows[1], box.bottom)
