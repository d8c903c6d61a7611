"""Which engine can make what of a scene, in words; without Blender."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondtake_blender.engine import Engine
from secondtake_blender.previz_way import Follow, PrevizUse, PrevizWish, Way, followed, said, use_of, why_not

ALL = ("extend", "generate", "modify", "remove", "replace", "restyle")
TEMPORAL = Engine(
    name="temporal", summary="", operations=("modify", "remove", "replace", "restyle"), is_available=True, why_not="",
    reads_motion=True, needs_painted=("modify", "replace", "restyle"),
)  # fmt: skip
VACE = Engine(
    name="vace", summary="", operations=ALL, is_available=True, why_not="", controls=("depth", "grey", "scribble"),
    makes_whole_frames=True, looks=3, needs_words=("generate", "modify", "replace", "restyle"),
)  # fmt: skip
KLEIN = replace(VACE, name="klein", operations=("modify", "restyle"), controls=(), looks=1)
LOCKED = replace(VACE, name="locked", is_available=False, why_not="its licence is not accepted")
ENGINES = (TEMPORAL, VACE, KLEIN, LOCKED)
ASKED = PrevizWish(way=Way.GENERATE, engine="vace", has_words=True)

UNPAINTED = "'temporal' cannot restyle without a painted frame. Use 'vace' or 'klein'"
TOO_MANY = "'klein' takes 1 reference that is no painted frame. Use 'vace'"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"way": Way.RESTYLE}, ""),
        ({"way": Way.RESTYLE, "engine": "klein"}, ""),
        ({"way": Way.CARRY, "painted": 1}, ""),
        ({"way": Way.CARRY, "painted": 1, "engine": "", "has_words": False}, ""),
        ({"way": Way.RESTYLE, "painted": 1, "engine": ""}, ""),
        ({"has_words": False, "looks": 1}, ""),
        ({"way": Way.RESTYLE, "follow": Follow.GREY}, ""),
        ({"way": Way.CARRY}, "Paint a frame first (References), or choose Restyle or Generate"),
        ({"has_words": False}, "Say what to make, in words or with a reference"),
        ({"engine": ""}, "'temporal' cannot generate. Use 'vace'"),
        ({"engine": "klein"}, "'klein' cannot generate. Use 'vace'"),
        ({"engine": "", "way": Way.RESTYLE}, UNPAINTED),
        ({"engine": "locked"}, "'locked' cannot run: its licence is not accepted"),
        ({"engine": "gone"}, "There is no engine 'gone'. Choose one from the list"),
        ({"looks": 2, "engine": "klein", "way": Way.RESTYLE}, TOO_MANY),
        ({"looks": 4}, "'vace' takes 3 references that are no painted frame. No installed engine can"),
        (
            {"follow": Follow.GREY, "engine": "klein", "way": Way.RESTYLE},
            "'klein' cannot follow grey. Use 'vace'",
        ),
        ({"follow": Follow.GREY}, "Without a picture only its depth can be followed. Set Follow to Depth"),
    ],
)  # fmt: skip
def test_why_it_is_grey(changes: dict[str, object], words: str) -> None:
    assert why_not(replace(ASKED, **changes), ENGINES) == words  # type: ignore[arg-type]


def test_a_way_that_no_engine_can_go_is_not_offered() -> None:
    assert why_not(replace(ASKED, way=Way.CARRY), (TEMPORAL, LOCKED)) == "Paint a frame first (References)"
    assert why_not(replace(ASKED, way=Way.CARRY), (TEMPORAL, KLEIN)).endswith(", or choose Restyle")


def test_before_the_engines_are_known_only_what_needs_no_model() -> None:
    assert why_not(ASKED, ()) == "Press Connect to see which engines can"
    carry = replace(ASKED, way=Way.CARRY, painted=1)
    assert why_not(carry, ()) == "Press Connect to see which engines can", "vace may make no use of the motion"
    assert why_not(replace(carry, engine=""), ()) == why_not(replace(carry, engine="temporal"), ()) == ""


def test_an_engine_that_follows_nothing_gets_nothing_of_a_new_shot() -> None:
    blind = replace(VACE, controls=())
    assert why_not(ASKED, (blind,)) == (
        "'vace' follows no depth, so nothing of the scene would reach it. No installed engine can"
    )


def test_what_is_sent() -> None:
    carry = replace(ASKED, way=Way.CARRY, painted=1)
    assert use_of(carry, TEMPORAL) == use_of(carry, None) == PrevizUse(has_motion=True)
    assert use_of(carry, VACE) == PrevizUse(has_motion=False), "it would be refused"
    assert use_of(ASKED, VACE) == PrevizUse(has_picture=False, has_motion=False, has_depth=True)
    restyle = replace(ASKED, way=Way.RESTYLE)
    assert use_of(restyle, VACE) == PrevizUse(has_motion=False, has_depth=True)
    assert followed(restyle, KLEIN) == "", "what it takes by itself"
    assert followed(replace(restyle, follow=Follow.SCRIBBLE), VACE) == "scribble"
    assert said(replace(ASKED, looks=2), VACE) == "Sends size and rate, depth, your words, 2 references"
    assert said(replace(restyle, follow=Follow.GREY), VACE) == "Sends the rendered picture, its brightness, your words"
    assert said(carry, TEMPORAL) == "Sends the rendered picture, exact motion, your words, 1 reference"
