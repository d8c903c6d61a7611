"""One question of `secondtake doctor` and its answer."""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["Check", "Health", "amount", "numbers"]


class Health(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    """It works, but there is something to know."""
    FAIL = "fail"
    """Something will not work."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer."""

    name: str
    health: Health
    found: str
    remedy: str = ""
    """What to do; always there unless all is well."""


def amount(name: str, found: int, *, least: int, good: int, text: str, remedy: str) -> Check:
    """Enough of something, just enough, or too little."""
    health = Health.OK if found >= good else Health.WARN if found >= least else Health.FAIL
    return Check(name=name, health=health, found=text, remedy="" if health is Health.OK else remedy)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, to compare."""
    found = []
    for piece in version.split("."):
        if not piece.isdigit():
            break
        found.append(int(piece))
    return tuple(found)
