"""Which frames a model renders for one window: the window's own, handles on both sides, and a legal number of them.

A model makes k·m + 1 frames. Its first latent stands for one frame and each other for k, so spans begin at multiples of
k: then a latent stands for the same frames in every window, and its noise can be keyed to them. At the shot's ends,
and where handles do not reach, the outermost frame is repeated; nothing beyond the handles is ever looked at, because
a patch's content key names them and no more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

__all__ = ["Span", "span_for"]


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one rendering, in order; frames of the shot may stand twice at its ends."""

    frames: tuple[int, ...]
    own: slice
    """Where the window's frames stand."""
    first: int
    """Number of the first frame, a multiple of k, where it is repeated that of the frame which would stand there. Of
    every n-th frame the multiples of n are counted."""


def span_for(window: Sequence[int], *, shot: Sequence[int], head: int, tail: int, every: int) -> Span:
    """The span of a window.

    shot: all frames, ascending. head, tail: frames wanted before and after. every: k of the rule k·m + 1; both are
    lengthened by repetition until the span begins at a multiple of k and the rule holds.
    """
    at, step = bisect_left(shot, window[0]), _step(shot)
    number = window[0] // step
    first = (number - head) // every * every
    lead = number - first
    length = lead + len(window) + tail
    length += -(length - 1) % every
    low, high = max(at - head, 0), min(at + len(window) + tail, len(shot)) - 1
    frames = tuple(shot[min(max(at - lead + place, low), high)] for place in range(length))
    return Span(frames=frames, own=slice(lead, lead + len(window)), first=first)


def _step(frames: Sequence[int]) -> int:
    return gcd(*(later - earlier for earlier, later in pairwise(frames))) or 1
