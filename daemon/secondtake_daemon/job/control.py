"""The frames to follow that the artist hands in: opened once, their range measured over the shot, read on demand."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadImage, MissingFrames
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind, FixRequest, Operation
from secondtake_daemon.engines.contract import Control, FloatImage
from secondtake_daemon.images import sequences
from secondtake_daemon.images.control import (
    ControlPicture,
    DepthRange,
    depth_range,
    depth_samples,
    fitted,
    open_depth,
    open_picture,
)
from secondtake_daemon.job.recent import Recent
from secondtake_daemon.job.report import Report
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import ControlUsed, joint_digest

__all__ = ["Followed", "FollowedFrames", "control_key", "control_of", "find_control"]

_PICTURES_BYTES = 192 << 20


class FollowedFrames:
    """Frames to follow, as codes over boxes of the plate. Thread-safe; holds a bounded number of bytes."""

    def __init__(
        self,
        paths: Mapping[int, Path],
        *,
        kind: ControlKind,
        display: Box,
        depth: DepthRange,
        is_distance: bool,
        known: Mapping[int, str],
        digests: FileDigests,
    ) -> None:
        self._paths = paths
        self._kind = kind
        self._display = display
        self._depth = depth
        self._is_distance = is_distance
        self._known = known
        self._digests = digests
        self._codes: Recent[Path, FloatImage] = Recent(_PICTURES_BYTES)

    def read(self, frame: int, box: Box) -> FloatImage:
        """(box.height, box.width, 3) float32 codes 0 … 1; black beyond the picture. Raises BadImage."""
        codes = fitted(self._picture(frame), display=self._display, box=box)
        return codes if codes.ndim == 3 else np.repeat(codes[..., None], 3, axis=-1)

    def _picture(self, frame: int) -> FloatImage:
        path = self._paths[frame]
        known = self._codes.get(path)
        if known is None:
            if self._digests.of(path) != self._known[frame]:
                what = "The picture to follow changed on disk while the job ran"
                raise BadImage(what, remedy="Run the job again", path=path)
            picture = _open(path, self._kind, self._display)
            known = replace(picture, is_distance=self._is_distance).codes(self._depth)
            self._codes.put(path, known, known.nbytes)
        return known


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found."""

    frames: FollowedFrames
    used: ControlUsed
    note: str
    """How it was understood, as a sentence; "" where there was no choice."""


def find_control(
    request: FixRequest,
    *,
    frames: tuple[int, ...],
    display: Box,
    roots: tuple[Path, ...],
    digests: FileDigests,
    threads: Executor,
    report: Report,
) -> Followed | None:
    """Open every frame that is to be followed; None if the request names none.

    Raises MissingFrames, BadImage, or BadInput if one is of another shape than the plate.
    """
    if not request.control:
        return None
    paths = _paths(request.control, frames, roots)

    is_depth = request.control_kind is ControlKind.DEPTH

    def look(path: Path) -> tuple[str, bool, FloatImage]:
        require_inside(path, roots)
        picture = _open(path, request.control_kind, display)
        samples = depth_samples(replace(picture, is_distance=True)) if is_depth else np.zeros(0, np.float32)
        return digests.of(path), picture.is_distance, samples

    found = {}
    each = tuple(dict.fromkeys(paths.values()))
    for path, seen in zip(each, threads.map(look, each), strict=True):
        found[path] = seen
        report.step()
    is_distance = is_depth and any(seen[1] for seen in found.values())
    depth = depth_range([seen[2] for seen in found.values()]) if is_distance else DepthRange()
    known = {frame: found[path][0] for frame, path in paths.items()}
    followed = FollowedFrames(
        paths,
        kind=request.control_kind,
        display=display,
        depth=depth,
        is_distance=is_distance,
        known=known,
        digests=digests,
    )
    used = ControlUsed(name=request.control, kind=request.control_kind, digest=joint_digest(known))
    return Followed(followed, used, _note(is_distance=is_distance) if is_depth else "")


def control_key(request: FixRequest, followed: Followed | None) -> tuple[str, ...]:
    """Part of a patch's content key; empty where nothing is followed."""
    if request.control_kind is ControlKind.NONE:
        return ()
    return (f"control {request.control_kind.value} {followed.used.digest if followed else 'of the plate'}",)


def control_of(request: FixRequest, followed: FollowedFrames | None) -> Control:
    """What the engine is told. A frame that is restyled keeps its lines, if nothing else is said."""
    kind = request.control_kind
    if kind is ControlKind.NONE and request.operation is Operation.RESTYLE:
        kind = ControlKind.SCRIBBLE
    return Control(kind=kind, read=followed.read if followed else None)


def _note(*, is_distance: bool) -> str:
    if is_distance:
        return "The depth holds distances; their inverse was taken, with the range of the whole shot."
    return "The depth holds values from 0 to 1, and was taken as a picture in which near is white."


def _paths(name: str, frames: tuple[int, ...], roots: tuple[Path, ...]) -> dict[int, Path]:
    """Of each frame; a single image is held over the range."""
    require_inside(Path(name), roots)
    sequence = sequences.find(name)
    if not sequences.is_pattern(name):
        return dict.fromkeys(frames, sequence.path(sequence.frames[0]))
    there = set(sequence.frames)
    missing = FrameSet(frame for frame in frames if frame not in there)
    if missing:
        raise MissingFrames(
            f"The frames to follow lack {sequences.describe(missing)}",
            remedy=f"Render them, or give --frames inside {sequences.describe(FrameSet(there))}",
            path=name,
        )
    return {frame: sequence.path(frame) for frame in frames}


def _open(path: Path, kind: ControlKind, display: Box) -> ControlPicture:
    if kind is ControlKind.DEPTH:
        return open_depth(path, plate_display=display)
    return open_picture(path, plate_display=display)
