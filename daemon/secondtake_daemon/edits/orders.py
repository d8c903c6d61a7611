"""What a shot asks of the daemon, under a job id made of its content: the same shot again is the same job.

The key of a shot is a digest of its request and of how its files stand on disk (size and time of change). So a run that
was cut short is joined by the next one, and whatever changes — an instruction, a frame of the matte, a plate that was
rendered again — makes a new take in a new folder beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from secondtake.errors import NotFound, SecondTakeError
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, FixResult
from secondtake_daemon.edits.edit import EditShot
from secondtake_daemon.edits.longer import frames_there, longer
from secondtake_daemon.images.sequences import find
from secondtake_daemon.store.keys import key_of
from secondtake_daemon.takes.manifest import MANIFEST_NAME, load
from secondtake_daemon.takes.publish import result_of

__all__ = ["Order", "order_for"]

_KEY_DIGITS = 8
_JOB_DIGITS = 32


class _Stamp(msgspec.Struct, frozen=True):
    """How a file stands on disk; size and time are -1 if it is not there."""

    path: str
    size_bytes: int
    changed_ns: int


class _Content(msgspec.Struct, frozen=True):
    """What the key of a shot is made of."""

    wishes: dict[str, object]
    """The request's fields that are not the defaults: a field that a later version adds changes no key."""
    stamps: tuple[_Stamp, ...]


class _Attempt(msgspec.Struct, frozen=True):
    key: str
    out: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A shot that is to become a take."""

    shot: EditShot
    key: str
    """64 hex digits."""
    folder: Path
    """Where the take goes: `<out>/<shot>/<first digits of the key>`."""
    ocio: str

    def request(self, attempt: int) -> FixRequest:
        """What to send. attempt: 0, and one more each time it is to be tried again, as a job that ended is final."""
        request = _request(self.shot, ocio=self.ocio)
        job = key_of(_Attempt(self.key, str(self.folder), attempt))[:_JOB_DIGITS]
        return replace(request, job=job, out=str(self.folder))

    def finished(self) -> FixResult | None:
        """The take in its folder, if it is there. Raises NotFound if frames of it are gone, Incompatible."""
        if not (self.folder / MANIFEST_NAME).exists():
            return None
        result = result_of(load(self.folder), self.folder)
        gone = [file for file in result.files if not Path(file).exists()]
        if gone:
            remedy = "Remove its folder and run again"
            raise NotFound(f"Take {result.take} has lost {len(gone)} of its frames", remedy=remedy, path=gone[0])
        return result


def order_for(shot: EditShot, *, out: Path, ocio: str) -> Order:
    """The order of a shot in which something changes. out: the edit's folder. ocio: the sender's $OCIO, absolute."""
    request = _request(shot, ocio=ocio)
    blank = FixRequest(job="", shot="", plate="", matte="", out="", operation=shot.operation)
    wishes = {
        name: value
        for name in FixRequest.__struct_fields__
        if (value := getattr(request, name)) != getattr(blank, name) or name == "operation"
    }
    content = _Content(msgspec.to_builtins(wishes), tuple(_stamps(shot)))
    key = key_of(content)
    return Order(shot=shot, key=key, folder=out / shot.name / key[:_KEY_DIGITS], ocio=ocio)


def _request(shot: EditShot, *, ocio: str) -> FixRequest:
    """All but the job and the folder."""
    return FixRequest(
        job="",
        shot=shot.name,
        plate=shot.plate,
        matte=shot.matte,
        out="",
        operation=shot.operation,
        instruction=shot.instruction,
        references=shot.references,
        motion=shot.motion,
        control=shot.control,
        control_kind=shot.control_kind,
        width_px=shot.size[0],
        height_px=shot.size[1],
        fps=shot.fps,
        frames=_frames(shot),
        colourspace=shot.colourspace,
        ocio=ocio,
        matte_channel=shot.matte_channel,
        grow_px=shot.grow_px,
        feather_px=shot.feather_px,
        engine=shot.engine,
        engine_options=shot.engine_options,
        quality=shot.quality,
        seed=shot.seed,
        aovs=shot.aovs,
    )


def _frames(shot: EditShot) -> str:
    """Those that are asked for. Where the plate cannot be found the daemon says so, as for any other shot."""
    said = str(shot.frames) if shot.frames else ""
    if not shot.extend:
        return said
    try:
        there = FrameSet.parse(said) if said else FrameSet(frames_there(shot.plate))
    except SecondTakeError:
        return said
    return str(longer(there, shot.extend))


def _stamps(shot: EditShot) -> Iterator[_Stamp]:
    for name in (shot.plate, shot.matte, shot.motion, shot.control):
        for path in _files(name, shot):
            yield _stamp(path)
    for reference in shot.references:
        yield _stamp(Path(reference.path))


def _files(name: str, shot: EditShot) -> list[Path]:
    """The files behind a name that the shot looks at; what cannot be found the daemon will refuse."""
    if not name or Path(name).is_file():
        return [Path(name)] if name else []
    try:
        sequence = find(name)
    except SecondTakeError:
        return [Path(name)]
    first, last = shot.frames or (sequence.frames[0], sequence.frames[-1])
    return [sequence.path(frame) for frame in sequence.frames if first <= frame <= last]


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return _Stamp(str(path), -1, -1)
    return _Stamp(str(path), status.st_size, status.st_mtime_ns)
