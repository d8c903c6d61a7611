"""docs/bridge.md is authoritative: its lines are the golden ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secondtake import host
from secondtake_daemon.bridge import answers, lines
from secondtake_daemon.bridge.questions import KINDS, params_of

DOC = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text(encoding="utf-8")
LINES = [line for line in re.findall(r"```json\n(.*)\n```", DOC) if line.startswith(('{"id"', '{"event"'))]
QUESTIONS = [line for line in LINES if '"method"' in line.split('"params"')[0]]
METHOD_OF = {json.loads(line)["id"]: json.loads(line)["method"] for line in QUESTIONS}
RESULTS = {
    "hello": answers.HelloAnswer,
    "status": answers.StatusAnswer,
    "engines": answers.CardsAnswer,
    "survey": answers.SurveyAnswer,
    "fix": answers.Job,
    "watch": answers.Nothing,
    "jobs": answers.JobsAnswer,
    "takes": answers.TakesAnswer,
    "show": answers.ShownTake,
    "rename": answers.NotesAnswer,
    "delete": answers.DeletedAnswer,
    "compare": answers.ComparedAnswer,
    "verify": answers.VerifiedAnswer,
    "thumbnail": answers.ThumbnailAnswer,
}
EVENTS = {kind.__struct_config__.tag: kind for kind in answers._Event.__subclasses__()}


@pytest.mark.parametrize("line", QUESTIONS)
def test_questions_are_understood(line: str) -> None:
    question = lines.read_question(line.encode())
    assert isinstance(question, lines.Question)
    given = json.loads(line)["params"]
    understood = json.loads(msgspec.json.encode(params_of(question)))
    assert {name: understood[name] for name in given} == given


def test_every_method_has_a_question() -> None:
    assert set(METHOD_OF.values()) == set(KINDS)


@pytest.mark.parametrize("line", [line for line in LINES if '"result"' in line and line.startswith('{"id"')])
def test_answers_word_for_word(line: str) -> None:
    said = json.loads(line)
    kind = RESULTS[METHOD_OF[said["id"]]]
    result = msgspec.convert(said["result"], type=kind)
    assert lines.line_of(lines.Answered(id=said["id"], result=result)) == line.encode() + b"\n"


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith('{"event"')])
def test_events_word_for_word(line: str) -> None:
    event: Any = msgspec.json.decode(line, type=EVENTS[json.loads(line)["event"]])
    assert lines.line_of(event) == line.encode() + b"\n"


def test_every_event_has_a_line() -> None:
    shown = {json.loads(line)["event"] for line in LINES if line.startswith('{"event"')}
    assert shown == set(EVENTS)


@pytest.mark.parametrize("line", [line for line in LINES if '"error":{' in line and line.startswith('{"id"')])
def test_errors_word_for_word(line: str) -> None:
    failed = msgspec.json.decode(line, type=lines.Failed)
    assert lines.line_of(failed) == line.encode() + b"\n"


def test_what_is_no_question_is_answered_as_shown() -> None:
    wrong = lines.read_question(b"garbage")
    assert isinstance(wrong, lines.Failed)
    assert lines.line_of(wrong).decode().rstrip() in LINES


def test_versions_and_limits() -> None:
    assert f"{lines.LINE_BYTES:,}" in DOC
    assert (host.PROTOCOL_MIN, host.PROTOCOL_MAX) == (lines.PROTOCOL_MIN, lines.PROTOCOL_MAX)
    assert f"**{lines.PROTOCOL_MAX}** (range {lines.PROTOCOL_MIN} to {lines.PROTOCOL_MAX})" in DOC
