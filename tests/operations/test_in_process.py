"""Restyle, extend and generate with the stand-in engine, in this process: what is written, and what is proved."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot
from in_process import HEIGHT, WIDTH, Studio, header, planes, write_depth, write_picture, write_plate

from secondtake.errors import BadInput, SecondTakeError
from secondtake.messages import ControlKind, Operation, Reference
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.takes.manifest import load
from secondtake_daemon.verify import verify


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_restyle_changes_the_whole_frame_and_nothing_but_its_picture(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1005))
    made = studio.make(Operation.RESTYLE, plate=plate)
    assert made.frames == (1001, 1002, 1003, 1004)
    assert made.proof.inside_samples == 4 * 3 * WIDTH * HEIGHT
    assert made.proof.outside_samples == 4 * 2 * WIDTH * HEIGHT
    for frame, file in zip(made.frames, made.files, strict=True):
        before, after = planes(tmp_path / "plate" / f"sh010.{frame}.exr"), planes(file)
        assert before["Z"].tobytes() == after["Z"].tobytes()
        assert before["A"].tobytes() == after["A"].tobytes()
        assert (after["R"] == after["R"][0, 0]).all()
    assert load(Path(made.manifest)).matte.whole == "1001-1004"
    assert verify(Path(made.manifest)).holds


def test_extend_keeps_the_plate_and_adds_whole_frames(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1005))
    made = studio.make(Operation.EXTEND, plate=plate, frames="999-1007")
    manifest = load(Path(made.manifest))
    assert made.frames == tuple(range(999, 1008))
    assert manifest.plate.added == manifest.matte.whole == "999-1000,1005-1007"
    assert [record.frame for record in manifest.frames if record.added] == [999, 1000, 1005, 1006, 1007]
    for frame, file in zip(made.frames, made.files, strict=True):
        if 1001 <= frame <= 1004:
            assert Path(file).read_bytes() == (tmp_path / "plate" / f"sh010.{frame}.exr").read_bytes()
        else:
            assert set(planes(file)) == {"R", "G", "B", "A", "Z"}
            assert (planes(file)["A"] == 1).all()
            assert (planes(file)["R"] > 0).all()
    assert made.proof.outside_samples == 4 * 5 * WIDTH * HEIGHT
    assert made.proof.inside_samples == 5 * 3 * WIDTH * HEIGHT
    found = verify(Path(made.manifest))
    assert found.holds
    assert (found.outside_samples, found.inside_samples) == (made.proof.outside_samples, made.proof.inside_samples)


def test_generate_makes_a_shot(studio: Studio) -> None:
    made = studio.make(Operation.GENERATE, width_px=96, height_px=64, fps=23.976, frames="1001-1006")
    assert made.frames == tuple(range(1001, 1007))
    assert made.proof.outside_samples == 0
    first = header(made.files[0])
    assert str(first["framesPerSecond"]) == "24000/1001"
    assert first["colorInteropID"] == "lin_rec709_scene"
    assert planes(made.files[0])["R"].shape == (64, 96)
    assert planes(made.files[0])["R"].dtype == np.float16
    assert verify(Path(made.manifest)).holds


def test_the_same_again_and_after_the_empty_frames_went(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1004))
    first = studio.make(Operation.EXTEND, plate=plate, frames="1001-1008", engine_options={"mode": "noise"})
    for path in (tmp_path / "cache" / "movies").glob("*.blank/*.exr"):
        path.write_bytes(b"damaged")
    second = studio.make(Operation.EXTEND, plate=plate, frames="1001-1008", engine_options={"mode": "noise"})
    assert [Path(file).read_bytes() for file in first.files] == [Path(file).read_bytes() for file in second.files]
    assert verify(Path(first.manifest)).holds


def test_a_take_on_a_longer_take_and_a_longer_take_on_a_take(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1005))
    longer = studio.make(Operation.EXTEND, plate=plate, frames="1001-1006")
    under = str(Path(longer.files[0]).parent / f"sh010.{longer.take}.%04d.exr")
    on = studio.make(Operation.RESTYLE, plate=under, parent=longer.take, instruction="again")
    assert on.frames == longer.frames
    assert verify(Path(on.manifest)).holds
    above = str(Path(on.files[0]).parent / f"sh010.{on.take}.%04d.exr")
    more = studio.make(Operation.EXTEND, plate=above, parent=on.take, frames="999-1006")
    assert [record.frame for record in load(Path(more.manifest)).frames if record.added] == [999, 1000]
    assert more.line_proof is not None
    assert more.line_proof.outside_changed == 0
    found = verify(Path(more.manifest))
    assert found.holds, [check.problems for check in found.frames]


def test_a_movie_goes_on(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for at in range(4):
            picture = np.full((48, 64, 3), 40 * at, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    colour = "Rec.1886 Rec.709 - Display"
    made = studio.make(Operation.EXTEND, plate=str(path), frames="-1-6", colourspace=colour)
    assert made.frames == tuple(range(-1, 7))
    assert load(Path(made.manifest)).plate.added == "-1-0,5-6"
    assert str(header(made.files[-1])["framesPerSecond"]) == "25"
    assert verify(Path(made.manifest)).holds


def test_luminance_and_overscan_go_on(studio: Studio, tmp_path: Path) -> None:
    layout = Layout(width=60, height=50, data_min=(-10, -10), display=(40, 30), channels=("Y",), extra_part=True)
    plate, _ = write_shot(tmp_path, layout, [7, 8])
    made = studio.make(Operation.EXTEND, plate=plate, frames="7-10")
    assert made.proof.outside_changed == 0
    assert verify(Path(made.manifest)).holds


BAD: dict[str, tuple[Operation, dict[str, Any], str]] = {
    "generate with a plate": (Operation.GENERATE, {"plate": "/p/a.####.exr"}, "takes no plate"),
    "generate with a matte": (Operation.GENERATE, {"matte": "/m.exr"}, "makes whole frames"),
    "generate without a rate": (Operation.GENERATE, {"fps": 0.0}, "how fast"),
    "generate nothing": (Operation.GENERATE, {"frames": ""}, "which frames"),
    "generate with gaps": (Operation.GENERATE, {"frames": "1-4,9"}, "gaps"),
    "generate a dot": (Operation.GENERATE, {"width_px": 3}, "cannot be made"),
    "generate a wall": (Operation.GENERATE, {"height_px": 90_000}, "cannot be made"),
    "generate along nothing": (Operation.GENERATE, {"control_kind": ControlKind.DEPTH}, "belong together"),
    "generate along what": (Operation.GENERATE, {"control": "/z.####.exr"}, "belong together"),
    "extend inside a matte": (Operation.EXTEND, {"plate": "/p.####.exr", "matte": "/m.exr"}, "whole frames"),
    "restyle nothing": (Operation.RESTYLE, {}, "no plate"),
    "replace everything": (Operation.REPLACE, {"plate": "/p.####.exr"}, "no matte"),
    "a size for a plate": (Operation.RESTYLE, {"plate": "/p.####.exr", "width_px": 64}, "from the plate"),
    "a pose of the plate": (
        Operation.RESTYLE, {"plate": "/p.####.exr", "control_kind": ControlKind.POSE}, "No pose can be made",
    ),
    "follow what": (Operation.RESTYLE, {"plate": "/p.####.exr", "control": "/z.####.exr"}, "not said what"),
    "nine looks": (
        Operation.RESTYLE, {"plate": "/p.####.exr", "references": (Reference(path="/a.png"),) * 9}, "8 pictures",
    ),
    "no whole frames": (Operation.RESTYLE, {
        "plate": "/p.####.exr", "engine": "temporal", "references": (Reference(path="/a.png", frame=1),),
    }, "needs a matte"),
    "cannot follow": (Operation.RESTYLE, {
        "plate": "/p.####.exr", "matte": "/m.exr", "engine": "temporal", "control_kind": ControlKind.GREY,
        "references": (Reference(path="/a.png", frame=1),),
    }, "cannot follow grey"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_sense_is_refused_before_it_is_queued(studio: Studio, name: str) -> None:
    operation, values, said = BAD[name]
    usual = {"width_px": 64, "height_px": 48, "fps": 24.0, "frames": "1-4"} if operation is Operation.GENERATE else {}
    with pytest.raises(SecondTakeError, match=said) as refused:
        Catalogue(None).check_request(studio.request(operation, **{**usual, **values}))
    assert refused.value.remedy


@pytest.mark.parametrize(("width", "height"), [(8, 8), (200, 20)])
def test_a_look_of_an_impossible_size(studio: Studio, tmp_path: Path, width: int, height: int) -> None:
    plate = write_plate(tmp_path / "plate", range(1, 3))
    look = write_picture(tmp_path / "look.exr", width=width, height=height)
    with pytest.raises(BadInput, match=f"A picture of {width} × {height} pixels cannot show"):
        studio.make(Operation.RESTYLE, plate=plate, references=(Reference(path=str(look)),))
    assert not (tmp_path / "take0").exists()


def test_depth_of_another_shape_or_without_some_frames(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1, 4))
    depth = write_depth(tmp_path / "z", range(1, 3), height=WIDTH)
    follow = {"plate": plate, "control": depth, "control_kind": ControlKind.DEPTH}
    with pytest.raises(BadInput, match="lack 3"):
        studio.make(Operation.RESTYLE, **follow)
    with pytest.raises(BadInput, match="is 64 × 64, the plate 64 × 48"):
        studio.make(Operation.RESTYLE, **follow, frames="1-2")


def test_extend_by_nothing(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1, 4))
    for frames in ("", "1-3", "2-3"):
        with pytest.raises(BadInput, match="extends it by none"):
            studio.make(Operation.EXTEND, plate=plate, frames=frames)


def test_a_new_frame_is_proved_by_itself(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1003))
    made = studio.make(Operation.EXTEND, plate=plate, frames="1001-1004")
    shutil.rmtree(tmp_path / "cache")
    assert verify(Path(made.manifest)).holds, "the empty frames in the cache are not needed for it"
    write_plate(tmp_path / "other", range(1004, 1005))
    shutil.copyfile(tmp_path / "other" / "sh010.1004.exr", made.files[-1])
    found = verify(Path(made.manifest))
    assert [check.frame for check in found.frames if check.problems] == [1004]
    assert "not the file that was recorded" in found.frames[-1].problems[0]
