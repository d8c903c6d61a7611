"""Lines to questions, answers and events to lines: pure functions, no pipe."""

from __future__ import annotations

import re

import msgspec

from secondtake.errors import ErrorBody, SecondTakeError, TooLarge, UsageError

__all__ = [
    "LINE_BYTES",
    "PROTOCOL_MAX",
    "PROTOCOL_MIN",
    "Answered",
    "Failed",
    "Question",
    "failed",
    "line_of",
    "read_question",
]

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1
LINE_BYTES = 8 * 1024 * 1024
"""Longest line a host may send."""

_NO_ASCII = re.compile(r"[^\x00-\x7f]")
_REMEDY = "See docs/bridge.md"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a host. Its parameters are read by whoever answers it."""

    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a question."""

    id: int
    result: msgspec.Struct


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no result. id: None if the question's own could not be read."""

    id: int | None
    error: ErrorBody


class _Numbered(msgspec.Struct, frozen=True):
    id: int | None = None


_questions = msgspec.json.Decoder(Question)
_numbers = msgspec.json.Decoder(_Numbered)
_encoder = msgspec.json.Encoder()


def read_question(line: bytes) -> Question | Failed:
    """What a host asks, or the answer to what is no question."""
    if len(line) > LINE_BYTES:
        error = TooLarge(f"The line has over {LINE_BYTES:,} bytes", remedy="Send less of it at once")
        return Failed(id=None, error=error.body())
    try:
        return _questions.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        wrong = UsageError("The line is no JSON object with id, method and params", remedy=_REMEDY)
        return Failed(id=_number(line), error=wrong.body())


def failed(number: int | None, error: SecondTakeError) -> Failed:
    """An error as the answer to a question."""
    return Failed(id=number, error=error.body())


def line_of(said: msgspec.Struct) -> bytes:
    """An answer or an event as a line, in ASCII: a host may expect any encoding. What is no UTF-8 is escaped."""
    try:
        text = _encoder.encode(said).decode("utf-8")
    except UnicodeEncodeError:
        text = msgspec.json.encode(_readable(msgspec.to_builtins(said))).decode("utf-8")
    return _NO_ASCII.sub(_escaped, text).encode("ascii") + b"\n"


def _number(line: bytes) -> int | None:
    try:
        return _numbers.decode(line).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def _readable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_readable(name): _readable(one) for name, one in value.items()}
    return [_readable(one) for one in value] if isinstance(value, list | tuple) else value
