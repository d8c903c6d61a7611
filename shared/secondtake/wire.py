"""Messages to frames and back: pure functions, no socket. `docs/protocol.md` is authoritative.

A message is three frames: the tag `ST1`, a request id of 16 bytes, and a JSON body with the field `kind`. An answer
carries the request id of its question; an event carries the one of the Watch that asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from secondtake.errors import TooLarge, UsageError
from secondtake.messages import (
    Accepted,
    Cancel,
    Engines,
    Event,
    Hello,
    Jobs,
    ListEngines,
    ListJobs,
    Message,
    Ok,
    Pair,
    Refused,
    Status,
    StatusReply,
    Stop,
    Submit,
    Watch,
    Welcome,
)

__all__ = [
    "ANSWER_BYTES",
    "QUESTION_BYTES",
    "REQUEST_ID_BYTES",
    "TAG",
    "Answer",
    "Envelope",
    "Question",
    "common_version",
    "pack",
    "read_answer",
    "read_question",
    "split",
]

TAG = b"ST1"
REQUEST_ID_BYTES = 16
QUESTION_BYTES = 256 * 1024
"""Largest body a daemon takes."""
ANSWER_BYTES = 16 * 1024 * 1024
"""Largest body a client takes: a finished take names each of its files."""

Question = Hello | Submit | Watch | Cancel | ListJobs | ListEngines | Status | Stop | Pair
Answer = Welcome | Accepted | Refused | Event | Jobs | Engines | StatusReply | Ok

_encoder = msgspec.json.Encoder()
_questions: msgspec.json.Decoder[Question] = msgspec.json.Decoder(Question)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class Envelope(NamedTuple):
    """A message that is well framed; its body is not read yet."""

    request_id: bytes
    body: bytes


def pack(message: Message, *, request_id: bytes) -> list[bytes]:
    """The three frames of a message. Raises TooLarge if its body is over the limit of its direction."""
    if len(request_id) != REQUEST_ID_BYTES:
        raise ValueError(f"a request id has {REQUEST_ID_BYTES} bytes, not {len(request_id)}")
    body = _encoder.encode(message)
    limit_bytes = QUESTION_BYTES if isinstance(message, Question) else ANSWER_BYTES
    _check_size(body, limit_bytes)
    return [TAG, request_id, body]


def split(frames: Sequence[bytes]) -> Envelope | None:
    """The envelope, or None for anything that is not three frames with our tag and a request id."""
    if len(frames) != 3 or frames[0] != TAG or len(frames[1]) != REQUEST_ID_BYTES:
        return None
    return Envelope(frames[1], frames[2])


def read_question(body: bytes) -> Question:
    """What a client said. Raises TooLarge, or UsageError for anything that is not a question of the protocol."""
    _check_size(body, QUESTION_BYTES)
    try:
        return _questions.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The message cannot be read ({error})", remedy="See docs/protocol.md") from error


def read_answer(body: bytes) -> Answer:
    """What a daemon said. Raises TooLarge, or UsageError for anything that is not an answer of the protocol."""
    _check_size(body, ANSWER_BYTES)
    try:
        return _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The answer cannot be read ({error})", remedy="See docs/protocol.md") from error


def common_version(mine: tuple[int, int], theirs: tuple[int, int]) -> int | None:
    """The highest protocol version in both ranges (inclusive), or None."""
    version = min(mine[1], theirs[1])
    return version if version >= max(mine[0], theirs[0]) else None


def _check_size(body: bytes, limit_bytes: int) -> None:
    if len(body) > limit_bytes:
        raise TooLarge(
            f"The message has {len(body)} bytes, over the limit of {limit_bytes}",
            remedy="Shorten the instruction or the list of references",
        )
