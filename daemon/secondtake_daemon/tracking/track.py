"""The life of one tracking: plate and drawn frames → motion of the whole shot → carried mattes → folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secondtake.frames import FrameSet
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.matte_track import Carried, track_matte
from secondtake_daemon.images.sequences import describe
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.publish import now, software
from secondtake_daemon.tracking.drawn import DrawnMattes, open_drawn
from secondtake_daemon.tracking.folder import TrackFolder
from secondtake_daemon.tracking.plate import TrackPlate, open_plate
from secondtake_daemon.tracking.record import RECORD_NAME, Record, TrackedFrame
from secondtake_daemon.tracking.request import TrackRequest

__all__ = ["Tracked", "Watcher", "track"]

_UNSURE = 0.6
_MOST_WORST = 3


class Watcher(Protocol):
    """Is told how far the tracking is, and may end it."""

    def show(self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None) -> None:
        """`what` is a phase; total 0 is unknown."""

    def step(self) -> None:
        """Called several times a second; may raise Cancelled."""

    def hold(self) -> None:
        """From now on nothing may interrupt: the files take their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A finished tracking."""

    record: Record
    folder: Path
    seconds: float

    @property
    def manifest(self) -> Path:
        """track.json."""
        return self.folder / RECORD_NAME

    @property
    def files(self) -> tuple[str, ...]:
        """Absolute paths, in frame order."""
        return tuple(str(self.folder / one.file) for one in self.record.frames)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The frames that were drawn."""
        return tuple(one.frame for one in self.record.frames if one.drawn)

    @property
    def worst(self) -> tuple[int, ...]:
        """Up to three tracked frames of the least confidence, the least sure first: draw one of these next."""
        tracked = [one for one in self.record.frames if not one.drawn]
        return tuple(one.frame for one in sorted(tracked, key=lambda one: (one.confidence, one.frame))[:_MOST_WORST])


def track(request: TrackRequest, *, cache: Path, watcher: Watcher) -> Tracked:
    """Carry the drawn mattes through the plate, and write a matte for each frame.

    cache: where a movie is converted to frames. Raises any BadInput of the kind that fits, DiskError, or what the
    watcher raises; after an error the folder is as it was.
    """
    started, digests = time.monotonic(), FileDigests()
    plate = open_plate(request, cache=cache, step=watcher.step)
    with TrackFolder(request.out, plate=request.plate, plate_folder=plate.sequence.folder) as folder:
        drawn = open_drawn(request, plate, earlier=folder.earlier, digests=digests)
        names = _names(request, plate)
        folder.require_free(names, drawn={frame: one.path for frame, one in drawn.by_frame.items()})
        analysis = _look(plate, request, watcher)
        written: dict[int, TrackedFrame] = {}
        unreached: list[int] = []
        for carried in _carried(analysis, plate, drawn, watcher.step):
            frame = plate.frames[carried.index]
            written[frame] = _write(carried, frame, names[frame], plate=plate, drawn=drawn, folder=folder)
            if not carried.reached:
                unreached.append(frame)
            watcher.show("track", done=len(written), total=len(plate.frames), frame=frame)
        record = Record(
            shot=request.shot,
            plate=request.plate,
            made=now(),
            software=software(),
            quality=request.quality,
            colourspace=plate.space.name,
            frames=tuple(written[frame] for frame in plate.frames),
            notes=(*drawn.notes, *_cut_notes(analysis, plate, unreached), *_doubts(written, unreached)),
        )
        watcher.hold()
        folder.publish(record)
    return Tracked(record=record, folder=request.out, seconds=round(time.monotonic() - started, 3))


def _names(request: TrackRequest, plate: TrackPlate) -> Mapping[int, str]:
    width = plate.sequence.padding
    return {frame: f"{request.shot}.matte.{frame:0{width}d}.exr" for frame in plate.frames}


def _look(plate: TrackPlate, request: TrackRequest, watcher: Watcher) -> Analysis:
    """The motion of the whole shot. The frames are counted as they are first read in order."""
    total, done = len(plate.frames), 0

    def read(frame: int) -> None:
        nonlocal done
        watcher.step()
        if plate.frames[min(done, total - 1)] == frame and done < total:
            done += 1
            watcher.show("look", done=done, total=total, frame=frame)

    plate.on_read = read
    return analyse(shot=plate, preset=preset_for(quality=request.quality), step=watcher.step)


def _carried(analysis: Analysis, plate: TrackPlate, drawn: DrawnMattes, step: Callable[[], None]) -> Iterator[Carried]:
    places = {frame: place for place, frame in enumerate(plate.frames)}
    return track_matte(
        analysis,
        drawn=[places[frame] for frame in drawn.frames],
        read=lambda place: drawn.coverage(plate.frames[place]),
        step=step,
    )


def _write(
    carried: Carried, frame: int, name: str, *, plate: TrackPlate, drawn: DrawnMattes, folder: TrackFolder
) -> TrackedFrame:
    window = plate.windows[frame]
    values = carried.coverage[window.within(plate.bounds)]
    source = drawn.by_frame.get(frame)
    digest, replaced = folder.write(name, values, data=window, display=plate.display, exact=source is not None)
    return TrackedFrame(
        frame=frame,
        file=name,
        digest=digest,
        confidence=round(carried.confidence, 4),
        drawn=source.path if source else "",
        drawn_digest=source.digest if source else "",
        replaced=replaced,
    )


def _cut_notes(analysis: Analysis, plate: TrackPlate, unreached: list[int]) -> list[str]:
    """Where the matte stopped at a cut."""
    if not unreached:
        return []
    cuts = [
        f"{plate.frames[place]} and {plate.frames[place + 1]}"
        for place in range(len(plate.frames) - 1)
        if analysis.parts[place] != analysis.parts[place + 1]
        and (plate.frames[place] in unreached) != (plate.frames[place + 1] in unreached)
    ]
    left = FrameSet(unreached)
    are = "Frame {} has" if len(left) == 1 else "Frames {} have"
    return [
        f"The matte was not carried over the cut between frames {' and between '.join(cuts)}.",
        f"{are.format(describe(left))} an empty matte; draw one of them with --also if the thing is there.",
    ]


def _doubts(written: Mapping[int, TrackedFrame], unreached: list[int]) -> list[str]:
    unsure = FrameSet(frame for frame, one in written.items() if one.confidence < _UNSURE and frame not in unreached)
    if not unsure:
        return []
    return [
        f"Little of the matte could be followed on {'frame' if len(unsure) == 1 else 'frames'} {describe(unsure)}: "
        "look at it, and draw one more with --also."
    ]
