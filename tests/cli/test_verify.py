"""`verify` finds every single thing that could be wrong with a take, and nothing when nothing is."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import OpenEXR
import pytest
from blake3 import blake3

from secondtake.errors import BadMatte, MissingFrames, NotFound, ProofFailed
from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Operation, Phase
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.verify import verify

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, bits, write_shot

FRAMES = [1001, 1002]
LAYOUTS = {
    "half rgb": Layout(),
    "aovs": Layout(channels=("R", "G", "B", "A", "Z", "diffuse.R"), floats=("Z",)),
    "overscan": Layout(width=60, height=50, data_min=(-10, -10), display=(40, 30)),
    "layer": Layout(channels=("beauty.R", "beauty.G", "beauty.B", "matte.A")),
    "lossy": Layout(compression=OpenEXR.DWAA_COMPRESSION),
    "tiled": Layout(tiled=True),
    "two parts": Layout(extra_part=True),
}


SHAPES = """{"version": 1, "size": [40, 30], "shapes": [{"kind": "polygon", "keys": [
  {"frame": 1001, "points": [[7, 5], [20, 5.5], [12, 14]]}]}]}"""


class Silent:
    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


def make_take(root: Path, layout: Layout, *, matte: str = "") -> FixResult:
    plate, sequence = write_shot(root, layout, FRAMES)
    request = FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=plate,
        matte=matte or sequence,
        out=str(root / "out"),
        operation=Operation.REMOVE,
        engine="standin",
        grow_px=1,
    )
    folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 30)
    return render_fix(request, take="tabc123", folders=folders, report=Silent())


def rewrite(path: Path, change: Callable[[list[OpenEXR.Part]], None]) -> None:
    """Decode a file, change it, write it again."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        parts = [
            OpenEXR.Part(dict(part.header), {name: np.array(one.pixels) for name, one in part.channels.items()})
            for part in file.parts
        ]
    change(parts)
    OpenEXR.File(parts).write(str(path))


def flip(channel: str, x: int, y: int, *, part: int = 0) -> Callable[[list[OpenEXR.Part]], None]:
    """Change the last bit of one sample; x and y count from the data window's corner."""

    def change(parts: list[OpenEXR.Part]) -> None:
        bits(parts[part].channels[channel].pixels)[y, x] ^= 1

    return change


def reseal(folder: Path) -> None:
    """Record the files as they are now, as somebody would who wants to hide a change."""
    manifest = load(folder)
    frames = tuple(
        msgspec.structs.replace(frame, digest=blake3((folder / frame.file).read_bytes()).hexdigest())
        for frame in manifest.frames
    )
    text = msgspec.json.encode(msgspec.structs.replace(manifest, frames=frames))
    (folder / "take.json").write_bytes(text)
    assert msgspec.json.decode(text, type=Manifest).frames == frames


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_true_take_holds(tmp_path: Path, name: str) -> None:
    result = make_take(tmp_path, LAYOUTS[name])
    seen: list[int] = []
    found = verify(tmp_path / "out", on_frame=seen.append)
    assert [check.problems for check in found.frames] == [(), ()]
    assert found.holds
    found.require()
    # Counted by other code from another library's samples, and the same.
    assert found.outside_samples == result.proof.outside_samples > 0
    assert found.inside_samples == result.proof.inside_samples > 0
    assert found.outside_changed == 0
    assert seen == FRAMES


@pytest.mark.parametrize("kind", ["held.exr", "held.png", "cropped.exr", "shapes.json"])
def test_every_kind_of_matte_is_derived_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    plane = np.zeros((30, 40), np.float32)
    plane[5:12, 7:20] = 0.5
    if kind == "held.png":
        cv2.imwrite(str(path), (plane * 255).astype(np.uint8))
    elif kind == "shapes.json":
        path.write_text(SHAPES)
    else:
        header = {"type": OpenEXR.scanlineimage}
        if kind == "cropped.exr":
            header["dataWindow"] = (np.array([4, 3], np.int32), np.array([35, 25], np.int32))
            header["displayWindow"] = (np.array([0, 0], np.int32), np.array([39, 29], np.int32))
            plane = plane[3:26, 4:36]
        OpenEXR.File(header, {"id.A": np.ascontiguousarray(plane)}).write(str(path))
    result = make_take(tmp_path, Layout(), matte=str(path))
    found = verify(tmp_path / "out")
    assert [check.problems for check in found.frames] == [(), ()]
    assert found.inside_samples == result.proof.inside_samples > 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_flipped_bit_is_found_even_if_the_manifest_was_forged(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    result = make_take(tmp_path, layout)
    channel = layout.channels[0]
    rewrite(Path(result.files[1]), flip(channel, 3, 2))
    reseal(tmp_path / "out")
    found = verify(tmp_path / "out")
    assert not found.holds
    assert found.outside_changed == 1
    first = found.frames[1].first
    assert first is not None
    x, y = layout.data_min
    assert (first.frame, first.part, first.channel, first.x, first.y) == (1002, 0, channel, 3 + x, 2 + y)
    assert int(first.plate_bits, 16) ^ int(first.take_bits, 16) == 1
    with pytest.raises(ProofFailed, match=f"Frame 1002: channel {channel} at x {3 + x}, y {2 + y}") as error:
        found.require()
    assert error.value.path == result.files[1]


def test_channels_and_parts_that_are_not_edited_may_change_nowhere(tmp_path: Path) -> None:
    layout = Layout(channels=("R", "G", "B", "A"), extra_part=True)
    result = make_take(tmp_path, layout)
    inside = (15, 10)
    rewrite(Path(result.files[0]), flip("G", *inside))
    reseal(tmp_path / "out")
    assert verify(tmp_path / "out").holds
    rewrite(Path(result.files[0]), flip("A", *inside))
    rewrite(Path(result.files[1]), flip("Z", *inside, part=1))
    reseal(tmp_path / "out")
    found = verify(tmp_path / "out")
    places = [(check.first.part, check.first.channel) for check in found.frames if check.first]
    assert places == [(0, "A"), (1, "Z")]


def test_a_file_that_is_not_the_recorded_one(tmp_path: Path) -> None:
    result = make_take(tmp_path, Layout())
    rewrite(Path(result.files[0]), flip("G", 15, 10))
    found = verify(tmp_path / "out")
    assert found.frames[0].problems == ("Frame 1001 is not the file that was recorded",)
    assert found.frames[1].problems == ()


def test_a_changed_attribute(tmp_path: Path) -> None:
    result = make_take(tmp_path, Layout())

    def change(parts: list[OpenEXR.Part]) -> None:
        parts[0].header["shotNote"] = "forged"

    rewrite(Path(result.files[0]), change)
    reseal(tmp_path / "out")
    assert verify(tmp_path / "out").frames[0].problems == ("Frame 1001: its attribute 'shotNote' is not the plate's",)


def test_another_compression_counts_only_where_the_plate_was_lossless(tmp_path: Path) -> None:
    result = make_take(tmp_path, Layout())

    def change(parts: list[OpenEXR.Part]) -> None:
        parts[0].header["compression"] = OpenEXR.PIZ_COMPRESSION

    rewrite(Path(result.files[0]), change)
    reseal(tmp_path / "out")
    assert verify(tmp_path / "out").frames[0].problems == ("Frame 1001: its compression is piz, the plate's zip",)


def test_a_changed_plate(tmp_path: Path) -> None:
    make_take(tmp_path, Layout())
    rewrite(tmp_path / "plate" / "sh.1002.exr", flip("R", 1, 1))
    with pytest.raises(ProofFailed, match="Frame 1002 of the plate changed on disk since the take was made") as error:
        verify(tmp_path / "out").require()
    assert error.value.path.endswith("sh.1002.exr")


def test_a_changed_matte(tmp_path: Path) -> None:
    make_take(tmp_path, Layout())
    matte = tmp_path / "matte" / "m.1001.exr"

    def change(parts: list[OpenEXR.Part]) -> None:
        parts[0].channels["Y"].pixels[0, 0] = 1

    rewrite(matte, change)
    problems = verify(tmp_path / "out").frames[0].problems
    assert problems == ("The matte of frame 1001 is not the one the take was made with",)
    rewrite(matte, lambda parts: parts[0].channels["Y"].pixels.fill(np.nan))
    with pytest.raises(BadMatte, match="not finite"):
        verify(tmp_path / "out")


def test_a_broken_or_missing_frame_of_the_take(tmp_path: Path) -> None:
    result = make_take(tmp_path, Layout())
    first, second = map(Path, result.files)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    found = verify(tmp_path / "out")
    assert found.frames[0].problems == ("Frame 1001 is gone",)
    assert found.frames[1].problems[0] == "Frame 1002 is not the file that was recorded"
    assert found.frames[1].problems[1].startswith("Frame 1002 cannot be read any more")
    with pytest.raises(ProofFailed, match=r"2 of 2 frames have problems"):
        found.require()


@pytest.mark.parametrize(("gone", "kind"), [("plate/sh.1001.exr", MissingFrames), ("matte/m.1001.exr", Exception)])
def test_without_plate_or_matte_nothing_can_be_said(tmp_path: Path, gone: str, kind: type[Exception]) -> None:
    make_take(tmp_path, Layout())
    (tmp_path / gone).unlink()
    with pytest.raises(kind) as error:
        verify(tmp_path / "out")
    assert error.value.exit_status == 12  # type: ignore[attr-defined]


def test_no_take_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no take here"):
        verify(tmp_path)
