"""The stand-in refuses what is not documented, and answers nothing that Resolve could not."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import OpenEXR
import pytest
from standin import model_fusion, model_media, model_project, model_timeline
from standin.exr_file import write_exr
from standin.guard import SINCE, Infidelity, Undocumented
from standin.spec import Contract
from standin.world import World

MODELS = [
    each
    for module in (model_fusion, model_media, model_project, model_timeline)
    for each in vars(module).values()
    if inspect.isclass(each) and hasattr(each, "API") and each.__module__ == module.__name__
]
MakeWorld = Callable[..., World]


@pytest.mark.parametrize("model", MODELS)
def test_models_have_documented_calls_only(contract: Contract, model: Any) -> None:
    named = {name for name, value in vars(model).items() if callable(value) and name[0].isupper()}
    assert named <= set(contract.calls[model.API])
    assert named


def test_gates_name_documented_calls(contract: Contract) -> None:
    assert all(name in contract.calls[owner] for owner, name in SINCE)


@pytest.mark.parametrize(
    "act",
    [
        lambda resolve, timeline: resolve.Explode(),
        lambda resolve, timeline: resolve.OpenPage(pageName="edit"),
        lambda resolve, timeline: resolve.OpenPage("Edit"),
        lambda resolve, timeline: resolve.OpenPage(),
        lambda resolve, timeline: resolve.OpenPage("edit", "edit"),
        lambda resolve, timeline: timeline.GetTrackName("video", "1"),
        lambda resolve, timeline: timeline.GetTrackName("video", True),
        lambda resolve, timeline: timeline.GetCurrentVideoItem().SetClipColor("Cyan"),
        lambda resolve, timeline: timeline.GetCurrentVideoItem().AddMarker(0, "Violet", "", "", 1, ""),
        lambda resolve, timeline: project(resolve).SetRenderSettings({"Quality": 1}),
        lambda resolve, timeline: project(resolve).GetMediaPool().AppendToTimeline([{"mediaPoolItem": timeline}]),
        lambda resolve, timeline: project(resolve).GetMediaPool().ImportMedia([{"FilePath": "x"}]),
        lambda resolve, timeline: timeline.GetItemsInTrack("video", 1),
        lambda resolve, timeline: setattr(timeline, "name", "x"),
        lambda resolve, timeline: timeline == resolve,
    ],
)
def test_what_is_not_documented_is_refused(make_world: MakeWorld, act: Callable[[Any, Any], object]) -> None:
    world = make_world()
    world.add_item(world.add_media("a", "/a.mov", frames=9), at=0, count=9)
    world.timeline.playhead = world.timeline.start
    with pytest.raises(Undocumented):
        act(world.resolve, project(world.resolve).GetCurrentTimeline())


def project(resolve: Any) -> Any:
    return resolve.GetProjectManager().GetCurrentProject()


def test_newer_calls_are_missing_and_look_as_if_they_were_there(make_world: MakeWorld) -> None:
    old = project(make_world(version=(20, 3, 0)).resolve).GetCurrentTimeline()
    assert hasattr(old, "GetSelectedClips")
    assert old.GetSelectedClips is None
    assert "GetSelectedClips" not in dir(old)
    new = project(make_world(version=(21, 0, 4)).resolve).GetCurrentTimeline()
    assert "GetSelectedClips" in dir(new)
    assert new.GetSelectedClips() == []


def test_an_answer_that_resolve_could_not_give_is_the_stand_ins_fault(make_world: MakeWorld) -> None:
    world = make_world()
    world.page = "Editing"
    with pytest.raises(Infidelity):
        world.resolve.GetCurrentPage()


def test_what_is_documented_and_not_modelled_says_so(make_world: MakeWorld) -> None:
    with pytest.raises(NotImplementedError):
        make_world().resolve.Quit()


def test_rendered_files_are_real(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_exr(path, (5, 3), lambda x, y: (x / 8, y / 8, 4.0))
    with OpenEXR.File(str(path)) as file:
        pixels = file.channels()["RGBA"].pixels
    assert pixels.shape == (3, 5, 4)
    assert pixels[2, 4].tolist() == [0.5, 0.25, 4.0, 1.0]


def test_the_repaired_stub_knows_when_nothing_comes_back(contract: Contract) -> None:
    (signature,) = contract.calls["Timeline"]["GetItemListInTrack"]
    assert ast.unparse(signature.returns) == "list[None | TimelineItem] | None"
    assert "GetItemsInTrack" not in contract.calls["Timeline"]
    assert len(contract.calls) > 15
