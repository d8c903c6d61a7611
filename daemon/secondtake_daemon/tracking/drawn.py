"""The drawn frames of a tracking: what each of them covers, and whether that can be tracked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadMatte, UsageError
from secondtake.frames import FrameSet
from secondtake_daemon.images import shapes
from secondtake_daemon.images.coverage import Coverage, MatteSource, open_matte
from secondtake_daemon.images.sequences import describe
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.tracking.plate import TrackPlate
from secondtake_daemon.tracking.record import Record
from secondtake_daemon.tracking.request import DrawnFile, TrackRequest

__all__ = ["DrawnMatte", "DrawnMattes", "open_drawn"]

_ALL = 0.999
_HELD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnMatte:
    """One drawn frame."""

    frame: int
    source: MatteSource
    path: str
    """Where it was drawn; of one that is remembered, where it was drawn then."""
    digest: str
    remembered: bool = False
    """True if an earlier tracking of the folder was given it, and this one was not."""


class DrawnMattes:
    """All drawn frames of a tracking, checked."""

    def __init__(self, mattes: Sequence[DrawnMatte], plate: TrackPlate, *, ignored: FrameSet) -> None:
        self.by_frame = {one.frame: one for one in mattes}
        self._plate = plate
        self._ignored = ignored
        self._placed = lru_cache(_HELD)(self._place)
        for one in mattes:
            self._check(one)
        if all(not self.coverage(frame).any() for frame in self.by_frame):
            raise BadMatte(
                "The matte is empty" if len(mattes) == 1 else "The matte is empty on every drawn frame",
                remedy="Draw what is to be tracked, or name its channel with --matte-channel",
                path=mattes[0].path,
            )

    @property
    def frames(self) -> tuple[int, ...]:
        """The drawn frames, ascending."""
        return tuple(sorted(self.by_frame))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen, left out or remembered, one sentence each."""
        notes: dict[str, None] = {}
        for frame in self.frames:
            notes.update(dict.fromkeys(self.by_frame[frame].source.notes))
        remembered = FrameSet(frame for frame, one in self.by_frame.items() if one.remembered)
        if remembered:
            notes.setdefault(f"{_named(remembered)} drawn in an earlier tracking of this folder, and honoured again.")
        if self._ignored:
            notes.setdefault(f"Keys of the shapes outside the plate's frames were left out: {describe(self._ignored)}.")
        return tuple(notes)

    def coverage(self, frame: int) -> NDArray[np.float32]:
        """(height, width) of the plate's bounds."""
        return self._placed(frame)

    def _place(self, frame: int) -> NDArray[np.float32]:
        bounds = self._plate.bounds
        found: Coverage = self.by_frame[frame].source.coverage(frame)
        canvas = np.zeros((bounds.height, bounds.width), np.float32)
        common = bounds.intersect(found.box)
        canvas[common.within(bounds)] = found.values[common.within(found.box)]
        return canvas

    def _check(self, one: DrawnMatte) -> None:
        if (self.coverage(one.frame) > 0.5).mean() > _ALL:
            raise BadMatte(
                f"The matte of frame {one.frame} covers the whole picture: there is nothing to tell it from",
                remedy="Draw only what is to be tracked",
                path=one.path,
            )


def open_drawn(
    request: TrackRequest, plate: TrackPlate, *, earlier: Record | None, digests: FileDigests
) -> DrawnMattes:
    """Open what was drawn, and what an earlier tracking of the same folder was given for other frames.

    Raises BadMatte if one does not fit the plate, UsageError if a frame is given twice.
    """
    found: dict[int, DrawnMatte] = {}
    ignored: list[int] = []
    for file in request.drawn:
        frames = _frames_of(file, plate)
        ignored += [frame for frame in frames if frame not in plate.windows]
        for frame in frames:
            if frame in plate.windows:
                if frame in found:
                    raise UsageError(f"Frame {frame} is drawn twice", remedy="Give one matte a frame", path=file.path)
                found[frame] = _opened(file.path, frame, request, plate, digests)
    for one in earlier.frames if earlier else ():
        if one.drawn and one.frame in plate.windows and one.frame not in found:
            path = request.out / one.file
            source = _open(path, one.frame, plate, channel="")
            found[one.frame] = DrawnMatte(
                frame=one.frame, source=source, path=one.drawn, digest=one.drawn_digest, remembered=True
            )
    return DrawnMattes([found[frame] for frame in sorted(found)], plate, ignored=FrameSet(ignored))


def _frames_of(file: DrawnFile, plate: TrackPlate) -> tuple[int, ...]:
    if file.frame is not None:
        keys: tuple[int, ...] = (file.frame,)
        what = f"Frame {file.frame} was drawn, but the plate has frames"
    else:
        keys = tuple(FrameSet(key.frame for shape in shapes.load(file.path).shapes for key in shape.keys))
        what = f"The shapes have keys on {describe(FrameSet(keys))}, but the plate has frames"
    if not any(frame in plate.windows for frame in keys):
        raise BadMatte(
            f"{what} {describe(FrameSet(plate.frames))}",
            remedy="Draw on one of these frames, or correct the number after the @ or --frames",
            path=file.path,
        )
    return keys


def _opened(path: Path, frame: int, request: TrackRequest, plate: TrackPlate, digests: FileDigests) -> DrawnMatte:
    source = _open(path, frame, plate, channel=request.matte_channel)
    return DrawnMatte(frame=frame, source=source, path=str(path), digest=digests.of(path))


def _open(path: Path, frame: int, plate: TrackPlate, *, channel: str) -> MatteSource:
    return open_matte(
        str(path), frames=(frame,), plate_display=plate.display, plate_data=plate.windows[frame], channel=channel
    )


def _named(frames: FrameSet) -> str:
    return f"Frame {frames} was" if len(frames) == 1 else f"Frames {describe(frames)} were"
