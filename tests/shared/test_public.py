"""What `import secondtake` offers, and what it may cost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secondtake
from secondtake import Box, ErrorBody, FrameSet, SecondTakeError, UsageError
from secondtake.errors import error_from_body


def test_all_is_exact() -> None:
    public = {name for name, value in vars(secondtake).items() if not name.startswith("_") and not _is_module(value)}
    assert public - {"annotations"} == set(secondtake.__all__) - {"__version__"}
    assert list(secondtake.__all__) == sorted(secondtake.__all__)


def _is_module(value: object) -> bool:
    return type(value).__name__ == "module"


def test_importing_the_client_loads_nothing_heavy() -> None:
    heavy = {"numpy", "cv2", "OpenEXR", "torch", "asyncio", "platformdirs", "structlog", "secondtake_daemon"}
    code = f"import sys, secondtake; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    # pyzmq's own package loads asyncio support only when it is asked for.
    assert found.stdout.strip() == "[]"


def test_every_error_survives_the_wire() -> None:
    for name in secondtake.__all__:
        kind = getattr(secondtake, name)
        if isinstance(kind, type) and issubclass(kind, SecondTakeError):
            error = kind("What is wrong", remedy="Do that", path="/a/b")
            again = error_from_body(error.body())
            assert type(again) is kind
            assert str(again) == "What is wrong. Do that. /a/b"
    unknown = error_from_body(ErrorBody(code="from_the_future", message="New"))
    assert type(unknown) is SecondTakeError


@given(st.sets(st.integers(-2000, 2000), max_size=40))
def test_frame_sets_read_what_they_write(numbers: set[int]) -> None:
    frames = FrameSet(numbers)
    assert list(frames) == sorted(numbers)
    if numbers:
        assert FrameSet.parse(str(frames)) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "5-1", "1-9x0", "1,,2", "1-99999999"])
def test_what_is_no_frame_set(text: str) -> None:
    with pytest.raises(UsageError):
        FrameSet.parse(text)


def test_frame_grammar() -> None:
    assert list(FrameSet.parse("1001-1003,1010")) == [1001, 1002, 1003, 1010]
    assert list(FrameSet.parse("1-10x4")) == [1, 5, 9]
    assert str(FrameSet([3, 1, 2, 7])) == "1-3,7"


boxes = st.builds(Box, st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 40), st.integers(0, 40))


@given(boxes, boxes)
def test_box_algebra(one: Box, other: Box) -> None:
    common, both = one.intersect(other), one.union(other)
    assert common.area == len(_pixels(one) & _pixels(other))
    assert one.contains(common)
    assert both.contains(one)
    assert both.contains(other)


def _pixels(box: Box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box.x, box.right) for y in range(box.y, box.bottom)}
