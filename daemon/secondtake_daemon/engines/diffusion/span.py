"""Which frames a model renders for one window: the window's own, handles on both sides, and a legal number of them.

A model makes k·m + 1 frames. Its first latent stands for one frame and each other for k, so a span begins k·n frames
before its window. Where the shot has no more frames, the first or the last one is repeated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Span", "span_for"]


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one rendering, in order; frames of the shot may stand twice at its ends."""

    frames: tuple[int, ...]
    own: slice
    """Where the window's frames stand."""


def span_for(window: Sequence[int], *, shot: Sequence[int], head: int, tail: int, every: int) -> Span:
    """The span of a window.

    shot: all frames, ascending. head, tail: frames wanted before and after. every: k of the rule k·m + 1; the tail is
    lengthened until the rule holds, and head is taken up to a multiple of it.
    """
    head = -(-head // every) * every
    length = head + len(window) + tail
    tail += -(length - 1) % every
    first = bisect_left(shot, window[0])
    last = first + len(window)
    wanted = range(first - head, last + tail)
    frames = tuple(shot[min(max(at, 0), len(shot) - 1)] for at in wanted)
    return Span(frames=frames, own=slice(head, head + len(window)))
