"""Whatever is printed can do no harm, and with --json the last line of stdout is one JSON object."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.errors import BadImage, ProofFailed, UsageError
from secondtake_daemon.cli.output import Answer, Output, clean


class Example(Answer, frozen=True, kw_only=True):
    text: str


def outputs(*, as_json: bool = False, debug: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    stdout, stderr = io.StringIO(), io.StringIO()
    return Output(as_json=as_json, debug=debug, stdout=stdout, stderr=stderr), stdout, stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("a\nb", "a\\x0ab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("right \u202eto left", "right \\u202eto left"),
        ("openjd_fail: no", "› openjd_fail: no"),
        ("  OPENJD_progress: 5", "›   OPENJD_progress: 5"),
        ("not openjd_fail", "not openjd_fail"),
        ("bad \udcff byte", "bad \\udcff byte"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_what_is_printed_is_one_harmless_line(text: str) -> None:
    output, stdout, _ = outputs()
    output.line(text)
    printed = stdout.getvalue()
    assert printed.endswith("\n")
    assert len(printed.splitlines()) == 1
    assert not printed.lstrip().lower().startswith("openjd_")
    assert {unicodedata.category(character) for character in printed[:-1]}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_is_one_line_and_says_the_same(text: str) -> None:
    output, stdout, _ = outputs(as_json=True)
    output.line("never printed")
    output.answer(Example(text=text))
    assert json.loads(stdout.getvalue()) == {"schema_version": 1, "text": text}
    assert stdout.getvalue().count("\n") == 1
    assert "\x9b" not in stdout.getvalue()


def test_an_error_is_one_line_what_remedy_path() -> None:
    output, stdout, stderr = outputs()
    output.failure(BadImage("It is no EXR", remedy="Render it again", path="/a/b\nc.exr"))
    assert stderr.getvalue() == "secondtake: It is no EXR. Render it again. /a/b\\x0ac.exr\n"
    assert stdout.getvalue() == ""


def test_an_error_in_json() -> None:
    output, stdout, stderr = outputs(as_json=True)
    output.failure(UsageError("No", path="/bytes \udcff"))
    error = {"code": "usage", "message": "No", "remedy": "", "path": "/bytes \\udcff"}
    assert json.loads(stdout.getvalue()) == {"schema_version": 1, "error": error, "exit_status": 2}
    assert "Traceback" not in stderr.getvalue()


def test_an_answered_command_is_not_answered_twice() -> None:
    output, stdout, _ = outputs(as_json=True)
    output.answer(Example(text="the verification"))
    output.failure(ProofFailed("It does not hold"))
    assert len(stdout.getvalue().splitlines()) == 1


def test_debug_shows_where() -> None:
    output, _, stderr = outputs(debug=True)
    try:
        raise UsageError("No")
    except UsageError as error:
        output.failure(error)
    assert "Traceback" in stderr.getvalue()
    assert stderr.getvalue().splitlines()[-1] == "secondtake: No."


def test_a_terminal_without_unicode_gets_escapes() -> None:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="ascii")
    Output(as_json=False, debug=False, stdout=stdout, stderr=io.StringIO()).line("Größe — 3")
    assert raw.getvalue() == b"Gr\\xf6\\xdfe \\u2014 3\n"


def test_a_table_is_aligned() -> None:
    output, stdout, _ = outputs()
    output.table(("A", "LONG"), [("1", "x"), ("longer", "y\n")])
    assert stdout.getvalue() == "A       LONG\n1       x\nlonger  y\\x0a\n"
