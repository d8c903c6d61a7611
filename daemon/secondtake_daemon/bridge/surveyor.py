"""A child of the bridge: looks at what a request would send, and says it in words. Files are opened, none is changed.

stdin: a `SurveyTask` as JSON; stdout: a `SurveyAnswer`, or `{"error": …}`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from secondtake.boxes import Box
from secondtake.errors import SecondTakeError
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind, FixRequest, Operation
from secondtake_daemon.bridge.answers import SurveyAnswer
from secondtake_daemon.bridge.lines import failed, line_of
from secondtake_daemon.bridge.requests import with_handles
from secondtake_daemon.bridge.tasks import SurveyTask
from secondtake_daemon.images import movies
from secondtake_daemon.images.colour import ColourSpace, from_header, resolve
from secondtake_daemon.images.coverage import open_matte
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_write import check_editable
from secondtake_daemon.images.sequences import choose, describe, find, is_pattern
from secondtake_daemon.job.blanks import colour_of_new

__all__ = ["survey"]

_MOVIE_CHANNELS = ("R", "G", "B")
_MOVIE_SAMPLE = "half"


class _Plate(NamedTuple):
    """What there is to know of the plate before a pixel is read."""

    kind: str
    frames: FrameSet
    named: FrameSet
    """Without the handles."""
    present: FrameSet
    """All that there are."""
    display: Box
    data: Box
    channels: tuple[str, ...]
    sample: str
    space: ColourSpace
    is_assumed: bool
    rate: float | None
    odd: tuple[str, ...]
    added: FrameSet = FrameSet(())
    """Of `frames`: those that are to be made."""


def survey(task: SurveyTask) -> SurveyAnswer:
    """Look at plate and matte. Raises BadInput of the kind a job would end with."""
    request = task.request
    os.environ["OCIO"] = request.ocio
    plate = _plate(task)
    matte, matte_notes = _matte(request, plate)
    return SurveyAnswer(
        shot=request.shot,
        plate=request.plate,
        kind=plate.kind,
        frames=str(plate.frames),
        count=len(plate.frames),
        size_px=(plate.display.width, plate.display.height),
        channels=plate.channels,
        sample=plate.sample,
        colourspace=plate.space.name,
        colourspace_assumed=plate.is_assumed,
        frames_per_s=plate.rate,
        matte=matte,
        lines=tuple(_lines(request, plate, matte)),
        odd=(*_odd(task, plate), *matte_notes, *_not_followed(request, plate)),
    )


def _plate(task: SurveyTask) -> _Plate:
    request, path = task.request, Path(task.request.plate)
    if request.operation is Operation.GENERATE:
        return _new(request)
    plate = _movie(path, task) if path.is_file() and movies.is_movie(path) else _sequence(task)
    if request.operation is not Operation.EXTEND:
        return plate
    wanted = FrameSet.parse(request.frames) if request.frames else plate.frames
    before, after = task.extend
    longer, there = FrameSet((*plate.frames, *wanted)).longer(before=before, after=after), set(plate.present)
    added = FrameSet(frame for frame in longer if frame not in there)
    return plate._replace(frames=longer, named=FrameSet(frame for frame in longer if frame in there), added=added)


def _new(request: FixRequest) -> _Plate:
    """Frames of which there is nothing yet."""
    frames = FrameSet.parse(request.frames)
    box = Box(0, 0, request.width_px, request.height_px)
    return _Plate(
        kind="new",
        frames=frames,
        named=frames,
        present=FrameSet(()),
        display=box,
        data=box,
        channels=_MOVIE_CHANNELS,
        sample=_MOVIE_SAMPLE,
        space=colour_of_new(request),
        is_assumed=False,
        rate=request.fps,
        odd=(),
        added=frames,
    )


def _wanted(request: FixRequest, present: FrameSet) -> FrameSet | None:
    """The plate's frames that were asked for; an extension names others too. None is all."""
    if not request.frames:
        return None
    named = FrameSet.parse(request.frames)
    if request.operation is not Operation.EXTEND:
        return named
    return FrameSet(set(named) & set(present)) if set(named) & set(present) else None


def _sequence(task: SurveyTask) -> _Plate:
    request = task.request
    sequence = find(request.plate)
    present = FrameSet(sequence.frames)
    named = FrameSet(choose(sequence, _wanted(request, present)))
    frames = with_handles(named, present, task.handles)
    first = inspect(sequence.path(next(iter(frames))))
    part, channels = main_channels(first)
    check_editable(first, part, channels)
    header = first.parts[part]
    if request.colourspace:
        space, is_assumed = resolve(request.colourspace), False
    else:
        found = from_header(interop_id=header.colour_interop_id, chromaticities=header.chromaticities, path=first.path)
        space, is_assumed = found.space, found.assumed
    rate = header.frames_per_second
    types = {channel.type for channel in header.channels if channel.name in channels}
    still = "sequence" if is_pattern(request.plate) else "still"
    return _Plate(
        kind="take" if request.parent else still,
        frames=frames,
        named=named,
        present=present,
        display=header.display_window,
        data=header.data_window,
        channels=channels,
        sample=" and ".join(sorted(one.name.lower() for one in types)),
        space=space,
        is_assumed=is_assumed,
        rate=rate[0] / rate[1] if rate is not None and rate[1] > 0 else None,
        odd=("The files hold more than the picture; the rest stays as it is",)
        if _has_more(header.names, channels)
        else (),
    )


def _has_more(names: tuple[str, ...], channels: tuple[str, ...]) -> bool:
    return bool(set(names) - set(channels) - {"A"})


def _movie(path: Path, task: SurveyTask) -> _Plate:
    movie, request = movies.probe(path), task.request
    present = FrameSet(range(1, movie.length + 1))
    named = _wanted(request, present) or present
    box = Box(0, 0, movie.width, movie.height)
    notes = list(movie.notes)
    if movie.pixel_aspect != 1:
        notes.append(f"The movie's pixels are {float(movie.pixel_aspect):g} times as wide as high")
    return _Plate(
        kind="movie",
        frames=with_handles(named, present, task.handles),
        named=named,
        present=present,
        display=box,
        data=box,
        channels=_MOVIE_CHANNELS,
        sample=_MOVIE_SAMPLE,
        space=resolve(request.colourspace) if request.colourspace else movie.colour(),
        is_assumed=False,
        rate=float(movie.rate),
        odd=tuple(notes),
    )


def _matte(request: FixRequest, plate: _Plate) -> tuple[str, tuple[str, ...]]:
    """What kind it is, and what is worth a look. The first frame is opened, so that one that does not fit is told."""
    if not request.matte:
        return "", ()
    source = open_matte(
        request.matte,
        frames=tuple(plate.frames),
        plate_display=plate.display,
        plate_data=plate.data,
        channel=request.matte_channel,
    )
    if request.matte.lower().endswith(".json"):
        return "keyed shapes", tuple(source.notes)
    return ("sequence" if is_pattern(request.matte) else "still"), tuple(source.notes)


def _lines(request: FixRequest, plate: _Plate, matte: str) -> list[str]:
    handles = len(plate.frames) - len(plate.named) - len(plate.added) if request.plate else 0
    frames = "1 frame" if len(plate.frames) == 1 else f"{len(plate.frames)} frames"
    of_which = f", of which {handles} {'is a handle' if handles == 1 else 'are handles'}" if handles else ""
    if request.plate and plate.added:
        of_which += f", new {describe(plate.added)}"
    rate = f", {plate.rate:g} frames a second" if plate.rate else ""
    lines = [
        f"{Path(request.plate).name if request.plate else 'New'}: {frames}, {describe(plate.frames)}{of_which}",
        f"{plate.display.width} × {plate.display.height}, {' '.join(plate.channels)}, {plate.sample}{rate}",
        f"Colour space {plate.space.name}",
    ]
    if request.parent:
        lines.append(f"On take {request.parent}")
    if matte:
        lines.append(f"Matte {Path(request.matte).name}: {matte}")
    if request.control_kind is not ControlKind.NONE:
        followed = Path(request.control).name if request.control else "made of the plate"
        lines.append(f"Follows {request.control_kind.value}: {followed}")
    lines += [
        f"Reference {Path(one.path).name}" + (f" as frame {one.frame}" if one.frame is not None else "")
        for one in request.references
    ]
    return lines


def _not_followed(request: FixRequest, plate: _Plate) -> tuple[str, ...]:
    """What the pictures to follow lack. Raises MissingFrames if there are none at all."""
    if not request.control:
        return ()
    there = set(find(request.control).frames)
    lacking = FrameSet(frame for frame in plate.frames if frame not in there)
    if not lacking or not is_pattern(request.control):
        return ()
    return (f"The pictures to follow lack {describe(lacking)}",)


def _odd(task: SurveyTask, plate: _Plate) -> list[str]:
    request, odd = task.request, list(plate.odd)
    if plate.is_assumed:
        odd.insert(0, f"The plate has no colour tag and is taken as {plate.space.name}")
    lacking = sum(task.handles) - (len(plate.frames) - len(plate.added) - len(plate.named)) if request.plate else 0
    if lacking > 0:
        odd.append(f"The plate has no frames for {lacking} of the handles")
    if plate.data != plate.display:
        box = plate.data
        odd.append(f"The data window is {box.width} × {box.height} at {box.x}, {box.y}")
    gone = [one.path for one in request.references if not Path(one.path).is_file()]
    return odd + [f"There is no file {Path(path).name}" for path in gone]


def main() -> None:
    """Run as a child of the bridge."""
    try:
        said = survey(msgspec.json.decode(sys.stdin.buffer.read(), type=SurveyTask))
        sys.stdout.buffer.write(line_of(said))
    except SecondTakeError as error:
        sys.stdout.buffer.write(line_of(failed(None, error)))


if __name__ == "__main__":
    main()
