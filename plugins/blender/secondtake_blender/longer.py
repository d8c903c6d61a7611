"""A plate with new frames before and after it. Nothing of Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from .engine import Engine, found_engine, use_of_these, why_it_cannot_run
from .frames import Pair
from .plate import PlateChoice
from .refusal import Refusal

__all__ = ["VERB", "longer", "require_whole", "why_not_longer"]

VERB = "extend"
"""The operation, as a request calls it."""


def require_whole(choice: PlateChoice, *, before: int, after: int) -> None:
    """Refuse a plate whose media goes on where new frames shall be: its handles say so. Raises Refusal."""
    head, tail = choice.handles
    for count, handle, side in ((before, head, "before"), (after, tail, "after")):
        if count and handle:
            raise Refusal(
                f"The strip is trimmed: its media has frames {side} what shows",
                remedy="Pull its end out there",
            )


def longer(choice: PlateChoice, *, before: int, after: int) -> PlateChoice:
    """The plate with so many frames more than it has, numbered on. Raises Refusal if its numbers leave no way."""
    if choice.stands_alone:
        raise Refusal("The plate is one image, which has no motion to go on with", remedy="Select a strip of a shot")
    for earlier, later in pairwise(choice.pairs):
        if later.number - earlier.number != 1:
            raise Refusal(
                "The plate runs backwards, or repeats or leaves out frames, so nothing can go on from it",
                remedy="Let its strip run as its files do",
            )
    first, last = choice.pairs[0], choice.pairs[-1]
    if before > first.number:
        raise Refusal(
            f"The plate's files begin at {first.number}: there are no numbers for {before} new frames before it",
            remedy=f"Make {first.number} at most, or give its files higher numbers",
        )
    head = tuple(Pair(first.timeline + step, first.number + step) for step in range(-before, 0))
    tail = tuple(Pair(last.timeline + step, last.number + step) for step in range(1, after + 1))
    return replace(
        choice,
        pairs=(*head, *choice.pairs, *tail),
        first=head[0].timeline if head else choice.first,
        last=tail[-1].timeline if tail else choice.last,
    )


def why_not_longer(before: int, after: int, *, engine: str, engines: Sequence[Engine]) -> str:
    """Why no frames can be made, in one line with what to do; "" if they can, as far as is known here."""
    if not before and not after:
        return "Say how many frames to make before or after it"
    chosen = found_engine(engine, engines)
    why = why_it_cannot_run(engine, engines)
    if why or chosen is None or VERB in chosen.operations:
        return why
    return f"'{chosen.name}' cannot extend. {use_of_these(other for other in engines if VERB in other.operations)}"
