"""How the pixels of a take are known, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from secondtake.errors import Incompatible, NotFound
from secondtake.messages import Knowledge
from secondtake_daemon.takes.manifest import TakeFrame, load

__all__ = ["frames_of", "knowledge_line"]


def knowledge_line(knowledge: Knowledge, frames: Sequence[TakeFrame]) -> str:
    """As "93 % seen, 5 % carried, 2 % invented; most invented in frame 1012 (8 %)".

    frames: of the same take; the one with the most invented pixels is named, with their share of its matte.
    """
    kinds = zip(("seen", "carried", "invented"), _shares(knowledge), strict=True)
    line = ", ".join(f"{share} {kind}" for kind, share in kinds)
    found = [(record.frame, record.known) for record in frames if record.known and record.known.invented]
    if not found or len(frames) == 1:
        return line
    frame, worst = max(found, key=lambda one: one[1].invented)
    return f"{line}; most invented in frame {frame} ({_shares(worst)[-1]})"


def frames_of(manifest: str) -> tuple[TakeFrame, ...]:
    """A take's own records of its frames; none if its folder cannot be read from here."""
    with suppress(NotFound, Incompatible):
        return load(Path(manifest)).frames
    return ()


def _shares(knowledge: Knowledge) -> tuple[str, str, str]:
    """Percentages that sum to 100; what is there but under one percent is "< 1 %", and the rest is then not 100 %.

    Rounded by largest remainder (Hamilton's method).
    """
    counts = (knowledge.seen, knowledge.carried, knowledge.invented)
    total = max(sum(counts), 1)
    is_small = [0 < 100 * count < total for count in counts]
    whole = [0 if small else 100 * count // total for count, small in zip(counts, is_small, strict=True)]
    large = sum(count for count, small in zip(counts, is_small, strict=True) if not small)
    remainders = [-1 if small else 100 * count % total for count, small in zip(counts, is_small, strict=True)]
    for at in sorted(range(3), key=lambda at: -remainders[at])[: 100 * large // total - sum(whole)]:
        whole[at] += 1
    seen, carried, invented = ("< 1 %" if small else f"{w} %" for w, small in zip(whole, is_small, strict=True))
    return seen, carried, invented
