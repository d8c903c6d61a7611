"""Which frames a job adds to its plate, and the empty files that stand for them in the cache.

Frames that nobody shot get a file of the plate's kind, so that everything after — reading, stitching, proving, a take
on the take — needs no second way. The files lie where converted movies do, named by what is in them: they can be made
again, and stay while a take names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

from blake3 import blake3

from secondtake.errors import BadInput, DiskError
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest
from secondtake_daemon.images.colour import ColourSpace, header_of, resolve
from secondtake_daemon.images.exr_blank import BlankKind, kind_like, kind_of_size, write_blank
from secondtake_daemon.images.sequences import Sequence, describe
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.movies import drop_damaged, keep_frame

__all__ = ["added_frames", "blank_shot", "blanks_beside", "colour_of_new"]

_VERSION = 1
"""Raised when the same kind gives other files."""
_MOST_FRAMES = 20_000
_LINEAR_REC709 = "lin_rec709_scene"
_NTSC = Fraction(1000, 1001)


def added_frames(wanted: FrameSet, present: Sequence) -> tuple[FrameSet, tuple[int, ...]]:
    """Of the frames that an extension shall have: those of the plate, and those that it adds.

    Raises BadInput if it adds none, or if the new ones do not follow on the plate's without a gap.
    """
    first, last = present.frames[0], present.frames[-1]
    kept = FrameSet(frame for frame in wanted if first <= frame <= last)
    added = tuple(frame for frame in wanted if not first <= frame <= last)
    if not added:
        raise BadInput(
            f"The plate has frames {describe(FrameSet(present.frames))}, so {wanted} extends it by none",
            remedy=f"Give --extend 12, or --frames beyond {last}",
            path=present.name,
        )
    _require_few(added, present.name)
    numbers = tuple(wanted)
    known = set(kept)
    step = min((later - earlier for earlier, later in pairwise(tuple(kept))), default=1)
    gaps = [pair for pair in pairwise(numbers) if not set(pair) <= known and pair[1] - pair[0] != step]
    if gaps or not known:
        raise BadInput(
            f"The new frames {describe(FrameSet(added))} do not follow on the plate's "
            f"{describe(FrameSet(present.frames))}",
            remedy="Give --frames as one range that holds frames of the plate too",
            path=present.name,
        )
    return kept, added


def blanks_beside(
    added: tuple[int, ...],
    *,
    plate: Sequence,
    kept: FrameSet,
    cache: Path,
    digests: FileDigests,
    step: Callable[[], None],
) -> dict[int, Path]:
    """Empty frames of the plate's kind: before it as its first frame, after it as its last. Raises BadImage, DiskError.

    cache: the folder of converted movies.
    """
    found: dict[int, Path] = {}
    ends = min(kept), max(kept)
    for end, mine in ((ends[0], [f for f in added if f < ends[0]]), (ends[1], [f for f in added if f > ends[1]])):
        if mine:
            kind = kind_like(plate.path(end))
            found |= _made(kind, {frame: frame - end for frame in mine}, cache=cache, digests=digests, step=step)
    return dict(sorted(found.items()))


def blank_shot(
    request: FixRequest, *, cache: Path, digests: FileDigests, step: Callable[[], None]
) -> tuple[Sequence, dict[int, Path]]:
    """All frames of a shot that has no plate. Raises UnknownColour, BadInput, DiskError."""
    frames = tuple(FrameSet.parse(request.frames))
    _require_few(frames, request.out)
    kind = kind_of_size(
        width=request.width_px,
        height=request.height_px,
        rate=_rate(request.fps),
        colour=header_of(colour_of_new(request)),
    )
    made = _made(kind, dict.fromkeys(frames, 0), cache=cache, digests=digests, step=step)
    folder = next(iter(made.values())).parent
    name = str(folder / "frame.%04d.exr")
    return Sequence(name=name, folder=folder, prefix="frame.", suffix=".exr", padding=4, frames=frames), made


def colour_of_new(request: FixRequest) -> ColourSpace:
    """Of what is generated: the space that the request names, else scene-linear Rec.709."""
    return resolve(request.colourspace or _LINEAR_REC709)


def _made(
    kind: BlankKind, apart: Mapping[int, int], *, cache: Path, digests: FileDigests, step: Callable[[], None]
) -> dict[int, Path]:
    """Files of a kind. apart: of each frame, how far it is from the plate."""
    moves = sorted({frame - by for frame, by in apart.items()}) if any(p.time_code for p in kind.parts) else []
    name = blake3(f"{_VERSION} {kind!r} {moves}".encode()).hexdigest()[:32]
    folder = cache / f"{name}.blank"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiskError(f"The cache cannot be written to ({reason})", remedy="Check the disk", path=folder) from error
    paths = {frame: folder / f"frame.{frame:04d}.exr" for frame in apart}
    drop_damaged([path for path in paths.values() if path.exists()], digests, step=step)
    for frame, path in paths.items():
        step()
        if not path.exists():
            keep_frame(path, partial(write_blank, kind=kind, apart=apart[frame]))
    return paths


def _rate(fps: float) -> Fraction:
    """24 is 24; 23.976 is 24000/1001, as everybody means."""
    whole = round(fps / float(_NTSC))
    return whole * _NTSC if abs(whole * float(_NTSC) - fps) < 0.005 else Fraction(fps).limit_denominator(1000)


def _require_few(frames: tuple[int, ...], path: str) -> None:
    if len(frames) > _MOST_FRAMES:
        raise BadInput(
            f"{len(frames):,} new frames are more than can be made at once",
            remedy=f"Ask for at most {_MOST_FRAMES:,}, and go on from there",
            path=path,
        )
