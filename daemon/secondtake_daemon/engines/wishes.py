"""What can be known of a request without opening a file: do its wishes fit the operation, and the engine's card?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePath

from secondtake.errors import BadInput, NoSuchEngine, SecondTakeError, UsageError
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind, FixRequest, Operation
from secondtake_daemon.engines.card import Card

__all__ = ["MOST_FPS", "SIDES_PX", "check_wishes", "either", "refuse_sound"]

SIDES_PX = (32, 8192)
"""Shortest and longest side of frames that can be generated."""
MOST_FPS = 1000.0
_SOUNDS = (".wav", ".wave", ".flac", ".mp3", ".aif", ".aiff", ".m4a", ".aac", ".ogg", ".opus")
_OF_PLATE = (ControlKind.NONE, ControlKind.SCRIBBLE, ControlKind.GREY)
"""What can be made of the plate."""


def check_wishes(request: FixRequest, card: Card, *, able: Sequence[Card]) -> None:
    """Raise UsageError or BadInput if the request contradicts itself, NoSuchEngine if the engine cannot do its part.

    able: the engines that can do the operation.
    """
    _check_pictures(request)
    if request.operation in card.needs_words and not request.said.strip() and not request.references:
        raise UsageError(
            f"The engine '{card.name}' does not know what to {request.operation.value} it with",
            remedy="Say it with --instruction, or show it with --reference",
        )
    for wish, others in _unmet(request, card, able):
        raise NoSuchEngine(
            f"The engine '{card.name}' {wish}", remedy=f"Use {either(others)}" if others else "Leave it out"
        )


def refuse_sound(request: FixRequest) -> None:
    """Raise NoSuchEngine: no engine is driven by sound. Told by the name, since the daemon opens no file; under another
    name a sound is refused as no picture, when the job begins."""
    heard = next((one for one in request.references if PurePath(one.path).suffix.lower() in _SOUNDS), None)
    if heard is not None:
        raise NoSuchEngine(
            "No engine takes a sound as a reference",
            remedy="Leave it out: what is new gets the sound that LTX-2 makes for it, a movie's own is kept",
            path=heard.path,
        )


def either(cards: Sequence[Card]) -> str:
    """`'a' or 'b'`."""
    return " or ".join(f"'{card.name}'" for card in cards)


def _check_pictures(request: FixRequest) -> None:
    """Plate, matte, size and rate: each operation has its own."""
    operation = request.operation
    if operation is Operation.GENERATE:
        _check_generate(request)
        return
    if request.width_px or request.height_px or request.fps:
        raise UsageError(
            f"To {operation.value} takes size and rate from the plate", remedy="Leave out --size and --fps"
        )
    if not request.plate:
        raise UsageError(f"There is no plate to {operation.value}", remedy="Name the frames, as sh010.####.exr")
    if operation is Operation.EXTEND and request.matte:
        raise UsageError("To extend makes whole frames, and changes none of the plate's", remedy="Leave out --matte")
    if operation not in (Operation.EXTEND, Operation.RESTYLE) and not request.matte:
        raise UsageError("There is no matte", remedy="Say with --matte what may change")
    if request.control and request.control_kind is ControlKind.NONE:
        raise UsageError(
            "It is not said what the frames to follow show", remedy="Give --control-kind depth, or another"
        )
    if not request.control and request.control_kind not in _OF_PLATE:
        raise UsageError(
            f"No {request.control_kind.value} can be made of a plate",
            remedy="Give its frames with --control, or use --control-kind scribble",
        )


def _check_generate(request: FixRequest) -> None:
    problems: list[tuple[bool, SecondTakeError]] = [
        (
            bool(request.plate),
            UsageError("To generate takes no plate", remedy="Use extend or restyle, or leave it out"),
        ),
        (bool(request.matte), UsageError("To generate makes whole frames", remedy="Leave out --matte")),
        (
            not all(SIDES_PX[0] <= side <= SIDES_PX[1] for side in (request.width_px, request.height_px)),
            UsageError(
                f"Frames of {request.width_px} × {request.height_px} cannot be made",
                remedy=f"Give --size WIDTHxHEIGHT with sides of {SIDES_PX[0]} to {SIDES_PX[1]} pixels",
            ),
        ),
        (
            not (math.isfinite(request.fps) and 1 <= request.fps <= MOST_FPS),
            UsageError("It is not said how fast the new frames run", remedy="Give --fps, as 24"),
        ),
        (not request.frames, UsageError("It is not said which frames to make", remedy="Give --frames, as 1001-1048")),
        (
            bool(request.control) is (request.control_kind is ControlKind.NONE),
            UsageError(
                "Frames to follow and what they show belong together",
                remedy="Give both --control and --control-kind, or neither",
            ),
        ),
    ]
    for is_wrong, error in problems:
        if is_wrong:
            raise error
    if any(later - earlier != 1 for earlier, later in pairwise(FrameSet.parse(request.frames))):
        raise BadInput("The frames to generate have gaps", remedy="Give one range, as --frames 1001-1048")


def _unmet(request: FixRequest, card: Card, able: Sequence[Card]) -> Iterator[tuple[str, list[Card]]]:
    """What the engine cannot do for this request, and who can."""
    if not request.matte and not card.whole_frames:
        yield "cannot make whole frames: it needs a matte", [other for other in able if other.whole_frames]
    kind = request.control_kind
    if kind is not ControlKind.NONE and kind not in card.controls:
        yield f"cannot follow {kind.value}", [other for other in able if kind in other.controls]
    looks = sum(reference.frame is None for reference in request.references)
    if looks > card.looks and card.looks:
        more = [other for other in able if other.looks >= looks]
        yield f"takes {card.looks} pictures of what is wanted at most, and there are {looks}", more
