"""Which way a clip goes, and why not the other; plain values only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secondtake_resolve.clip import Clip, Media, Route, Shot, Speed, Timeline
from secondtake_resolve.flow_fix import MatteKind, MatteWish, Reference, Wish, plan_fix, shot_words
from secondtake_resolve.ranges import AbsoluteFrame, Range
from secondtake_resolve.refusal import Refusal

MEDIA = Media(
    id="m", name="sh010", path="/show/sh010.[1001-1100].exr", is_there=True, frames=100, rate=24.0, size_px=(1920, 1080)
)
CLIP = Clip(
    id="c", name="sh010.[1001-1100].exr", track=1, record=Range(AbsoluteFrame(86448), AbsoluteFrame(86496)), before=10,
    after=42, speed=Speed.NORMAL, media=MEDIA,
)  # fmt: skip
REEL = Timeline(
    id="t", name="Reel", start=AbsoluteFrame(86400), end=AbsoluteFrame(87000), rate=24.0, size_px=(1920, 1080)
)
SHOT = Shot(project="p", project_name="Film", timeline=REEL, clip=CLIP, colour={"colorScienceMode": "davinciYRGB"})
WISH = Wish(matte=MatteWish(path="/roto.####.exr"))


def with_clip(**changes: Any) -> Shot:
    return replace(SHOT, clip=replace(CLIP, **changes))


def with_media(**changes: Any) -> Shot:
    return with_clip(media=replace(MEDIA, **changes))


def test_a_plain_clip_goes_as_its_source() -> None:
    plan = plan_fix(SHOT, replace(WISH, handles=20))
    assert (plan.route, plan.plate, plan.name) == (Route.SOURCE, "/show/sh010.####.exr", "sh010")
    assert (plan.frames.words(), plan.handles) == ("1011-1058", (10, 20))


def test_a_movie_is_counted_from_1() -> None:
    plan = plan_fix(with_media(path="/show/a.mov"), WISH)
    assert (plan.plate, plan.frames.words()) == ("/show/a.mov", "11-58")


@pytest.mark.parametrize(
    ("shot", "why"),
    [
        (with_clip(media=None), "no media of its own"),
        (with_media(path=""), "compound"),
        (with_media(path="/a.braw"), ".braw"),
        (with_media(path="/a.R3D"), ".R3D"),
        (with_media(pixel_aspect="CinemaScope"), "not square"),
        (with_media(field_order="Upper Field First"), "interlaced"),
        (with_media(rate=25.0), "25 frames a second"),
        (with_clip(speed=Speed.RETIMED), "retimed"),
        (with_clip(speed=Speed.REVERSED), "backwards"),
        (with_clip(speed=Speed.UNKNOWN), "does not say how fast"),
        (with_clip(before=90), "more frames than its media"),
    ],
)
def test_what_cannot_go_as_its_source_is_offered_the_other_way(shot: Shot, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        plan_fix(shot, replace(WISH, route=Route.SOURCE))
    assert refused.value.other_way == Route.RENDER.value
    plan = plan_fix(shot, replace(WISH, colourspace="ACEScg"))
    assert plan.route is Route.RENDER
    assert why in " ".join(plan.notes)
    assert plan.frames.words() == "86448-86495"
    assert why in " ".join(shot_words(shot))


@pytest.mark.parametrize(
    ("shot", "wish", "words"),
    [
        (with_media(is_there=False), WISH, "offline"),
        (with_clip(is_transition=True), WISH, "transition"),
        (SHOT, replace(WISH, matte=MatteWish()), "no matte"),
        (SHOT, replace(WISH, matte=MatteWish(kind=MatteKind.MASKS)), "No Fusion mask"),
        (SHOT, replace(WISH, matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_a",))), "no readable mask FIX_a"),
        (SHOT, replace(WISH, matte=MatteWish(kind=MatteKind.TRACK, track=1)), "own track"),
        (SHOT, replace(WISH, operation="replace"), "needs an instruction"),
        (SHOT, replace(WISH, handles=-1), "Handles"),
        (SHOT, replace(WISH, route=Route.RENDER), "colour space"),
        (SHOT, replace(WISH, references=(Reference("/a.png", AbsoluteFrame(86400)),)), "does not show"),
        (with_clip(sizing={"ZoomX": 2.0}), replace(WISH, matte=MatteWish(kind=MatteKind.TRACK, track=2)), "scaled"),
        (
            with_clip(sizing={"ZoomX": 2.0}, masks=("FIX_a",)),
            replace(WISH, matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_a",)), route=Route.RENDER, colourspace="x"),
            "lie on the source",
        ),
        (
            with_clip(speed=Speed.RETIMED, masks=("FIX_a",)),
            replace(WISH, matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_a",)), colourspace="x"),
            "retimed",
        ),
        (with_clip(record=Range(AbsoluteFrame(1), AbsoluteFrame(1))), WISH, "where the clip lies"),
    ],
)
def test_what_is_refused_in_one_sentence_with_a_remedy(shot: Shot, wish: Wish, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        plan_fix(shot, wish)
    assert refused.value.remedy
    assert "\n" not in str(refused.value)


def test_handles_of_a_rendered_range_end_with_the_timeline() -> None:
    near = with_clip(record=Range(AbsoluteFrame(86402), AbsoluteFrame(86450)), media=None)
    wish = replace(WISH, route=Route.RENDER, colourspace="x", handles=8, is_solo=False)
    assert plan_fix(near, wish).handles == (2, 8)
    assert plan_fix(near, replace(wish, is_solo=True)).handles == (0, 0)


def test_what_is_unusual_is_said_before_anything_is_sent() -> None:
    odd = with_clip(
        touches_transition=True, is_enabled=False, sizing={"Pan": 3.0, "ZoomX": 1.0}, has_fusion=True, takes=2
    )
    said = " ".join(shot_words(odd))
    for words in ("transition", "disabled", "Pan", "Fusion", "2 takes", "stabilised"):
        assert words in said
    assert "ZoomX" not in said


def test_source_range_and_handles_are_said_in_words() -> None:
    said = shot_words(SHOT)
    assert said[0] == "sh010.[1001-1100].exr on V1: 48 frames from timeline frame 86448, 24 frames a second"
    drop = replace(SHOT, timeline=replace(REEL, rate=29.97, is_drop_frame=True))
    assert shot_words(drop)[0].endswith("29.97 frames a second, drop-frame")
    assert "sh010.####.exr, 1011-1058; the media has 10 frames before them and 42 after" in said[1]
    assert said[2] == "Colour is unmanaged"
    assert "a.mov, 11-58" in shot_words(with_media(path="C:\\show\\a.mov"))[1]


def test_an_aces_project_names_no_space_to_render_in() -> None:
    aces = replace(SHOT, colour={"colorScienceMode": "acescct", "colorSpaceOutput": "Rec.709 Gamma 2.4"})
    with pytest.raises(Refusal, match="which colour space it renders"):
        plan_fix(aces, replace(WISH, route=Route.RENDER))
