"""From the clip to the daemon: what is sent, and that Resolve is as it was whatever fails on the way."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import OpenEXR
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import JOB, Desk, file_matte, make_making, shot_scene
from standin.model_fusion import Comp, Tool
from standin.model_timeline import Track
from standin.world import World

from secondtake_resolve.clip import Route
from secondtake_resolve.fixing import send_fix
from secondtake_resolve.flow_fix import MatteKind, MatteWish, Reference, Wish
from secondtake_resolve.refusal import Cancelled, Refusal

MakeWorld = Callable[..., World]


def test_source_is_sent_as_it_lies(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    item = shot_scene(world, footage)
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    wish = file_matte(handles=6, references=(Reference("/paint/a.png", making.host.playhead()), Reference("/look.png")))
    sent, notes = send_fix(making, making.host.shot(), wish, job=JOB)
    params = desk.sent()
    assert params["plate"] == str(footage / "sh010.####.exr")
    assert params["frames"] == "1005-1012"
    assert params["handles"] == [4, 4]
    assert params["references"] == [{"path": "/paint/a.png", "frame": 1007}, {"path": "/look.png"}]
    assert params["out"] == sent.out
    assert sent.tag.target.item == item.id
    assert any("stabilised" in note for note in notes)
    assert world.snapshot() == before
    assert making.workplace.waiting(world.project.id) == (sent,)


def test_timeline_is_rendered_and_numbered_as_the_timeline(
    make_world: MakeWorld, footage: Path, tmp_path: Path
) -> None:
    world, desk = make_world(), Desk()
    item = shot_scene(world, footage)
    before = world.snapshot()
    making = make_making(world, tmp_path / "work é", desk)
    wish = file_matte(route=Route.RENDER, colourspace="ACEScg")
    send_fix(making, making.host.shot(), wish, job=JOB)
    plate = Path(desk.sent()["plate"])
    files = sorted(path.name for path in plate.parent.iterdir())
    assert files == [f"plate.{frame}.exr" for frame in range(item.start, item.end)]
    assert desk.sent()["frames"] == f"{item.start}-{item.end - 1}"
    assert world.snapshot() == before


@pytest.mark.parametrize("quirk", ["stuck", "subfolder"])
def test_rendering_is_whole_whatever_deliver_says(
    make_world: MakeWorld, footage: Path, tmp_path: Path, quirk: str
) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    world.quirks.render, world.quirks.render_subfolder = quirk if quirk == "stuck" else "", quirk == "subfolder"
    making = make_making(world, tmp_path / "work", desk)
    send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert len(list(Path(desk.sent()["plate"]).parent.iterdir())) == 8


@pytest.mark.parametrize(
    ("quirk", "words"),
    [
        ("fails", "Failed"),
        ("disk full", "Disk full"),
        ("stalls", "dialog"),
        ("short", "7 frames and not 8"),
        ("nothing", "0 frames and not 8"),
        ("gap", "8 frames with a gap"),
    ],
)
def test_rendering_that_fails_is_told_and_nothing_is_left(
    make_world: MakeWorld, footage: Path, tmp_path: Path, quirk: str, words: str
) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    world.quirks.render = quirk
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    with pytest.raises(Refusal, match=words):
        send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert world.snapshot() == before
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]


def test_cancel_while_rendering(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk, progress=lambda words, share: share < 0.3)
    with pytest.raises(Cancelled):
        send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert world.snapshot() == before
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]


def rendering(world: World, folder: Path) -> tuple[str, ...]:
    """The longest way: matte and plate through Deliver."""
    making = make_making(world, folder, Desk())
    wish = Wish(matte=MatteWish(kind=MatteKind.TRACK, track=3), route=Route.RENDER, colourspace="ACEScg")
    return send_fix(making, making.host.shot(), wish, job=JOB)[1]


def scene_with_matte(make_world: MakeWorld, footage: Path) -> World:
    world = make_world()
    shot_scene(world, footage, count=3)
    matte = world.add_media("matte.mov", str(footage / "other.mov"), frames=500)
    world.add_item(matte, at=40, count=40, track=3)
    world.timeline.settings.update(timelineResolutionWidth="8", timelineResolutionHeight="4")
    return world


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("fault", ["silent", "raise"])
def test_state_is_as_before_with_each_call_failing_in_turn(
    make_world: MakeWorld, footage: Path, tmp_path: Path, fault: str, part: int
) -> None:
    scene = scene_with_matte(make_world, footage)
    before, good = scene.snapshot(), copy.deepcopy(scene)
    rendering(good, tmp_path / "good")
    calls, failed = len(good.guard.log), 0
    for number in range(part, calls, 4):
        world = copy.deepcopy(scene)
        world.guard.fault = lambda at, name, number=number: fault if at == number else ""
        try:
            rendering(world, tmp_path / "bad")
        except Exception as error:  # noqa: BLE001 — whatever it is, it is looked at
            failed += 1
            assert isinstance(error, Refusal) or type(error).__name__ == "Dead", (number, error)
        world.guard.fault = lambda at, name: ""
        assert world.snapshot() == before, (number, world.guard.log[number])
    assert failed


@pytest.mark.parametrize("fault", ["lies", "shy"])
def test_what_resolve_says_of_a_write_is_not_believed(
    make_world: MakeWorld, footage: Path, tmp_path: Path, fault: str
) -> None:
    scene = scene_with_matte(make_world, footage)
    before, good = scene.snapshot(), copy.deepcopy(scene)
    rendering(good, tmp_path / "good")
    writes = [at for at, name in enumerate(good.guard.log) if good.guard.is_silent_write(name)]
    assert len(writes) > 20
    for number in writes:
        name = good.guard.log[number]
        if (fault, name) == ("lies", "Project.LoadRenderPreset"):
            continue  # render settings cannot be read at all: smoke.py asks, question 8
        world = copy.deepcopy(scene)
        world.guard.fault = lambda at, name, number=number: fault if at == number else ""
        with suppress(Refusal):
            rendering(world, tmp_path / "bad")
        assert world.snapshot() == before, (number, name)


def test_a_job_with_the_artists_settings_is_never_started(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    world.guard.fault = lambda at, name: "lies" if name == "Project.SetRenderSettings" else ""
    with pytest.raises(Refusal, match="did not take the render settings"):
        send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert "Project.StartRendering" not in world.guard.log
    assert world.snapshot() == before


def test_a_range_that_the_disk_has_no_room_for_is_not_rendered(
    make_world: MakeWorld, footage: Path, tmp_path: Path
) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    world.timeline.settings.update(timelineResolutionWidth="90000000", timelineResolutionHeight="90000000")
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    world.guard.fault = lambda at, name: "silent" if name == "Project.AddRenderJob" else ""  # never a file so large
    with pytest.raises(Refusal, match="GB are free") as refused:
        send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert refused.value.remedy == "Make room"
    assert world.snapshot() == before
    assert not (tmp_path / "work").exists()


def shown_while_rendering(world: World) -> list[list[bool]]:
    """Which tracks are on whenever a render starts."""
    seen: list[list[bool]] = []

    def look(name: str) -> None:
        if name == "Project.StartRendering":
            seen.append([track.is_on for track in world.timeline.tracks])

    world.guard.before = look
    return seen


@pytest.mark.parametrize(
    ("is_solo", "plate"), [(True, [True, False, False, False]), (False, [True, True, False, False])]
)
def test_tracks_that_show_while_a_plate_and_its_matte_are_rendered(
    make_world: MakeWorld, footage: Path, tmp_path: Path, is_solo: bool, plate: list[bool]
) -> None:
    world = scene_with_matte(make_world, footage)
    world.timeline.tracks.append(Track("Video 4", is_on=False))
    before, seen = world.snapshot(), shown_while_rendering(world)
    making = make_making(world, tmp_path / "work", Desk())
    wish = Wish(
        matte=MatteWish(kind=MatteKind.TRACK, track=3), route=Route.RENDER, colourspace="ACEScg", is_solo=is_solo
    )
    send_fix(making, making.host.shot(), wish, job=JOB)
    assert seen == [[False, False, True, False], plate]
    assert world.snapshot() == before


def test_a_matte_track_is_rendered_as_luma_and_numbered_as_the_source(
    make_world: MakeWorld, footage: Path, tmp_path: Path
) -> None:
    world, desk = make_world(), Desk()
    item = shot_scene(world, footage)
    world.add_item(world.add_media("matte.mov", str(footage / "other.mov"), frames=500), at=40, count=40, track=3)
    making = make_making(world, tmp_path / "work", desk)
    wish = Wish(matte=MatteWish(kind=MatteKind.TRACK, track=3), handles=2)
    send_fix(making, making.host.shot(), wish, job=JOB)
    assert (desk.sent()["plate"], desk.sent()["frames"]) == (str(footage / "sh010.####.exr"), "1005-1012")
    matte = Path(desk.sent()["matte"])
    assert sorted(path.name for path in matte.parent.iterdir()) == [f"matte.{n}.exr" for n in range(1003, 1015)]
    with OpenEXR.File(str(matte.parent / f"matte.{1005 + item.count - 1}.exr")) as file:
        pixels = file.channels()["RGBA"].pixels
    assert pixels[15, 30].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert pixels[0, 0].tolist() == [0.0, 0.0, 0.0, 1.0]  # alpha says nothing


def test_what_cannot_be_put_back_is_told(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    making = make_making(world, tmp_path / "work", desk)
    world.guard.fault = lambda at, name: "silent" if name == "Project.LoadRenderPreset" else ""
    _, notes = send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    kept = next(note for note in notes if "render settings" in note)
    assert next(name for name in world.project.presets if name.startswith("__secondtake")) in kept


def test_what_the_daemon_refuses_leaves_nothing(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    refusal = Refusal("The matte is empty in every frame", remedy="Check the file", path="/mattes/roto.####.exr")
    world, desk = make_world(), Desk(refusal=refusal)
    shot_scene(world, footage)
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    with pytest.raises(Refusal, match="empty in every frame") as refused:
        send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert refused.value.other_way is None
    assert world.snapshot() == before
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]


def test_what_the_daemon_cannot_read_is_offered_to_be_rendered(
    make_world: MakeWorld, footage: Path, tmp_path: Path
) -> None:
    refusal = Refusal("The movie cannot be read", remedy="Convert it", path=str(footage / "sh010.####.exr"))
    world, desk = make_world(), Desk(refusal=refusal)
    shot_scene(world, footage)
    making = make_making(world, tmp_path / "work", desk)
    with pytest.raises(Refusal) as refused:
        send_fix(making, making.host.shot(), file_matte(), job=JOB)
    assert refused.value.other_way == Route.RENDER.value


def test_what_a_killed_run_left_is_cleared(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    shot_scene(world, footage)
    before = world.snapshot()
    theirs = dict(world.project.render)
    world.project.render = {**theirs, "TargetDir": str(tmp_path / "work" / "Film" / "sh" / "j" / "plate")}
    world.project.AddRenderJob()
    world.project.render = {**theirs, "TargetDir": str(tmp_path / "work of mine")}  # not below ours, only alike
    world.project.AddRenderJob()
    world.project.render = theirs
    before["jobs"].append((world.project.jobs[-1].id, "Ready"))
    world.project.presets["__secondtake_keep_1"] = (theirs, ("mov", "ProRes422HQ"), 0)
    making = make_making(world, tmp_path / "work", desk)
    _, notes = send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert any("__secondtake_keep_1" in note for note in notes)
    del world.project.presets["__secondtake_keep_1"]
    assert world.snapshot() == before


def test_fusion_masks_are_sent_as_shapes(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk = make_world(), Desk()
    item = shot_scene(world, footage)
    ellipse = Tool(
        "EllipseMask", "FIX_sign", Center=lambda t: {1: 0.25 + t / 64, 2: 0.75, 3: 0.0}, Width=0.25, Height=0.125,
        Angle=90.0, SoftEdge=1 / 32, Level=0.5,
    )  # fmt: skip
    item.comps = [Comp(ellipse, Tool("BitmapMask", "FIX_no"))]
    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk)
    making.host.open_page("fusion")
    shot = making.host.shot()
    making.host.open_page("color")
    assert shot.clip.masks == ("FIX_sign",)
    send_fix(making, shot, Wish(matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_sign",))), job=JOB)
    shapes: dict[str, Any] = desk.sent()["shapes"]
    (shape,) = shapes["shapes"]
    assert shapes["size"] == [64, 36]
    assert [key["frame"] for key in shape["keys"]] == list(range(1005, 1013))
    assert shape["keys"][0] == {
        "frame": 1005, "opacity": 0.5, "feather_px": 2, "centre": [16.0, 9.0], "radii": [8.0, 4.0],
        "rotation_deg": -90.0,
    }  # fmt: skip
    assert shape["keys"][7]["centre"] == [23.0, 9.0]
    assert world.snapshot() == before


def with_mask(make_world: MakeWorld, footage: Path, tool: Tool) -> World:
    """A clip of eight frames with one mask, seen from the Fusion page."""
    world = make_world()
    shot_scene(world, footage).comps = [Comp(tool)]
    world.page = "fusion"
    return world


@pytest.mark.parametrize("kind", ["PolylineMask", "BSplineMask"])
def test_outlines_are_read_at_every_frame(make_world: MakeWorld, footage: Path, tmp_path: Path, kind: str) -> None:
    tool = Tool(kind, "FIX_edge")
    tool.outline = lambda time: [(time / 64, 0.25, 0.0, 0.0, 0.125, 0.25), (0.5, 0.75), (0.75, 0.25)]
    world, desk = with_mask(make_world, footage, tool), Desk()
    making = make_making(world, tmp_path / "work", desk)
    send_fix(making, making.host.shot(), Wish(matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_edge",))), job=JOB)
    (shape,) = desk.sent()["shapes"]["shapes"]
    assert shape["kind"] == "bezier"
    assert [key["points"][0]["at"] for key in shape["keys"]] == [[float(at), 27.0] for at in range(8)]
    assert shape["keys"][0]["points"][0]["out"] == [8.0, -9.0]


def test_a_rectangle_is_read_at_every_frame(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    tool = Tool("RectangleMask", "FIX_sign", Center={1: 0.5, 2: 0.5}, Width=lambda time: (time + 1) / 32, Height=0.125)
    world, desk = with_mask(make_world, footage, tool), Desk()
    making = make_making(world, tmp_path / "work", desk)
    send_fix(making, making.host.shot(), Wish(matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_sign",))), job=JOB)
    (shape,) = desk.sent()["shapes"]["shapes"]
    assert [key["points"][0] for key in shape["keys"]] == [[31.0 - at, 14.0] for at in range(8)]


def test_reading_masks_is_told_and_can_be_cancelled(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world, desk, looks = with_mask(make_world, footage, Tool("EllipseMask", "FIX_a", Width=0.5, Height=0.5)), Desk(), []

    def progress(words: str, share: float) -> bool:
        looks.append((words, share))
        return len(looks) < 3

    before = world.snapshot()
    making = make_making(world, tmp_path / "work", desk, progress=progress)
    with pytest.raises(Cancelled):
        send_fix(making, making.host.shot(), Wish(matte=MatteWish(kind=MatteKind.MASKS, masks=("FIX_a",))), job=JOB)
    assert looks[-1] == ("Reading masks, frame 3 of 8", 0.25)
    assert (world.snapshot(), desk.asked) == (before, [])
