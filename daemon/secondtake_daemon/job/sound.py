"""What a take sounds like: the plate's sound where the plate is, what the engine made where it is not.

An edit inside a matte keeps the sound that is there; a shot that is new, or goes on beyond its ends, has the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadInput
from secondtake.frames import FrameSet
from secondtake.messages import Operation
from secondtake_daemon.images.sound import Track, movie_sound, read_wav, resampled, wav_bytes
from secondtake_daemon.job.line import Line
from secondtake_daemon.job.prepare import PlateFound
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.io import replace_bytes
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.patches import StoredSound
from secondtake_daemon.takes.manifest import SoundUsed

__all__ = ["PlateTrack", "invents", "joined", "keep_sound", "plate_track", "sound_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateTrack:
    """Sound of some frames in a row."""

    frames: tuple[int, ...]
    track: Track


def sound_name(*, shot: str, take: str) -> str:
    """Name of a take's sound, beside its frames."""
    return f"{shot}.{take}.wav"


def invents(operation: Operation) -> bool:
    """True if it makes frames that nobody heard before."""
    return operation in (Operation.EXTEND, Operation.GENERATE)


def plate_track(
    plate: PlateFound, line: Line | None, *, frames: Sequence[int], roots: Sequence[Path], digests: FileDigests
) -> PlateTrack | None:
    """The sound of those of the frames that the plate has: a movie's, or that of the take that it is.

    Raises BadImage if there is some that can't be read, BadInput if it is not the one that was recorded.
    """
    movie = plate.movie
    if movie is not None and movie.rate:
        there = tuple(frame for frame in frames if 1 <= frame <= movie.length)
        if not there:
            return None
        begin, end = Fraction(there[0] - 1) / movie.rate, Fraction(there[-1]) / movie.rate
        track = movie_sound(movie, begin_s=begin, end_s=end)
        return None if track is None else PlateTrack(frames=tuple(range(there[0], there[-1] + 1)), track=track)
    if line is None or line.parent.sound is None:
        return None
    path = plate.sequence.folder / Path(line.parent.sound.file).name
    require_inside(path, roots)
    if not path.is_file() or digests.of(path) != line.parent.sound.digest:
        raise BadInput("The take's sound is not the one that was recorded", remedy="Bring it back", path=path)
    before = tuple(record.frame for record in line.parent.frames)
    whole = read_wav(path)
    there = tuple(frame for frame in frames if before[0] <= frame <= before[-1])
    if not there:
        return None
    per_frame = whole.samples.shape[1] / (before[-1] - before[0] + 1)
    begin_at, end_at = (round((frame - before[0]) * per_frame) for frame in (there[0], there[-1] + 1))
    cut = Track(samples=whole.samples[:, begin_at:end_at], rate_hz=whole.rate_hz)
    return PlateTrack(frames=tuple(range(there[0], there[-1] + 1)), track=cut)


def keep_sound(
    path: Path,
    *,
    windows: Sequence[tuple[int, ...]],
    made: Sequence[StoredSound | None],
    plate: PlateTrack | None,
    digests: FileDigests,
) -> SoundUsed | None:
    """Write the take's sound, if it has any. made: each window's, where it counts. Raises DiskError, BadOutput."""
    frames = tuple(frame for window in windows for frame in window)
    heard = joined([len(window) for window in windows], made) if made else None
    track, of_engine = heard, frames
    if plate is not None:
        track = plate.track if heard is None else _over(heard, plate, frames)
        of_engine = tuple(frame for frame in frames if frame not in plate.frames) if heard is not None else ()
    if track is None:
        return None
    replace_bytes(path, wav_bytes(track))
    return SoundUsed(
        file=path.name,
        digest=digests.of(path),
        rate_hz=track.rate_hz,
        channels=len(track.samples),
        made=str(FrameSet(of_engine)) if of_engine else "",
    )


def joined(counts: Sequence[int], parts: Sequence[StoredSound | None]) -> Track | None:
    """Windows one after the other, faded into each other where both sound; silence where one has none.

    counts: frames of each window. The fade keeps the power, because the two are not the same sound.
    """
    first = next((part for part in parts if part is not None), None)
    if first is None:
        return None
    at = parts.index(first)
    per_frame = (first.samples.shape[1] - first.before - first.after) / counts[at]
    seams = [round(sum(counts[:place]) * per_frame) for place in range(len(counts) + 1)]
    canvas = np.zeros((len(first.samples), seams[-1]), np.float32)
    for place, part in enumerate(parts):
        if part is None:
            continue
        early = _reach(parts[place - 1] if place else None, part)
        late = _reach(part, parts[place + 1] if place + 1 < len(parts) else None)
        begin, end = seams[place] - early, min(seams[place + 1] + late, canvas.shape[1])
        piece = part.samples[:, part.before - early :][:, : end - begin] * _weights(end - begin, early, late)
        canvas[:, begin : begin + piece.shape[1]] += piece
    return Track(samples=canvas, rate_hz=first.rate_hz)


def _reach(before: StoredSound | None, after: StoredSound | None) -> int:
    """Samples on each side of a seam over which two windows are faded."""
    return min(before.after, after.before) if before is not None and after is not None else 0


def _weights(length: int, early: int, late: int) -> NDArray[np.float32]:
    weights = np.ones(length, np.float32)
    if early:
        weights[: 2 * early] = np.sin((np.arange(2 * early) + 0.5) / (2 * early) * np.pi / 2)
    if late:
        weights[length - 2 * late :] *= np.cos((np.arange(2 * late) + 0.5) / (2 * late) * np.pi / 2)
    return weights


def _over(heard: Track, plate: PlateTrack, frames: Sequence[int]) -> Track:
    """What was made, and over the plate's frames the plate's sound."""
    per_frame = heard.samples.shape[1] / len(frames)
    same = resampled(plate.track, rate_hz=heard.rate_hz, channels=len(heard.samples)).samples
    begin = round(frames.index(next(frame for frame in frames if frame in plate.frames)) * per_frame)
    canvas = heard.samples.copy()
    end = min(begin + same.shape[1], canvas.shape[1])
    canvas[:, begin:end] = same[:, : end - begin]
    return Track(samples=canvas, rate_hz=heard.rate_hz)
