"""docs/protocol.md is authoritative: its examples are the golden bytes."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from secondtake import errors, wire
from secondtake.messages import Message, Status
from secondtake.wire import Answer, Question, pack, read_answer, read_question, split

DOC = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", DOC, re.S | re.M))
REQUEST_ID = bytes(range(16))


def examples(section: str) -> list[bytes]:
    return [line.encode() for line in re.findall(r"```json\n(.*)\n```", SECTIONS[section])]


@pytest.mark.parametrize("example", examples("Questions"))
def test_question_both_ways(example: bytes) -> None:
    question = read_question(example)
    assert pack(question, request_id=REQUEST_ID) == [b"ST1", REQUEST_ID, example]


@pytest.mark.parametrize("example", examples("Answers"))
def test_answer_both_ways(example: bytes) -> None:
    answer = read_answer(example)
    assert pack(answer, request_id=REQUEST_ID) == [b"ST1", REQUEST_ID, example]


def test_frames_of_the_example() -> None:
    shown = [bytes.fromhex(line) for line in re.search(r"```hex\n(.*?)\n```", DOC, re.S)[1].splitlines()]
    assert pack(Status(), request_id=REQUEST_ID) == shown
    envelope = split(shown)
    assert envelope is not None
    assert read_question(envelope.body) == Status()


def test_every_kind_has_a_heading_and_an_example() -> None:
    for section, union in (("Questions", Question), ("Answers", Answer)):
        kinds = {kind.__name__.lower() for kind in union.__args__}
        assert set(re.findall(r"^### `(\w+)`", SECTIONS[section], re.M)) == kinds
        assert {msgspec.json.decode(example)["kind"] for example in examples(section)} == kinds
    spoken = set(Question.__args__) | set(Answer.__args__)
    assert spoken == set(Message.__subclasses__())


def test_every_error_code_with_its_exit_status() -> None:
    listed = {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d+) \|", SECTIONS["Errors"], re.M)}
    assert listed == {kind.code: kind.exit_status for kind in errors._tree(errors.SecondTakeError)}


def test_limits() -> None:
    for limit in (wire.QUESTION_BYTES, wire.ANSWER_BYTES):
        assert f"{limit:,}" in DOC


@pytest.mark.parametrize("example", examples("Questions") + examples("Answers"))
def test_a_newer_side_may_add_fields(example: bytes) -> None:
    newer = example[:-1] + b',"added_in_a_later_version":{"a":[1]}}'
    old, read = (read_question, newer) if example in examples("Questions") else (read_answer, newer)
    assert old(read) == old(example)
