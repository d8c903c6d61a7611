"""What the panel says, without Blender: no option of the command line, whatever the daemon says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secondtake
import secondtake_daemon
from secondtake.host import Problem
from secondtake_blender.option_words import in_panel_words
from secondtake_blender.refusal import Refusal
from secondtake_blender.words import error_line, job_words

OPTION = re.compile(r"(?<![\w/.-])--[a-z]")


@pytest.mark.parametrize(
    ("said", "panel"),
    [
        (
            "Render the missing frames, or give --frames inside 1001-1006",
            "Render the missing frames, or trim the strip to its files 1001-1006",
        ),
        ("Give --frames inside 1-40", "Trim the strip to its files 1-40"),
        ("Give --out another folder", "Choose another folder under More, Takes"),
        ("Name the colour space with --colorspace", "Set its colour space in Blender"),
        ("Name it with --colorspace, as 'Rec.1886 Rec.709 - Display'", "Set its colour space in Blender"),
        (
            "Give the number of one of them after the @, or change --frames",
            "Correct the frame of the reference, or trim the strip otherwise",
        ),
        (
            "Give --reference IMAGE@FRAME with that frame as you painted it, or use an engine that invents: a",
            "Paint a frame with References, Paint This Frame, or use an engine that invents: a",
        ),
        ("The matte seems too tight; use --grow 5", "The matte seems too tight; set Grow to 5"),
        ("Give --control-kind depth, or another", "Give Control Kind depth, or another"),
        ("Run `secondtake bridge --install`, or give --seed 2", "Run `secondtake bridge --install`, or give Seed 2"),
    ],
)
def test_remedies_name_what_the_panel_has(said: str, panel: str) -> None:
    assert in_panel_words(said) == panel


def test_no_remedy_of_the_daemon_brings_an_option_into_the_panel() -> None:
    found = set(_remedies())
    assert len(found) > 30, "there were dozens of them"
    left = {text: in_panel_words(text) for text in found if OPTION.search(_without_commands(in_panel_words(text)))}
    assert not left
    assert all(len(in_panel_words(text).split()) > 1 for text in found), "something is left to do"


def test_a_path_is_shown_as_it_is() -> None:
    path = "/show/a --frames/sh010.####.exr"
    line = error_line(Problem("missing_frames", "1 frame is missing: 3", remedy="Give --frames inside 1-2", path=path))
    assert line == f"1 frame is missing: 3. Trim the strip to its files 1-2. {path}"
    assert error_line(Refusal("It is muted", remedy="Unmute it", path=path)) == f"It is muted. Unmute it. {path}"
    assert error_line(Problem("busy", "Too much at once")) == "Too much at once"
    assert error_line(Exception("The daemon hung up.\nGive --out a folder")) == (
        "The daemon hung up. Choose a folder under More, Takes"
    )


def test_what_a_job_waits_for_keeps_its_letters() -> None:
    waits = "waits for disk space: the disk of the takes has less than 1.0 GiB free (/Show/Füße)"
    job = {"state": "queued", "waits": waits, "words": "queued"}
    assert job_words(job) == "W" + waits[1:]
    assert job_words({"state": "queued", "waits": "", "words": "queued"}) == "Queued"


@given(st.text(alphabet="ab -`@./", max_size=40))
def test_whatever_is_said_stays_one_line_without_options(text: str) -> None:
    assert not OPTION.search(_without_commands(in_panel_words(text)))
    assert in_panel_words(in_panel_words(text)) == in_panel_words(text)


def _without_commands(text: str) -> str:
    return re.sub(r"`[^`]*`", "", text)


def _remedies() -> Iterator[str]:
    """Every remedy in client and daemon that names an option, its numbers filled in."""
    for package in (secondtake, secondtake_daemon):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "remedy":
                    text = "".join(_pieces(node.value))
                    if OPTION.search(text):
                        yield text


def _pieces(node: ast.AST) -> Iterator[str]:
    """The text of a literal, an f-string or a sum of them."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.FormattedValue):
        yield "1001-1006"
    else:
        for child in ast.iter_child_nodes(node):
            yield from _pieces(child)
