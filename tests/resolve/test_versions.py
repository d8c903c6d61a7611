"""Every version and edition; calls that fail for good; what retimes, transitions and mattes do to what is read."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import JOB, Desk, file_matte, make_host, make_making, shot_scene
from standin.model_timeline import Item
from standin.world import World
from test_bring_back_flow import take_of
from test_fix_flow import rendering, scene_with_matte

from secondtake_resolve.accepting import accept_take, under_playhead
from secondtake_resolve.clip import Route, Speed
from secondtake_resolve.fixing import send_fix
from secondtake_resolve.landing import land
from secondtake_resolve.refusal import Refusal

MakeWorld = Callable[..., World]
VERSIONS = [(18, 5, 0), (19, 0, 3), (19, 1, 3), (20, 3, 2), (21, 0, 3), (21, 0, 4), (21, 1, 0)]


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("version", VERSIONS)
def test_whole_way_in_every_version(
    make_world: MakeWorld, footage: Path, tmp_path: Path, version: tuple[int, int, int], route: Route
) -> None:
    world = make_world(version=version, is_studio=version > (20,))
    item = shot_scene(world, footage, count=3)
    has_marks = version >= (20,)
    before = world.snapshot(with_marks=has_marks)
    making = make_making(world, tmp_path, Desk())
    sent, notes = send_fix(making, making.host.shot(), file_matte(route=route, colourspace="ACEScg"), job=JOB)
    assert world.snapshot(with_marks=has_marks) == before
    assert any("marks" in note for note in notes) is (route is Route.RENDER and not has_marks)
    land(making.host, making.workplace, sent, take_of(sent))
    (ours,) = world.items_named("FIX")
    assert (ours.start, ours.count) == (item.start, 3)
    assert making.host.shot().clip.id == item.id  # our own fix lies above, and is not what is meant
    if route is Route.SOURCE:
        accept_take(making.host, under_playhead(making.host))
        assert item.selected_take == 2


@pytest.mark.parametrize("fault", ["silent", "raise"])
def test_what_fails_for_good_is_told_if_it_cannot_be_put_back(
    make_world: MakeWorld, footage: Path, tmp_path: Path, fault: str
) -> None:
    scene = scene_with_matte(make_world, footage)
    before, good = scene.snapshot(), copy.deepcopy(scene)
    rendering(good, tmp_path / "good")
    for name in sorted(set(good.guard.log)):
        world = copy.deepcopy(scene)
        world.guard.fault = lambda at, called, name=name: fault if called == name else ""
        told = ""
        try:
            told = " ".join(rendering(world, tmp_path / "bad"))
        except Refusal as refusal:
            told = str(refusal)
        if world.snapshot() != before:
            assert "did not put back" in told, name


def test_the_selected_clip_counts_more_than_the_playhead(make_world: MakeWorld, footage: Path) -> None:
    world = make_world(version=(21, 0, 4))
    item = shot_scene(world, footage)
    world.timeline.playhead = world.timeline.start
    assert make_host(world).shot().clip.id != item.id
    item.is_selected = True
    assert make_host(world).shot().clip.id == item.id


@pytest.mark.parametrize("name", ["matte.mov", "Matte of the sign"])
def test_a_matte_above_is_not_the_clip(make_world: MakeWorld, footage: Path, name: str) -> None:
    world = make_world()
    item = shot_scene(world, footage)
    world.add_item(world.add_media(name, "", frames=99), at=40, count=40, track=3)
    host = make_host(world)
    assert host.shot().clip.id == item.id
    assert host.tracks_over(host.shot().clip) == (3,)


@pytest.mark.parametrize("version", [(19, 1, 3), (21, 0, 4), (21, 1, 0)])
@pytest.mark.parametrize("from_media", [False, True])
@pytest.mark.parametrize(
    ("speed", "left", "expected"),
    [(100.0, 4, Speed.NORMAL), (50.0, 4, Speed.RETIMED), (200.0, 0, Speed.RETIMED), (-100.0, 4, Speed.REVERSED)],
)
def test_speed_is_read_from_what_is_spanned(
    make_world: MakeWorld, footage: Path, version: tuple[int, int, int], from_media: bool, speed: float, left: float,
    expected: Speed,
) -> None:  # fmt: skip
    world = make_world(version=version)
    item = shot_scene(world, footage, left=int(left))
    item.speed, world.quirks.source_frames_count_from_media = speed, from_media
    assert make_host(world).shot().clip.speed is expected


def test_an_unknown_speed_is_never_normal(make_world: MakeWorld, footage: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    world.quirks.source_frames_unknown = True
    assert make_host(world).shot().clip.speed is Speed.UNKNOWN


@pytest.mark.parametrize("version", [(20, 3, 2), (21, 1, 0)])
def test_transitions_are_seen_and_told(make_world: MakeWorld, footage: Path, version: tuple[int, int, int]) -> None:
    world = make_world(version=version)
    item = shot_scene(world, footage)
    assert not make_host(world).shot().clip.touches_transition
    mix = Item(world, "Cross Dissolve", None, item.start - 4, 8)
    mix.kind = "transition"
    world.timeline.tracks[0].items.append(mix)
    assert make_host(world).shot().clip.touches_transition


@pytest.mark.parametrize("kind", ["Timeline", "Fusion Clip", "Multicam", "Compound"])
def test_clips_that_are_timelines_have_no_files(make_world: MakeWorld, kind: str, footage: Path) -> None:
    world = make_world()
    item = shot_scene(world, footage)
    assert item.media is not None
    item.media.properties["Type"] = kind
    media = make_host(world).shot().clip.media
    assert media is not None
    assert media.path == ""


def test_resolve_closed_meanwhile(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    shot_scene(world, footage)
    making = make_making(world, tmp_path, Desk())
    shot = making.host.shot()
    dead: list[Any] = []

    def die(at: int, name: str) -> str:
        dead.append(name)
        return "raise" if name == "Project.StartRendering" or dead.count("Project.StartRendering") else ""

    world.guard.fault = die
    with pytest.raises(Refusal):
        send_fix(making, shot, file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert not [path for path in tmp_path.rglob("*.exr") if path.is_file() and path.parent != footage]
