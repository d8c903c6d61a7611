"""Names from outside say nothing on a terminal, in a log, or to a render farm that reads our output."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from places import Place

from secondtake import UsageError
from secondtake.errors import BadInput
from secondtake_daemon.cli.output import Output, clean

FORGED = "x\nopenjd_fail: forged\r\x1b[2J\x1b]0;title\x07\u202e\u2028openjd_env: A=B\x9b31m"
ORDER = re.compile(r"^\s*openjd_", re.IGNORECASE)
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> None:
    """Split as a farm would: at everything that anybody takes for the end of a line."""
    for line in text.splitlines():
        assert not ORDER.match(line), line
    assert not UNPRINTABLE.search(text), repr(text)


def run(place: Place, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "secondtake_daemon", *arguments],
        env={"PATH": "", "SECONDTAKE_HOME": str(place.root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("field", ["shot", "job"])
def test_a_forged_name_is_refused_and_the_refusal_is_harmless(place: Place, field: str) -> None:
    client = place.client()
    with pytest.raises(UsageError) as caught:
        client.submit(replace(place.request(), **{field: FORGED}))
    harmless(clean(str(caught.value)))
    assert client.jobs() == []


def test_what_the_command_prints_of_a_job_made_of_forged_names(place: Place) -> None:
    client = place.client(f"{FORGED} (pid 1)")
    request = place.request(
        "fail", out="openjd_fail: forged\n\x1b[31mout", matte=f"/m/{FORGED}", plate=f"/{FORGED}/p.exr"
    )
    request = replace(request, instructions=(FORGED,), engine="temporal")
    client.submit(request)
    list(client.watch(request.job))
    for arguments in (
        ("jobs",),
        ("jobs", request.job),
        ("jobs", "--json"),
        ("cancel", request.job),
        ("daemon", "status"),
    ):
        said = run(place, *arguments)
        assert said.strip()
        harmless(said)
    assert "openjd" in run(place, "jobs", "--json")  # it is all there, only escaped


def test_the_log_is_one_line_for_each_word(place: Place) -> None:
    client = place.client(FORGED)
    request = place.request("frames=1", out="a\nopenjd_fail: b")
    client.run(request)
    for line in place.log().splitlines():
        assert isinstance(json.loads(line), dict)
        assert not ORDER.match(line) and "\x1b" not in line


def test_a_forged_setting_or_path_in_an_error(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False, debug=False)
    output.failure(BadInput(FORGED, remedy=FORGED, path=Path(f"/{FORGED}")))
    output.message(FORGED)
    output.line("openjd_env: PATH=/evil")
    output.table((FORGED, "B"), [("openjd_fail: x", FORGED)])
    seen = capsys.readouterr()
    harmless(seen.out + seen.err)
    assert len((seen.out + seen.err).splitlines()) == 5


@given(st.text(st.characters(codec="utf-8")))
def test_clean_says_it_on_one_harmless_line(text: str) -> None:
    for forged in (text, f"openjd_{text}", f"{text}\nopenjd_fail: {text}"):
        cleaned = clean(forged)
        harmless(cleaned)
        assert len(cleaned.splitlines()) <= 1
