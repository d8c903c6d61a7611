"""What a previz can be with the engine that is chosen, and why not. Nothing of Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from .engine import BUILT_IN, Engine, found_engine, use_of_these, why_it_cannot_run

__all__ = [
    "Follow",
    "PrevizUse",
    "PrevizWish",
    "Way",
    "followed",
    "said",
    "use_of",
    "why_not",
]


class Way(str, Enum):
    """What is made of the scene."""

    CARRY = "carry"
    """Painted frames of it are carried through the camera's move."""
    RESTYLE = "restyle"
    """Its picture gets another look."""
    GENERATE = "generate"
    """A new shot of its form and motion, without its picture."""


class Follow(str, Enum):
    """What the engine follows of the scene."""

    AUTO = "auto"
    """Depth, if the engine can; else what it takes by itself."""
    DEPTH = "depth"
    SCRIBBLE = "scribble"
    """Lines of the picture."""
    GREY = "grey"
    """The picture's brightness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrevizWish:
    """What the artist set."""

    way: Way
    engine: str = ""
    follow: Follow = Follow.AUTO
    has_words: bool = False
    painted: int = 0
    """References that are frames of the shot."""
    looks: int = 0
    """References that are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrevizUse:
    """What of the rendered passes goes into the request."""

    has_picture: bool = True
    has_motion: bool = True
    has_depth: bool = False


def why_not(wish: PrevizWish, engines: Sequence[Engine]) -> str:
    """Why it cannot be made, in one line with what to do; "" if it can, as far as is known here."""
    if wish.way is Way.CARRY and not wish.painted:
        return f"Paint a frame first (References){_other_ways(engines)}"
    if wish.way is Way.GENERATE and wish.follow in (Follow.SCRIBBLE, Follow.GREY):
        return "Without a picture only its depth can be followed. Set Follow to Depth"
    if not engines and wish.way is Way.CARRY and wish.engine in ("", BUILT_IN):
        return ""  # it is there without asking
    engine = found_engine(wish.engine, engines)
    why = why_it_cannot_run(wish.engine, engines)
    if why or engine is None:
        return why
    lacking = _lacking(wish, engine)
    if not lacking:
        return "" if _knows_what(wish, engine) else "Say what to make, in words or with a reference"
    return f"'{engine.name}' {lacking}. {use_of_these(other for other in engines if not _lacking(wish, other))}"


def followed(wish: PrevizWish, engine: Engine | None) -> str:
    """The kind of what is followed, as a request calls it; "" leaves it to the engine."""
    if wish.way is Way.CARRY or engine is None:
        return ""
    if wish.follow is not Follow.AUTO:
        return str(wish.follow.value)
    return Follow.DEPTH.value if Follow.DEPTH.value in engine.controls else ""


def use_of(wish: PrevizWish, engine: Engine | None) -> PrevizUse:
    """Which passes are sent. An engine that is not known yet is taken for the built-in one."""
    reads_motion = engine is None or engine.reads_motion
    return PrevizUse(
        has_picture=wish.way is not Way.GENERATE,
        has_motion=reads_motion and wish.way is not Way.GENERATE,
        has_depth=followed(wish, engine) == Follow.DEPTH.value,
    )


def said(wish: PrevizWish, engine: Engine | None) -> str:
    """What will be sent, in one line."""
    use, kind = use_of(wish, engine), followed(wish, engine)
    parts = [
        "the rendered picture" if use.has_picture else "size and rate",
        "depth" if use.has_depth else {"scribble": "its lines", "grey": "its brightness"}.get(kind, ""),
        "exact motion" if use.has_motion else "",
        "your words" if wish.has_words else "",
        _references(wish),
    ]
    return f"Sends {', '.join(filter(None, parts))}"


def _other_ways(engines: Sequence[Engine]) -> str:
    able = {
        verb
        for engine in engines
        for verb in engine.operations
        if engine.is_available and verb not in engine.needs_painted
    }
    ways = [way.value.title() for way in (Way.RESTYLE, Way.GENERATE) if way.value in able]
    return f", or choose {' or '.join(ways)}" if ways else ""


def _lacking(wish: PrevizWish, engine: Engine) -> str:
    """What the engine cannot do of it."""
    verb = "modify" if wish.way is Way.CARRY else wish.way.value
    if verb not in engine.operations:
        return f"cannot {verb}"
    if verb in engine.needs_painted and not wish.painted:
        return f"cannot {verb} without a painted frame"
    if wish.way is Way.GENERATE and Follow.DEPTH.value not in engine.controls:
        return "follows no depth, so nothing of the scene would reach it"
    kind = followed(wish, engine)
    if kind and kind not in engine.controls:
        return f"cannot follow {kind}"
    if wish.looks > engine.looks:
        which = "reference that is" if engine.looks == 1 else "references that are"
        return f"takes {engine.looks or 'no'} {which} no painted frame"
    return ""


def _knows_what(wish: PrevizWish, engine: Engine) -> bool:
    verb = "modify" if wish.way is Way.CARRY else wish.way.value
    return wish.has_words or wish.painted + wish.looks > 0 or verb not in engine.needs_words


def _references(wish: PrevizWish) -> str:
    count = wish.painted + wish.looks
    return f"{count} reference{'s' if count > 1 else ''}" if count else ""
