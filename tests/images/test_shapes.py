"""Keyed shapes: their file, their motion, and the exactness of their edges."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from secondtake.errors import BadMatte
from secondtake_daemon.images import shapes
from secondtake_daemon.images.polygons import polygon_coverage

Floats = NDArray[np.float64]


def written(tmp_path: Path, *entries: object, size: tuple[int, int] = (40, 30), version: object = 1) -> Path:
    path = tmp_path / "matte.json"
    path.write_text(json.dumps({"version": version, "size": size, "shapes": entries}))
    return path


def drawn(tmp_path: Path, *entries: object, frame: int = 1, size: tuple[int, int] = (40, 30)) -> NDArray[np.float32]:
    coverage = shapes.rasterise(shapes.load(written(tmp_path, *entries, size=size)), frame)
    assert coverage.dtype == np.float32
    assert coverage.shape == (size[1], size[0])
    return coverage


def square(x: float, y: float, side: float, *, frame: int = 1, **more: object) -> dict[str, object]:
    points = [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]
    return {"frame": frame, "points": points, **more}


def polygon(*keys: object, **more: object) -> dict[str, object]:
    return {"kind": "polygon", "keys": keys, **more}


def sampled(points: Floats, width: int, height: int, per_pixel: int = 512) -> Floats:
    """Coverage by brute force: exact in x, sampled in y; an implementation of its own."""
    total = np.zeros((height, width))
    for line in range(height * per_pixel):
        y = (line + 0.5) / per_pixel
        hits = []
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if (y0 <= y) != (y1 <= y):
                hits.append((x0 + (x1 - x0) * (y - y0) / (y1 - y0), 1 if y0 < y1 else -1))
        winding, start = 0, 0.0
        for x, direction in sorted(hits):
            if winding != 0:
                low, high = np.arange(width), np.arange(width) + 1
                total[line // per_pixel] += np.clip(np.minimum(high, x) - np.maximum(low, start), 0, None)
            winding, start = winding + direction, x
    return total / per_pixel


@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(-3, 9), st.floats(-3, 9)), min_size=3, max_size=7),
    width=st.integers(1, 6),
    height=st.integers(1, 5),
)
@example(points=[(0.0, 0.0), (3e-283, 0.0), (-1.0, 1.0)], width=1, height=1)
def test_any_polygon_is_covered_exactly(points: list[tuple[float, float]], width: int, height: int) -> None:
    corners = np.array(points)
    coverage = polygon_coverage(corners, width=width, height=height)
    # Half a sampling line per level edge is the reference's own error, not ours.
    assert np.abs(coverage - sampled(corners, width, height)).max() < 1 / 255
    turned = polygon_coverage(corners[::-1].copy(), width=width, height=height)
    assert np.abs(coverage - turned).max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-20, 30), y=st.floats(-20, 30), width=st.floats(0.01, 40), height=st.floats(0.01, 40))
def test_rectangles_have_the_area_that_arithmetic_says(x: float, y: float, width: float, height: float) -> None:
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    coverage = polygon_coverage(corners, width=20, height=10)
    across = np.clip(np.minimum(np.arange(20) + 1, x + width) - np.maximum(np.arange(20), x), 0, None)
    down = np.clip(np.minimum(np.arange(10) + 1, y + height) - np.maximum(np.arange(10), y), 0, None)
    assert np.abs(coverage - np.outer(down, across)).max() < 3e-6


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([[0, 0], [8, 8], [8, 0], [0, 8]], 32.0),  # a bow tie
        ([[1, 1], [5, 1], [5, 5], [1, 5], [1, 1], [5, 1], [5, 5], [1, 5]], 16.0),  # drawn twice
        ([[2, 2], [4, 2], [6, 2]], 0.0),  # a line
        ([[3, 3], [3, 3], [3, 3]], 0.0),  # a point
        ([[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]], 64.0),  # far beyond the picture
    ],
)
def test_areas_of_odd_polygons(points: list[list[float]], area: float) -> None:
    corners = np.array(points, np.float64)
    coverage = polygon_coverage(corners, width=8, height=8)
    assert coverage.sum() == pytest.approx(area, abs=1e-4)


def test_pixel_centres_are_at_one_half(tmp_path: Path) -> None:
    coverage = drawn(tmp_path, polygon(square(3, 2, 1)))
    assert coverage[2, 3] == 1
    assert coverage.sum() == 1
    half = drawn(tmp_path, polygon(square(3.5, 2, 1)))
    assert half[2, 3:5].tolist() == [0.5, 0.5]


def test_what_is_outside_is_exactly_zero_and_inside_exactly_one(tmp_path: Path) -> None:
    points = [[5.3, 4.1], [30.7, 8.9], [20.2, 25.6]]
    coverage = drawn(tmp_path, polygon({"frame": 1, "points": points}))
    assert coverage[0:4].max() == 0
    assert coverage[26:].max() == 0
    assert coverage[12, 20] == 1
    assert ((coverage >= 0) & (coverage <= 1)).all()


def test_ellipses_turn_clockwise(tmp_path: Path) -> None:
    entry = {"kind": "ellipse", "keys": [{"frame": 1, "centre": [20, 15], "radii": [12, 3], "rotation_deg": 30}]}
    coverage = drawn(tmp_path, entry)
    assert coverage.sum() == pytest.approx(math.pi * 36, rel=1e-3)
    x, y = 20 + 11 * math.cos(math.radians(30)), 15 + 11 * math.sin(math.radians(30))
    assert coverage[int(y), int(x)] > 0.5
    assert coverage[int(30 - y), int(x)] == 0


def test_beziers_follow_their_handles(tmp_path: Path) -> None:
    k = 4 / 3 * (math.sqrt(2) - 1) * 10
    corners = [(20, 5, k, 0), (30, 15, 0, k), (20, 25, -k, 0), (10, 15, 0, -k)]
    points = [{"at": [x, y], "in": [-dx, -dy], "out": [dx, dy]} for x, y, dx, dy in corners]
    circle = drawn(tmp_path, {"kind": "bezier", "keys": [{"frame": 1, "points": points}]})
    truth = drawn(tmp_path, {"kind": "ellipse", "keys": [{"frame": 1, "centre": [20, 15], "radii": [10, 10]}]})
    # Four cubics are a circle up to 0.03 %.
    assert np.abs(circle - truth).max() < 0.006
    straight = [{"at": [x, y]} for x, y, _, _ in corners]
    diamond = drawn(tmp_path, {"kind": "bezier", "keys": [{"frame": 1, "points": straight}]})
    assert diamond.sum() == pytest.approx(200, abs=1e-3)


def test_between_keys_everything_moves_linearly_and_outside_it_stays(tmp_path: Path) -> None:
    keys = [square(2, 2, 4, frame=11, opacity=1.0), square(12, 2, 4, frame=21, opacity=0.5)]
    assert np.array_equal(drawn(tmp_path, polygon(*keys), frame=1), drawn(tmp_path, polygon(*keys), frame=11))
    middle = drawn(tmp_path, polygon(*keys), frame=16)
    assert np.allclose(middle, 0.75 * drawn(tmp_path, polygon(square(7, 2, 4))))
    assert np.array_equal(drawn(tmp_path, polygon(*keys), frame=99), drawn(tmp_path, polygon(*keys), frame=21))


def test_a_held_key_stays_until_the_next(tmp_path: Path) -> None:
    keys = [square(2, 2, 4, frame=1, hold=True), square(12, 2, 4, frame=11)]
    assert np.array_equal(drawn(tmp_path, polygon(*keys), frame=10), drawn(tmp_path, polygon(*keys), frame=1))
    assert drawn(tmp_path, polygon(*keys), frame=11)[3, 13] == 1


def test_shapes_add_subtract_intersect_and_invert(tmp_path: Path) -> None:
    left, right = polygon(square(0, 0, 10)), polygon(square(5, 0, 10))
    both = drawn(tmp_path, left, right)
    assert both.sum() == 150
    assert drawn(tmp_path, left, {**right, "mode": "subtract"}).sum() == 50
    assert drawn(tmp_path, left, {**right, "mode": "intersect"}).sum() == 50
    assert drawn(tmp_path, {**left, "invert": True}).sum() == 40 * 30 - 100
    assert drawn(tmp_path, {**left, "mode": "subtract"}).sum() == 0


def test_feather_goes_inward_only(tmp_path: Path) -> None:
    hard = drawn(tmp_path, polygon(square(5, 5, 20)))
    soft = drawn(tmp_path, polygon(square(5, 5, 20, feather_px=3)))
    assert np.array_equal(soft > 0, hard > 0)
    assert soft[15, 5:10].tolist() == [0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (polygon({"frame": 1, "points": [[0, 0], [1, 1]]}), "length >= 3"),
        (polygon(), "length >= 1"),
        (polygon(square(0, 0, 1), square(0, 0, 1, frame=1)), "not in the order of their frames"),
        (
            polygon(square(0, 0, 1), {"frame": 2, "points": [[0, 0], [1, 1], [2, 0]]}),
            "unequal numbers of points: 3 and 4",
        ),
        (polygon({"frame": 1, "points": [[0, 0], [1, 1], [1e300, 0]]}), "<= 1000000"),
        (polygon(square(0, 0, 1, opacity=1.5)), "<= 1.0"),
        (polygon(square(0, 0, 1, feather=2)), "unknown field `feather`"),
        ({"kind": "blob", "keys": []}, "Invalid value 'blob'"),
        ({"kind": "ellipse", "keys": [{"frame": 1, "centre": [1, 1], "radii": [0, 1]}]}, "> 0.0"),
        (polygon(square(0, 0, 1), mode="multiply"), "multiply"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong(tmp_path: Path, entry: object, words: str) -> None:
    path = written(tmp_path, entry)
    with pytest.raises(BadMatte) as caught:
        shapes.load(path)
    assert words in caught.value.message
    assert caught.value.remedy
    assert caught.value.path == str(path)


def test_what_is_not_our_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "matte.json"
    for raw in (b"", b"\x00\xff", b"[]", b'{"version":1', b"[" * 100_000, b'{"version":1,"size":[1,1],"shapes":[]}'):
        path.write_bytes(raw)
        with pytest.raises(BadMatte):
            shapes.load(path)
    with pytest.raises(BadMatte, match="version"):
        shapes.load(written(tmp_path, polygon(square(0, 0, 1)), version=2))
    with pytest.raises(BadMatte, match="no such file"):
        shapes.load(tmp_path / "none.json")


def test_the_example_of_the_documentation_is_true(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "mattes.md").read_text(encoding="utf-8")
    path = tmp_path / "matte.json"
    path.write_text(text.split("```json")[1].split("```")[0])
    file = shapes.load(path)
    assert [type(shape).__name__ for shape in file.shapes] == ["Bezier", "Ellipse"]
    coverage = shapes.rasterise(file, 1012)
    assert coverage.shape == (1080, 1920)
    assert coverage[520, 960] == 0
    assert coverage[560, 960] == 1


def test_a_tangle_is_refused_before_it_costs_minutes() -> None:
    tangle = np.random.default_rng(3).uniform(0, 100, (4_096, 2))
    with pytest.raises(BadMatte, match="crosses itself too often"):
        polygon_coverage(tangle, width=100, height=100)
