"""Frames of a shot that is made longer, or made from nothing: what a person writes, as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from secondtake.errors import UsageError
from secondtake.frames import FrameSet
from secondtake_daemon.images.sequences import choose, find

__all__ = ["frames_there", "longer", "parse_size"]

_SIZE = re.compile(r"([0-9]{1,5})[x×]([0-9]{1,5})")
_STILLS = (".exr", ".sxr")


def longer(there: FrameSet, by: Sequence[int]) -> FrameSet:
    """The frames, and new ones. by: how many after the last, or, negative, before the first. Raises UsageError."""
    if 0 in by or not by:
        raise UsageError(
            "--extend 0 adds no frame", remedy="Give --extend 12 for frames after the plate, -12 before it"
        )
    return there.longer(before=max(0, *(-each for each in by)), after=max(0, *by))


def frames_there(plate: str) -> tuple[int, ...]:
    """All frames of a sequence or a movie. Raises MissingFrames, BadImage."""
    path = Path(plate)
    if path.is_file() and path.suffix.lower() not in _STILLS:
        from secondtake_daemon.images import movies  # it loads FFmpeg

        return tuple(range(1, movies.probe(path).length + 1))
    return choose(find(plate))


def parse_size(text: str) -> tuple[int, int]:
    """`832x480` as width and height. Raises UsageError."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise UsageError(f"'{text}' is no size", remedy="Give --size WIDTHxHEIGHT, as 832x480")
    return int(match[1]), int(match[2])
