"""Names, editions, colours, masks, tags and forms: plain values in, plain values out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import PyOpenColorIO
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.images.shapes import load, rasterise
from secondtake_resolve import colours
from secondtake_resolve.clip import ClipId, Route
from secondtake_resolve.editions import detect
from secondtake_resolve.form import Field, Form
from secondtake_resolve.form_text import read_text, write_choice, write_text
from secondtake_resolve.manual import find_order, lua_text
from secondtake_resolve.masks import CurvePoint, MaskAt, keyed_shapes
from secondtake_resolve.ranges import AbsoluteFrame, Range, SourceFrame
from secondtake_resolve.refusal import Refusal
from secondtake_resolve.sequence import kind_of, parse_sequence, printf_pattern, safe_name
from secondtake_resolve.tags import Tag, parse_tag


@pytest.mark.parametrize(
    ("path", "pattern", "first", "last"),
    [
        ("/show/sh010.[1001-1048].exr", "/show/sh010.####.exr", 1001, 1048),
        ("/a b/é[1]_[0098-0102].dpx", "/a b/é[1]_####.dpx", 98, 102),
        ("C:\\x\\p.[00000000-00000007].exr", "C:\\x\\p.########.exr", 0, 7),
    ],
)
def test_sequences_as_resolve_writes_them(path: str, pattern: str, first: int, last: int) -> None:
    found = parse_sequence(path)
    assert found is not None
    assert (found.pattern, found.first, found.last) == (pattern, first, last)


@pytest.mark.parametrize("path", ["/show/a.mov", "/show/[1001-1048]/a.mov", "/a.[9-1].exr", "", "/a.[1001-1048]"])
def test_what_is_no_sequence(path: str) -> None:
    assert parse_sequence(path) is None


def test_names() -> None:
    assert printf_pattern("/a#b/sh.####.exr") == "/a#b/sh.%04d.exr"
    assert printf_pattern("sh.t3.%04d.exr") == "sh.t3.%04d.exr"
    assert safe_name("Führung: 3/4 *?") == "Führung_3_4"
    assert safe_name("///") == "shot"
    assert [kind_of(name) for name in ("a.EXR", "b.mov", "c.braw", "d.R3D", "e")] == ["picture", "movie", "", "", ""]


@pytest.mark.parametrize(
    ("product", "version", "has_panel", "words"),
    [
        ("DaVinci Resolve Studio", [21, 1, 0, 3, ""], True, "everything goes"),
        ("DaVinci Resolve Studio", [18, 5, 0, 0, ""], True, "everything goes"),
        ("DaVinci Resolve", [18, 6, 6, 0, ""], True, "the panel"),
        ("DaVinci Resolve", [19, 1, 3, 7, ""], False, "plain windows"),
        ("DaVinci Resolve", [21, 0, 4, 7, ""], False, "plain windows"),
        ("DaVinci Resolve", [21, 1, 0, 7, ""], False, "no Python"),
    ],
)
def test_editions(product: str, version: list[object], has_panel: bool, words: str) -> None:
    found = detect(product=product, version=version)
    assert found.has_panel is has_panel
    assert words in found.words
    assert "\n" not in found.words


@pytest.mark.parametrize(("product", "version"), [("Fusion", [21, 0, 0]), ("", []), ("DaVinci Resolve", [18, 1, 0])])
def test_what_is_no_resolve_or_too_old(product: str, version: list[object]) -> None:
    with pytest.raises(Refusal):
        detect(product=product, version=version)


def test_the_studio_flag_counts_more_than_the_name() -> None:
    assert detect(product="DaVinci Resolve", version=[21, 1, 0], is_studio=True).is_studio


def test_colour_names_are_the_daemons() -> None:
    config = PyOpenColorIO.Config.CreateFromBuiltinConfig("studio-config-v4.0.0_aces-v2.0_ocio-v2.5")
    assert all(config.getCanonicalName(name) for name in colours._NAMES.values())


def test_an_unmanaged_project_names_no_space() -> None:
    unmanaged = {"colorScienceMode": "davinciYRGB", "colorSpaceOutput": "Rec.709 Gamma 2.4"}
    assert colours.render_colourspace(unmanaged, asked="") == ""
    managed = {**unmanaged, "colorScienceMode": "davinciYRGBColorManagedv2"}
    assert colours.render_colourspace(managed, asked="") == "Gamma 2.4 Encoded Rec.709"
    assert colours.render_colourspace(managed, asked="ACEScg") == "ACEScg"
    split = {
        **managed,
        "separateColorSpaceAndGamma": "1",
        "colorSpaceOutput": "Rec.709",
        "colorSpaceOutputGamma": "Gamma 2.2",
    }
    assert colours.render_colourspace(split, asked="") == "Gamma 2.2 Encoded Rec.709"


SIZE = (160, 90)


def drawn(*masks: MaskAt) -> dict[str, object]:
    return keyed_shapes([masks], first=SourceFrame(1001), size_px=SIZE)


def test_a_rectangle_lies_where_fusion_draws_it() -> None:
    shapes = drawn(MaskAt("FIX_a", "RectangleMask", centre=(0.25, 0.5), width=0.25, height=0.125))
    points = shapes["shapes"][0]["keys"][0]["points"]  # type: ignore[index]
    assert points == [[20.0, 35.0], [60.0, 35.0], [60.0, 55.0], [20.0, 55.0]]


def test_a_turned_rectangle_turns_the_other_way_round_with_y_down() -> None:
    shapes = drawn(MaskAt("FIX_a", "RectangleMask", width=0.5, height=0.25, angle_deg=30.0))
    points = np.array(shapes["shapes"][0]["keys"][0]["points"], np.float32)  # type: ignore[index]
    right_edge = points[1:3].mean(axis=0) - np.array([80.0, 45.0])
    assert right_edge[0] > 0
    assert right_edge[1] < 0  # counter-clockwise: its right side goes up
    (_, _), sides, _ = cv2.minAreaRect(points)
    assert sorted(sides) == pytest.approx([40.0, 80.0], abs=1e-3)


def test_outlines_keep_their_handles() -> None:
    points = (CurvePoint((0.25, 0.25), (-0.1, 0.0), (0.1, 0.2)), CurvePoint((0.5, 0.75)))
    (shape,) = drawn(MaskAt("FIX_a", "PolylineMask", points=points))["shapes"]  # type: ignore[misc]
    assert shape["kind"] == "bezier"
    assert shape["keys"][0]["points"][0] == {"at": [40.0, 67.5], "in": [-16.0, 0.0], "out": [16.0, -18.0]}


def test_frames_without_change_have_no_keys() -> None:
    at = [
        MaskAt("FIX_a", "EllipseMask", centre=(x, 0.5), width=0.5, height=0.5) for x in (0.1, 0.1, 0.1, 0.2, 0.3, 0.3)
    ]
    (shape,) = drawn(*at)["shapes"]  # type: ignore[misc]
    assert [key["frame"] for key in shape["keys"]] == [1001, 1003, 1004, 1005]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=12))
def test_leaving_keys_out_changes_no_frame(places: list[float]) -> None:
    at = [MaskAt("FIX_a", "EllipseMask", centre=(x, 0.5), width=0.5, height=0.5) for x in places]
    (shape,) = drawn(*at)["shapes"]  # type: ignore[misc]
    frames = [key["frame"] for key in shape["keys"]]
    for number, x in enumerate(places, start=1001):
        assert np.interp(number, frames, [key["centre"][0] for key in shape["keys"]]) == pytest.approx(x * 160)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([MaskAt("b", "BitmapMask")], "cannot be read as a shape"),
        ([MaskAt("b", "EllipseMask")], "no area"),
        ([MaskAt("b", "PolylineMask")], "no outline"),
        ([MaskAt("b", "EllipseMask", width=1, height=1, oddities=("a border",))], "a border"),
        ([MaskAt("b", "EllipseMask", width=float("nan"), height=1)], "no area"),
        ([MaskAt("b", "EllipseMask", width=1, height=1, centre=(float("inf"), 0))], "no number"),
        (
            [
                MaskAt("b", "EllipseMask", width=1, height=1),
                MaskAt("b", "EllipseMask", width=1, height=1, is_inverted=True),
            ],
            "inverted in some frames",
        ),
        (
            [MaskAt("b", "PolylineMask", points=(CurvePoint((0, 0)),) * n) for n in (3, 4)],
            "same points",
        ),
    ],
)
def test_masks_that_cannot_be_said(masks: list[MaskAt], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        drawn(*masks)


def test_shapes_are_what_the_daemon_draws(tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps(drawn(MaskAt("FIX_a", "EllipseMask", centre=(0.25, 0.75), width=0.25, height=0.125))))
    plane = rasterise(load(path), 1001)
    ys, xs = np.nonzero(plane > 0.5)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (20, 59, 13, 31)
    shapes = drawn(
        MaskAt(
            "FIX_a", "EllipseMask", centre=(0.2, 0.4), width=0.25, height=0.5, angle_deg=20, soft_edge=0.02, level=0.5
        ),
    )
    shapes["shapes"] += drawn(MaskAt("r", "RectangleMask", width=0.2, height=0.1, is_inverted=True))["shapes"]  # type: ignore[operator]
    shapes["shapes"] += drawn(MaskAt("p", "PolylineMask", points=(CurvePoint((0, 0)), CurvePoint((1, 1)))))["shapes"]  # type: ignore[operator]
    path.write_text(json.dumps(shapes))
    assert len(load(path).shapes) == 3


def test_tags_come_back_whole_and_strangers_notes_are_none() -> None:
    target = ClipId("t", "i", "m", Range(AbsoluteFrame(86400), AbsoluteFrame(86408)), 4, 2)
    tag = Tag(shot="sh é", take="t1", job="j", route=Route.RENDER, target=target, made_track=True)
    assert parse_tag(tag.text()) == tag
    for text in ("", "{}", "[1]", "null", '{"secondtake":2}', '{"secondtake":1,"target":3}', tag.text()[:-1], "x" * 9):
        assert parse_tag(text) is None


def test_a_form_as_a_text_reads_back() -> None:
    form = Form("Fix a", ("one", "two"), (Field("operation", "Do", "remove", ("remove",)), Field("instruction", "Say")))
    text = write_text(form)
    assert read_text(text) == ("", {"operation": "remove", "instruction": ""})
    filled = text.replace("instruction = ", "instruction = gone = all").replace("send = ", "send = YES")
    assert read_text(filled) == ("yes", {"operation": "remove", "instruction": "gone = all"})
    assert read_text(write_choice("Which?\nReally?", ["a", "b"]).rstrip("\n") + "2")[0] == "2"


def test_a_folder_is_an_order_once_it_is_whole(tmp_path: Path) -> None:
    assert find_order(tmp_path) is None
    for number in (1, 2, 4):
        (tmp_path / f"cut{number:08d}.exr").touch()
    (tmp_path / "instruction.txt").write_text("replace\ncolourspace ACEScg\na red door\n")
    (tmp_path / "matte").mkdir()
    (tmp_path / "matte" / "m.0001.png").touch()
    assert find_order(tmp_path) is None  # frame 3 is not there yet
    (tmp_path / "cut00000003.exr").touch()
    order = find_order(tmp_path)
    assert order is not None
    assert order.plate == str(tmp_path / "cut########.exr")
    assert order.matte == str(tmp_path / "matte" / "m.####.png")
    assert (order.first, order.last, order.operation, order.instruction) == (1, 4, "replace", "a red door")
    assert order.colourspace == "ACEScg"
    (tmp_path / "other0001.exr").touch()
    with pytest.raises(Refusal, match="more than one"):
        find_order(tmp_path)
    from secondtake_resolve.flow_bring_back import Result

    text = lua_text(Result("j", "t", 'C:\\a "b"', "s.t.%08d.exr", (1,)), order, shot="s")
    assert 'pattern = "C:\\\\a \\"b\\"/s.t.%08d.exr", first = 1, last = 4' in text
