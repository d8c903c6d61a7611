"""How Resolve is told to read a take: as its plate is read, or as the project's own output was rendered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import JOB, Desk, file_matte, make_host, make_making, shot_scene
from standin.world import World
from test_bring_back_flow import sent_from, take_of

from secondtake_resolve.clip import Route
from secondtake_resolve.fixing import send_fix
from secondtake_resolve.landing import land
from secondtake_resolve.workplace import Workplace

MakeWorld = Callable[..., World]
MANAGED = {"colorScienceMode": "davinciYRGBColorManagedv2", "colorSpaceOutput": "Rec.709 Gamma 2.4"}
ACES = {"colorScienceMode": "acescct", "colorSpaceOutput": "Rec.709 Gamma 2.4", "colorAcesODT": "ACEScct"}


@pytest.mark.parametrize(
    ("project", "route", "read_as"),
    [
        ({}, Route.SOURCE, ("ARRI LogC4", "ACEScct")),
        (MANAGED, Route.SOURCE, ("ARRI LogC4", "ACEScct")),
        ({}, Route.RENDER, ("", "")),
        (MANAGED, Route.RENDER, ("Rec.709 Gamma 2.4", "")),
        (ACES, Route.RENDER, ("", "ACEScct")),
    ],
)
def test_a_take_is_read_as_its_plate_is(
    make_world: MakeWorld, footage: Path, tmp_path: Path, project: dict[str, str], route: Route,
    read_as: tuple[str, str],
) -> None:  # fmt: skip
    world = make_world()
    world.project.settings |= project
    item = shot_scene(world, footage)
    assert item.media is not None
    item.media.properties |= {"Input Color Space": "ARRI LogC4", "IDT": "ACEScct"}
    settings = dict(world.project.settings)
    making = make_making(world, tmp_path, Desk())
    sent, _ = send_fix(making, making.host.shot(), file_matte(route=route, colourspace="ACEScg", handles=2), job=JOB)
    landed = land(making.host, making.workplace, sent, take_of(sent))
    (ours,) = world.items_named("FIX")
    assert ours.media is not None
    assert (ours.media.properties["Input Color Space"], ours.media.properties["IDT"]) == read_as
    assert world.project.settings == settings
    assert not any("did not set" in words for words in landed.words)


def test_a_colour_space_that_did_not_take_is_told(make_world: MakeWorld, footage: Path, tmp_path: Path) -> None:
    world = make_world()
    world.project.settings |= MANAGED
    sent, _ = sent_from(world, footage, tmp_path, route=Route.RENDER)
    world.quirks.stubborn_properties = ("Input Color Space",)
    landed = land(make_host(world), Workplace(tmp_path), sent, take_of(sent))
    assert any("Input Color Space of the take to Rec.709 Gamma 2.4" in words for words in landed.words)
