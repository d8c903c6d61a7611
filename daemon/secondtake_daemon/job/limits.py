"""Whether a job asks for more than its client may have: seen from headers and file sizes, before a pixel is decoded."""

from __future__ import annotations

from pathlib import Path

from secondtake.errors import DiskError, TooLarge
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.images import movies
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.sequences import Sequence, choose, find
from secondtake_daemon.pipe import JobLimits

__all__ = ["check_limits"]


def check_limits(request: FixRequest, limits: JobLimits) -> None:
    """Raise TooLarge if the plate has more pixels or bytes than the limits; else what a bad plate raises."""
    if not limits.pixels and not limits.plate_bytes:
        return
    path, wanted = Path(request.plate), FrameSet.parse(request.frames) if request.frames else None
    if request.operation is Operation.GENERATE and wanted is not None:
        _check("pixels", len(wanted) * request.width_px * request.height_px, limits.pixels, Path(request.out))
        return
    if movies.is_movie(path) and path.is_file():
        movie = movies.probe(path)
        frames, files = len(wanted) if wanted is not None else movie.length, [path]
        area = movie.width * movie.height
    else:
        sequence = find(request.plate)
        new = _beyond(wanted, sequence) if request.operation is Operation.EXTEND else frozenset[int]()
        chosen = choose(sequence, FrameSet(frame for frame in wanted if frame not in new) if wanted else None)
        frames, files = len(chosen) + len(new), [sequence.path(frame) for frame in chosen]
        area = sum(part.data_window.area for part in inspect(files[0]).parts)
    _check("pixels", frames * area, limits.pixels, path)
    _check("bytes", sum(map(_size_bytes, files)), limits.plate_bytes, path)


def _beyond(wanted: FrameSet | None, sequence: Sequence) -> frozenset[int]:
    """Frames that an extension adds to the plate."""
    first, last = sequence.frames[0], sequence.frames[-1]
    return frozenset(frame for frame in wanted or () if not first <= frame <= last)


def _check(unit: str, asked: int, most: int, path: Path) -> None:
    if most and asked > most:
        raise TooLarge(
            f"The plate has {asked:,} {unit}, and a client here may ask for {most:,} in a job",
            remedy="Use fewer --frames, or raise the limit in the daemon's settings",
            path=path,
        )


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DiskError(f"The file cannot be read ({error.strerror})", remedy="Check the disk", path=path) from error
