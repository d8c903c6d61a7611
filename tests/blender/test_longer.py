"""Plates with new frames: their numbers without Blender, the way from strip to strip in real ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_blender.engine import Engine
from secondtake_blender.frames import Pair
from secondtake_blender.longer import longer, why_not_longer
from secondtake_blender.plate import PlateChoice, PlateKind
from secondtake_blender.refusal import Refusal

Check = Callable[..., str]


def plate(pairs: tuple[Pair, ...], *, handles: int = 0) -> PlateChoice:
    return PlateChoice(
        kind=PlateKind.IMAGES, name="a", scene="Scene", path="/a.####.exr", pairs=pairs,
        first=pairs[0].timeline + handles, last=pairs[-1].timeline - handles,
        blender_colourspace="Linear Rec.709", colourspace="lin_rec709_scene",
    )  # fmt: skip


@given(
    start=st.integers(-500, 500), number=st.integers(0, 2000), count=st.integers(2, 60),
    before=st.integers(0, 60), after=st.integers(0, 60),
)  # fmt: skip
def test_new_frames_are_numbered_on(start: int, number: int, count: int, before: int, after: int) -> None:
    there = tuple(Pair(start + step, number + step) for step in range(count))
    if before > number:
        with pytest.raises(Refusal, match=f"begin at {number}"):
            longer(plate(there), before=before, after=after)
        return
    found = longer(plate(there), before=before, after=after)
    assert found.pairs == tuple(Pair(start + step, number + step) for step in range(-before, count + after))
    assert found.pairs[before : before + count] == there
    assert (found.first, found.last, found.handles) == (start - before, start + count + after - 1, (0, 0))


def test_handles_stay_handles_where_nothing_is_new() -> None:
    there = plate(tuple(Pair(frame, frame) for frame in range(10, 20)), handles=2)
    found = longer(there, before=0, after=3)
    assert (found.first, found.last) == (12, 22)


@pytest.mark.parametrize("numbers", [(3, 2, 1), (1, 1, 2), (1, 3, 5), (7, 7, 7)])
def test_what_has_no_next_frame_is_refused(numbers: tuple[int, ...]) -> None:
    pairs = tuple(Pair(frame, number) for frame, number in enumerate(numbers))
    with pytest.raises(Refusal):
        longer(plate(pairs), before=0, after=1)


def test_why_not() -> None:
    able = Engine(name="vace", summary="", operations=("extend",), is_available=True, why_not="")
    built_in = Engine(name="temporal", summary="", operations=("remove",), is_available=True, why_not="")
    gone = Engine(name="ltx2", summary="", operations=("extend",), is_available=False, why_not="its files are gone")
    assert "how many" in why_not_longer(0, 0, engine="vace", engines=(able,))
    assert why_not_longer(0, 1, engine="vace", engines=()) == "Press Connect to see which engines can"
    assert why_not_longer(0, 1, engine="vace", engines=(able, built_in)) == ""
    assert why_not_longer(1, 0, engine="", engines=(built_in, able)) == "'temporal' cannot extend. Use 'vace'"
    assert why_not_longer(1, 0, engine="", engines=(built_in,)) == "'temporal' cannot extend. No installed engine can"
    assert why_not_longer(1, 0, engine="x", engines=(able,)) == "There is no engine 'x'. Choose one from the list"
    assert why_not_longer(1, 0, engine="ltx2", engines=(gone,)) == "'ltx2' cannot run: its files are gone"


@pytest.mark.parametrize("check", ["check_longer", "check_refusals"])
def test_a_strip_is_made_longer(addon: Check, check: str) -> None:
    addon("addon_longer", check)
