from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.errors import SecondTakeError, TooLarge, UsageError
from secondtake.messages import FixRequest, Ok, Operation, Status, Submit
from secondtake.wire import ANSWER_BYTES, QUESTION_BYTES, common_version, pack, read_answer, read_question, split

ID = b"0123456789abcdef"


def submit(instruction: str) -> Submit:
    return Submit(
        request=FixRequest(
            job="0" * 32,
            shot="s",
            plate="/p",
            matte="/m",
            out="/o",
            operation=Operation.MODIFY,
            instruction=instruction,
        )
    )


@given(st.text(max_size=200))
def test_any_text_survives(text: str) -> None:
    frames = pack(submit(text), request_id=ID)
    envelope = split(frames)
    assert envelope is not None
    assert envelope.request_id == ID
    assert read_question(envelope.body) == submit(text)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"ST1"],
        [b"ST1", ID],
        [b"ST1", ID, b"{}", b""],
        [b"ST2", ID, b"{}"],
        [b"ST1", ID[:-1], b"{}"],
        [b"ST1", ID + b"0", b"{}"],
    ],
)
def test_foreign_frames(frames: list[bytes]) -> None:
    assert split(frames) is None


def test_limit_is_exact() -> None:
    room = QUESTION_BYTES - len(pack(submit(""), request_id=ID)[2])
    pack(submit("x" * room), request_id=ID)
    with pytest.raises(TooLarge):
        pack(submit("x" * (room + 1)), request_id=ID)


def test_limits_on_reading() -> None:
    with pytest.raises(TooLarge):
        read_question(b"x" * (QUESTION_BYTES + 1))
    with pytest.raises(TooLarge):
        read_answer(b"x" * (ANSWER_BYTES + 1))


@given(st.binary(max_size=300))
def test_garbage_is_a_typed_error(body: bytes) -> None:
    for read in (read_question, read_answer):
        with pytest.raises(UsageError):
            read(body)


def test_deep_nesting_is_a_typed_error() -> None:
    with pytest.raises(SecondTakeError):
        read_question(b'{"kind":"status","x":' + b"[" * 200_000 + b"]" * 10 + b"}")


def test_directions_are_kept_apart() -> None:
    with pytest.raises(UsageError):
        read_question(pack(Ok(), request_id=ID)[2])
    with pytest.raises(UsageError):
        read_answer(pack(Status(), request_id=ID)[2])


def test_request_id_has_a_fixed_length() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        pack(Status(), request_id=b"short")


ranges = st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: (min(pair), max(pair)))


@given(ranges, ranges)
def test_common_version_is_the_highest_in_both(mine: tuple[int, int], theirs: tuple[int, int]) -> None:
    both = set(range(mine[0], mine[1] + 1)) & set(range(theirs[0], theirs[1] + 1))
    assert common_version(mine, theirs) == (max(both) if both else None)
