"""The shot as a job sees it: plate, mattes and colour, checked once, then read frame by frame and never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import NotFound
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.composite.matte import FrameMattes, Stitch, generation_matte, stitch_matte, support_digest
from secondtake_daemon.engines.contract import FloatImage
from secondtake_daemon.images.colour import Transform, configuration_name
from secondtake_daemon.images.coverage import MatteSource
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile
from secondtake_daemon.images.exr_read import Plane, Planes, read_planes
from secondtake_daemon.job.guides import NO_GUIDES, Guides
from secondtake_daemon.job.matte_cache import MatteCache
from secondtake_daemon.job.recent import Recent

__all__ = ["MATTES_BYTES", "FrameFacts", "PlateShot", "as_floats", "facts_of", "read_mattes"]

_PLANES_BYTES = 288 << 20
_HOLES_BYTES = 32 << 20
MATTES_BYTES = 128 << 20
"""Most bytes of packed mattes a job keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFacts:
    """What was found out about one frame while the job was prepared."""

    frame: int
    path: Path
    plate_digest: str
    window: Box
    """The frame's own data window."""
    hole_box: Box
    """Smallest box around the generation matte; may be empty."""
    hole_count: int
    """Pixels of it."""
    hole_digest: str
    support_box: Box
    """Smallest box around the stitch matte; may be empty."""
    support_digest: str
    """Of the stitch matte's support, for the proof."""
    is_added: bool = False
    """True if the plate has no such frame: an empty one stands for it."""

    @property
    def is_blind(self) -> bool:
        """True if nothing of the plate is left to be seen."""
        return self.hole_count == self.window.area


class PlateShot:
    """Implements `engines.contract.Shot` on files. Thread-safe; holds a bounded number of bytes."""

    def __init__(
        self,
        *,
        request: FixRequest,
        facts: Mapping[int, FrameFacts],
        matte: MatteSource,
        mattes: MatteCache,
        transform: Transform,
        part: int,
        channels: tuple[str, ...],
        colourspace: str,
        guides: Guides = NO_GUIDES,
    ) -> None:
        self.facts = facts
        self.frames = tuple(facts)
        """All frame numbers, ascending."""
        self.bounds = _union(one.window for one in facts.values())
        """Union of the frames' data windows. What a frame does not cover reads as NaN: nobody knows what is there."""
        self.hole_bounds = _union(one.hole_box for one in facts.values())
        """Union of the generation mattes of all frames; one crop box is made of it."""
        self.part = part
        self.channels = channels
        """Names of the edited channels in the file: three, or one (luminance)."""
        self.transform = transform
        encoded = f"{configuration_name()}: {colourspace} as {transform.encoding}"
        self.colour_key = "plate" if transform.is_identity else encoded
        """Part of a patch's content key: in which encoding the engine saw the plate."""
        self.guides_key = guides.key
        """Part of a patch's content key: painted frames and motion vectors."""
        self._guides = guides
        self._request = request
        self._matte = matte
        self._mattes = mattes
        self._planes: Recent[int, Planes] = Recent(_PLANES_BYTES)
        self._holes: Recent[int, Stitch] = Recent(_HOLES_BYTES)

    def plate(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3) float32 in the engine's encoding."""
        planes = self.planes(frame, box)
        common = box.intersect(planes.box)
        if common == box:
            return self.transform.to_engine(self._pixels(planes, box))
        canvas = np.full((box.height, box.width, 3), np.nan, np.float32)
        if not common.is_empty:
            canvas[common.within(box)] = self._pixels(planes, common)
        return self.transform.to_engine(canvas)

    def _pixels(self, planes: Planes, box: Box) -> FloatImage:
        samples = [as_floats(planes.planes[name][box.within(planes.box)]) for name in self.channels]
        return np.asarray(cv2.merge(samples if len(samples) == 3 else samples * 3), np.float32)

    def hole(self, frame: int, box: Box) -> FloatImage:
        """(height, width) float32 coverage of the generation matte."""
        hole = self._holes.get(frame)
        if hole is None:
            hole = self.mattes(frame).hole
        canvas = np.zeros((box.height, box.width), np.float32)
        common = box.intersect(hole.box)
        canvas[common.within(box)] = hole.alpha[common.within(hole.box)]
        return canvas

    @property
    def references(self) -> tuple[int, ...]:
        """Frames that the artist painted, ascending."""
        painted = self._guides.painted
        return painted.frames if painted else ()

    def reference(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3) float32 in the engine's encoding; the plate's pixels where the image has none.

        Raises NotFound if the frame was not painted.
        """
        if self._guides.painted is None:
            raise NotFound("The request names no painted frames", remedy="Look at `references` first")
        return self._guides.painted.over(frame, box, plate=self.plate(frame, box))

    @property
    def has_motion(self) -> bool:
        """True if the request named motion vectors."""
        return self._guides.motion is not None

    def motion(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 4) float32 in pixels, y down; NaN also towards a neighbour that the shot does not have.

        Raises NotFound without motion vectors.
        """
        if self._guides.motion is None:
            raise NotFound("The request names no motion vectors", remedy="Look at `has_motion` first")
        return self._guides.motion.read(frame, box)

    def mattes(self, frame: int) -> FrameMattes:
        """The mattes of one frame: kept from the first reading, or read again."""
        mattes = self._mattes.get(frame)
        if mattes is None:
            mattes = read_mattes(self._matte, frame, request=self._request, window=self.facts[frame].window)
        self._holes.put(frame, mattes.hole, mattes.hole.alpha.nbytes)
        return mattes

    def file(self, frame: int) -> ExrFile:
        """The frame's header and tables, read anew: kept for a whole shot they would be the most memory of all."""
        return inspect(self.facts[frame].path)

    def planes(self, frame: int, box: Box) -> Planes:
        """All channels of the edited part, at least the rows of box that the frame has; kept for the next call."""
        facts = self.facts[frame]
        wanted = Box(facts.window.x, box.y, facts.window.width, box.height).intersect(facts.window)
        known = self._planes.get(frame)
        if known is not None and known.box.contains(wanted):
            return known
        rows = (wanted.y, wanted.bottom) if not wanted.is_empty else (facts.window.y, facts.window.y + 1)
        planes = read_planes(self.file(frame), part=self.part, rows=rows)
        self._planes.put(frame, planes, sum(plane.nbytes for plane in planes.planes.values()))
        return planes


def _union(boxes: Iterable[Box]) -> Box:
    return reduce(Box.union, boxes, Box(0, 0, 0, 0))


def as_floats(plane: Plane) -> NDArray[np.float32]:
    """float32 samples of the same values, to the bit; seven times faster for half samples than NumPy's own way."""
    if plane.dtype != np.float16 or not plane.size:
        return plane.astype(np.float32)
    half: NDArray[np.float16] = np.ascontiguousarray(plane)
    return np.asarray(cv2.multiply(half, 1.0, dtype=cv2.CV_32F), np.float32)  # type: ignore[call-overload]


def read_mattes(source: MatteSource, frame: int, *, request: FixRequest, window: Box) -> FrameMattes:
    """The mattes of one frame, clipped to the frame's data window."""
    coverage = source.coverage(frame)
    operation, grow_px = request.operation, request.grow_px
    hole = generation_matte(coverage, grow_px=grow_px, bounds=window)
    hard = operation is not Operation.REMOVE or bool((hole.alpha == (hole.alpha > 0)).all())
    if request.feather_px == 0 and grow_px >= 0 and hard:  # then the two are equal by their definitions
        return FrameMattes(hole, hole)
    stitch = stitch_matte(coverage, operation=operation, grow_px=grow_px, feather_px=request.feather_px, bounds=window)
    return FrameMattes(hole, stitch)


def facts_of(
    frame: int, file: ExrFile, *, digest: str, part: int, mattes: FrameMattes, is_added: bool = False
) -> FrameFacts:
    """Boil a frame down to what is kept for the whole job."""
    window = file.parts[part].data_window
    hasher = blake3(repr(tuple(mattes.hole.box)).encode())
    hasher.update(mattes.hole.alpha.tobytes())
    return FrameFacts(
        frame=frame,
        path=file.path,
        plate_digest=digest,
        window=window,
        hole_box=mattes.hole.box,
        hole_count=int(np.count_nonzero(mattes.hole.alpha)),
        hole_digest=hasher.hexdigest(),
        support_box=mattes.stitch.box,
        support_digest=support_digest(mattes.stitch, window),
        is_added=is_added,
    )
