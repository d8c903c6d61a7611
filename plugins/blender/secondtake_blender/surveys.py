"""What the daemon's side says of a plate before work starts: asked by the pump, drawn by the panel."""

from __future__ import annotations

import time
from typing import Any

from . import connection
from .host import Answer, State
from .option_words import in_panel_words
from .plate import PlateChoice
from .state import live
from .studio import studio_ocio
from .words import error_line

__all__ = ["ask_if_wanted", "said_of", "want"]

_AGAIN_S = 10.0
"""Files change: a survey is asked anew after that."""
_STILL_S = 0.4
"""So long the artist must leave it as it is."""

_SEEN_S = 2.0
"""A panel that was not drawn for so long is not looked at."""


class _Wanted:
    key: str = ""
    params: dict[str, Any] | None = None
    since_s: float = 0.0
    seen_s: float = 0.0
    asked_key: str = ""
    asked_s: float = 0.0


_wanted = _Wanted()


def want(choice: PlateChoice) -> None:
    """The panel shows this plate: have it looked at. Called in a draw, so it only takes a note."""
    if choice.order is not None:
        _wanted.key, _wanted.params = "", None
        return
    key = _key(choice)
    if key != _wanted.key:
        _wanted.key, _wanted.since_s = key, time.monotonic()
        _wanted.params = {
            "plate": choice.path,
            "frames": choice.frames,
            "colourspace": choice.colourspace,
            "ocio": studio_ocio(),
        }
    _wanted.seen_s = time.monotonic()


def ask_if_wanted() -> None:
    """In a tick: ask what is to be asked. Never starts anything. Raises Refusal."""
    now_s = time.monotonic()
    if _wanted.params is None or live.bridge is None or live.bridge.state is not State.READY:
        return
    is_seen = now_s - _wanted.seen_s < _SEEN_S
    is_old = _wanted.asked_key != _wanted.key or (is_seen and now_s - _wanted.asked_s > _AGAIN_S)
    if is_old and now_s - _wanted.since_s > _STILL_S:
        key, _wanted.asked_key, _wanted.asked_s = _wanted.key, _wanted.key, now_s
        connection.ask("survey", lambda answer: _heard(key, answer), **_wanted.params)


def said_of(choice: PlateChoice) -> tuple[tuple[str, ...], str]:
    """What is odd about it, and what is wrong; both empty before the answer, or if all is well."""
    return live.surveys.get(_key(choice), ((), ""))


def _heard(key: str, answer: Answer) -> None:
    wrong = error_line(answer.error) if answer.error is not None else ""
    said = answer.result or {}
    live.surveys.clear()
    live.surveys[key] = (tuple(in_panel_words(str(odd)) for odd in said.get("odd", ())), wrong)


def _key(choice: PlateChoice) -> str:
    return f"{choice.path}\n{choice.frames}\n{choice.colourspace}"
