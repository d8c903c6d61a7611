"""An engine's card, as far as panels and buttons need it. Nothing of Blender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["BUILT_IN", "Engine", "found_engine", "use_of_these", "why_it_cannot_run"]

BUILT_IN = "temporal"
"""Who works if no engine is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What it says of itself."""

    name: str
    summary: str
    operations: tuple[str, ...]
    is_available: bool
    why_not: str
    controls: tuple[str, ...] = ()
    """What it can follow."""
    reads_motion: bool = False
    makes_whole_frames: bool = False
    looks: int = 0
    """So many references that are no painted frame."""
    needs_words: tuple[str, ...] = ()
    """Operations for which somebody must say, or show, what to make."""
    needs_painted: tuple[str, ...] = ()
    """Operations for which a frame must be painted."""


def found_engine(name: str, engines: Sequence[Engine]) -> Engine | None:
    """The engine that is meant, if it is known."""
    return next((engine for engine in engines if engine.name == (name or BUILT_IN)), None)


def why_it_cannot_run(name: str, engines: Sequence[Engine]) -> str:
    """In one line with what to do; "" if it can."""
    if not engines:
        return "Press Connect to see which engines can"
    engine = found_engine(name, engines)
    if engine is None:
        return f"There is no engine '{name or BUILT_IN}'. Choose one from the list"
    return "" if engine.is_available else f"'{engine.name}' cannot run: {engine.why_not}"


def use_of_these(able: Iterable[Engine]) -> str:
    """What to do if the engine that is chosen cannot, and these could if they are available."""
    names = [f"'{engine.name}'" for engine in able if engine.is_available]
    return f"Use {' or '.join(names)}" if names else "No installed engine can"
