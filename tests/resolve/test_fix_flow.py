"""From the clip to the daemon: what is sent, and that Resolve is as it was whatever fails on the way."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import JOB, Desk, file_matte, make_making, shot_scene
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
    [("fails", "Failed"), ("disk full", "Disk full"), ("stalls", "dialog"), ("short", "7 frames and not 8")],
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
    world.project.render = theirs
    world.project.presets["__secondtake_keep_1"] = (theirs, ("mov", "ProRes422HQ"), 0)
    making = make_making(world, tmp_path / "work", desk)
    _, notes = send_fix(making, making.host.shot(), file_matte(route=Route.RENDER, colourspace="ACEScg"), job=JOB)
    assert any("__secondtake_keep_1" in note for note in notes)
    del world.project.presets["__secondtake_keep_1"]
    assert world.snapshot() == before


def test_fusion_masks_are_sent_as_shapes(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    from standin.model_fusion import Comp, Tool

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
