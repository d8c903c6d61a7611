"""What a request of a host must say, in the words of docs/bridge.md. The daemon looks again, with the engine's card."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from secondtake.errors import UsageError
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind, FixRequest, Operation
from secondtake_daemon.engines.wishes import MOST_FPS, SIDES_PX

__all__ = ["require_new", "require_sendable"]

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_NO_MATTE_NEEDED = (Operation.RESTYLE, Operation.EXTEND, Operation.GENERATE)
_WHOLE_ONLY = (Operation.EXTEND, Operation.GENERATE)
_OF_PLATE = (ControlKind.SCRIBBLE, ControlKind.GREY)


def require_sendable(request: FixRequest) -> None:
    """Raise UsageError unless the request can be queued."""
    if not _JOB_ID.fullmatch(request.job):
        raise UsageError(f"'{request.job[:80]}' is no job id", remedy="The host makes one of 32 hex digits")
    if not request.out:
        raise UsageError("There is no folder for the take", remedy="Give 'out'")
    if request.operation is Operation.GENERATE:
        require_new(request)
    elif request.width_px or request.height_px or request.fps:
        raise UsageError(
            f"To {request.operation.value} takes size and rate from the plate", remedy="Leave 'size' and 'fps' out"
        )
    _require_matte(request)
    _require_followed(request)


def require_new(request: FixRequest) -> None:
    """Raise UsageError unless a request without a plate says which frames to make."""
    for is_wrong, message, remedy in _wrong_with_new(request):
        if is_wrong:
            raise UsageError(message, remedy=remedy)


def _wrong_with_new(request: FixRequest) -> Iterator[tuple[bool, str, str]]:
    """Whether it is so, what is wrong then, and what to do."""
    least_px, most_px = SIDES_PX
    size = request.width_px, request.height_px
    yield bool(request.plate), "To generate takes no plate", "Leave 'plate' out, or restyle it"
    yield size == (0, 0), "It is not said how large the new frames are", "Give 'size', as [832,480]"
    yield (
        not all(least_px <= side <= most_px for side in size),
        f"Frames of {size[0]} × {size[1]} cannot be made",
        f"Give 'size' with sides of {least_px} to {most_px} pixels",
    )
    yield (
        not (math.isfinite(request.fps) and 1 <= request.fps <= MOST_FPS),
        "It is not said how fast the new frames run",
        f"Give 'fps', from 1 to {MOST_FPS:g}",
    )
    yield not request.frames, "It is not said which frames to make", "Give 'frames', as 1001-1048"
    numbers = FrameSet.parse(request.frames)
    has_gaps = any(later - earlier != 1 for earlier, later in pairwise(numbers))
    yield has_gaps, "The frames to generate have gaps", "Give one range as 'frames'"


def _require_matte(request: FixRequest) -> None:
    operation = request.operation
    if request.matte and operation in _WHOLE_ONLY:
        raise UsageError(f"To {operation.value} makes whole frames", remedy="Leave 'matte' and 'shapes' out")
    if not request.matte and operation not in _NO_MATTE_NEEDED:
        raise UsageError("There is no matte", remedy="Say with 'matte' or 'shapes' what may change")


def _require_followed(request: FixRequest) -> None:
    kind = request.control_kind
    if request.control and kind is ControlKind.NONE:
        raise UsageError("It is not said what the pictures to follow show", remedy="Give 'control_kind', as depth")
    if request.control or kind is ControlKind.NONE:
        return
    if not request.plate:
        raise UsageError(f"There is no plate that {kind.value} could be made of", remedy="Give its pictures: 'control'")
    if kind not in _OF_PLATE:
        raise UsageError(f"No {kind.value} can be made of a plate", remedy="Give its pictures: 'control'")
