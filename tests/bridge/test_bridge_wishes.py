"""Without a plate, along pictures to follow, beyond the plate: what a host may ask for besides a fix in a matte."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from hosts import host, make_shot, new_job

from secondtake.errors import UsageError
from secondtake.home import Home
from secondtake.messages import FixRequest
from secondtake_daemon.bridge.questions import KINDS, Survey
from secondtake_daemon.bridge.requests import request_of
from secondtake_daemon.bridge.wishes import require_sendable

WIDTH, HEIGHT = 48, 36
FOLLOWED = {"engine": "standin", "engine_options": {"mode": "followed"}}
ASKED: dict[str, Any] = {"job": "a" * 32, "out": "/s/out", "engine": "vace", "instruction": "fog"}
NEW = {**ASKED, "operation": "generate", "size": [64, 48], "fps": 24, "frames": "1-4"}
PLATE = {**ASKED, "plate": "/s/sh.####.exr"}


def write_depth(folder: Path, frames: range) -> str:
    """A slope that comes nearer, 2 to 20 m."""
    folder.mkdir()
    for frame in frames:
        z = np.tile(np.linspace(20, 2 + 0.1 * (frame - frames[0]), WIDTH, dtype=np.float32), (HEIGHT, 1))
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"View.Depth.Z": z}).write(str(folder / f"z.{frame:04d}.exr"))
    return str(folder / "z.####.exr")


def picture(path: Path) -> NDArray[np.float16]:
    """(h, w, 3)."""
    pixels: NDArray[np.float16] = OpenEXR.File(str(path)).channels()["RGB"].pixels
    return pixels


def test_generate_without_a_plate_lands_frames(home: Path, tmp_path: Path) -> None:
    depth = write_depth(tmp_path / "depth", range(1001, 1007))
    asked = {
        "operation": "generate", "size": [WIDTH, HEIGHT], "fps": 23.976, "frames": "1001-1006", "colourspace": "ACEScg",
        "control": depth, "control_kind": "depth", "instruction": "a harbour at dusk", "shot": "previz",
    }  # fmt: skip
    with host() as one:
        said = one.result("survey", **asked)
        assert said["lines"] == [
            "New: 6 frames, 1001-1006",
            "48 × 36, R G B, half, 23.976 frames a second",
            "Colour space ACEScg",
            "Follows depth: z.####.exr",
        ]
        assert (said["kind"], said["plate"], said["odd"], said["matte"]) == ("new", "", [], "")
        queued = one.result("fix", job=(job := new_job()), out=str(tmp_path / "out"), **asked, **FOLLOWED)
        assert (queued["operation"], queued["shot"]) == ("generate", "previz")
        done = one.wait_for(job, "done", "failed")["job"]
        assert done["error"] is None
        landed = [frame for event in one.events_of(job) for frame in event["landed"]]
        assert sorted(frame["frame"] for frame in landed) == list(range(1001, 1007)) == done["result"]["frames"]
        request = one.result("show", take=done["result"]["take"])["request"]
        assert (request["width_px"], request["height_px"], request["fps"]) == (WIDTH, HEIGHT, 23.976)
        assert (request["control"], request["control_kind"], request["plate"]) == (depth, "depth", "")
        one.result("fix", job=(again := new_job()), out=str(tmp_path / "b"), revise=done["result"]["take"], seed=2)
        revised = one.wait_for(again, "done", "failed")["job"]
        assert revised["error"] is None
        assert revised["result"]["frames"] == done["result"]["frames"]
    first = picture(tmp_path / "out" / done["result"]["files"][0])[HEIGHT // 2, :, 0].astype(float)
    inverse = 1 / np.linspace(20, 2, WIDTH)
    slope, offset = np.polyfit(inverse[1:-1], first[1:-1], 1)
    assert slope > 0
    assert first[1:-1] == pytest.approx(slope * inverse[1:-1] + offset, abs=1e-3), "it is not the inverse depth"


def test_a_restyle_follows_depth_over_the_whole_frame(home: Path, tmp_path: Path) -> None:
    shot = make_shot(tmp_path)
    depth = write_depth(tmp_path / "depth", range(1001, 1005))
    asked = {"plate": shot["plate"], "operation": "restyle", "control": depth, "control_kind": "depth"}
    with host() as one:
        assert "Follows depth: z.####.exr" in one.result("survey", **asked)["lines"]
        short = one.result("survey", **{**asked, "control": write_depth(tmp_path / "short", range(1001, 1003))})
        assert "The pictures to follow lack 1003-1004" in short["odd"]
        one.result("fix", job=(job := new_job()), out=shot["out"], **asked, **FOLLOWED)
        done = one.wait_for(job, "done", "failed")["job"]
        assert done["error"] is None
        one.result("fix", job=(of_plate := new_job()), out=str(tmp_path / "b"), engine="standin", operation="restyle",
                   plate=shot["plate"], control_kind="grey")  # fmt: skip
        assert one.wait_for(of_plate, "done", "failed")["job"]["error"] is None
    take = json.loads((Path(shot["out"]) / "take.json").read_text())
    assert (take["control"]["name"], take["control"]["kind"]) == (depth, "depth")
    assert take["request"]["matte"] == ""
    row = picture(Path(shot["out"]) / done["result"]["files"][0])[HEIGHT // 2, :, 0].astype(float)
    assert (np.diff(row) >= 0).all() and row[-1] - row[0] > 0.9, "near is white"


def test_new_frames_before_and_after_the_plate(home: Path, tmp_path: Path) -> None:
    shot = make_shot(tmp_path)
    asked = {"plate": shot["plate"], "extend": [1, 3]}
    with host() as one:
        said = one.result("survey", **asked)
        assert said["frames"] == "1000-1007"
        assert said["lines"][0] == "sh.####.exr: 8 frames, 1000-1007, new 1000, 1005-1007"
        part = one.result("survey", plate=shot["plate"], frames="1002-1003", extend=[0, 2])
        assert part["lines"][0] == "sh.####.exr: 4 frames, 1002-1005, new 1005", "1004 is there already"
        one.result("fix", job=(job := new_job()), out=shot["out"], engine="standin", **asked)
        done = one.wait_for(job, "done", "failed")["job"]
        assert done["error"] is None
        assert done["result"]["frames"] == list(range(1000, 1008))
        on = {"on": done["result"]["take"], "operation": "extend", "frames": "1000-1009", "engine": "standin"}
        one.result("fix", job=(job := new_job()), out=str(tmp_path / "b"), **on)
        longer = one.wait_for(job, "done", "failed")["job"]
        assert longer["error"] is None
        assert longer["result"]["frames"] == list(range(1000, 1010))


def test_the_command_line_can_say_a_generated_take_again(tmp_path: Path, secondtake: Callable[..., Any]) -> None:
    words = ("--size", "48x36", "--fps", "24", "--frames", "1-2", "--engine", "standin", "--instruction", "fog")
    made = secondtake("generate", *words, "--out", tmp_path / "a", "--json").json
    again = secondtake("fix", "--revise", made["take"], "--instruction", "more", "--out", tmp_path / "b", "--json")
    assert again.status == 0, again.err
    assert again.json["frames"] == [1, 2]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no size": ({**NEW, "size": None}, "It is not said how large the new frames are"),
    "a dot": ({**NEW, "size": [64, 3]}, "Frames of 64 × 3 cannot be made"),
    "no rate": ({**NEW, "fps": None}, "It is not said how fast the new frames run"),
    "a wild rate": ({**NEW, "fps": 1e6}, "It is not said how fast the new frames run"),
    "no frames": ({**NEW, "frames": ""}, "It is not said which frames to make"),
    "gaps": ({**NEW, "frames": "1-4,9"}, "The frames to generate have gaps"),
    "generate on a plate": ({**NEW, "plate": "/s/sh.####.exr"}, "To generate takes no plate"),
    "generate on a take": ({**NEW, "on": "t3k9x0c"}, "To generate takes no plate"),
    "generate in a matte": ({**NEW, "matte": "/s/m.####.exr"}, "To generate makes whole frames"),
    "extend in a matte": ({**PLATE, "extend": [0, 4], "matte": "/s/m.exr"}, "To extend makes whole frames"),
    "size of a plate": ({**PLATE, "operation": "restyle", "size": [64, 48]}, "To restyle takes size and rate"),
    "rate of a plate": ({**PLATE, "operation": "restyle", "fps": 24}, "To restyle takes size and rate"),
    "no matte": ({**PLATE, "operation": "replace"}, "There is no matte"),
    "no plate": ({**ASKED, "operation": "restyle"}, "There is no plate"),
    "no kind": ({**PLATE, "operation": "restyle", "control": "/s/z.exr"}, "not said what the pictures to follow show"),
    "depth of a plate": ({**PLATE, "operation": "restyle", "control_kind": "depth"}, "No depth can be made of a plate"),
    "lines of nothing": ({**NEW, "control_kind": "scribble"}, "no plate that scribble could be made of"),
    "from here": ({**NEW, "control": "z.exr", "control_kind": "depth"}, "'control' is no absolute path"),
    "extend by less": ({**PLATE, "extend": [-1, 0]}, "The new frames are no numbers of frames"),
    "extend and handles": ({**PLATE, "extend": [0, 1], "handles": [8, 8]}, "Handles do not go with new frames"),
    "extend and remove": ({**PLATE, "extend": [0, 1], "operation": "remove"}, "New frames do not go with operation"),
}


@pytest.mark.parametrize("asked, message", REFUSED.values(), ids=list(REFUSED))
def test_what_contradicts_itself_is_one_sentence(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        request = request_of(msgspec.convert(asked, Survey), Home.under(tmp_path))
        require_sendable(request)
    assert message in caught.value.message
    assert caught.value.remedy
    assert "--" not in caught.value.remedy, "that is the command line's"


def test_a_host_can_say_all_that_a_request_holds() -> None:
    """Whoever adds a field to requests decides here how a host says it."""
    other_name = {
        "width_px": "size", "height_px": "size", "parent": "on", "revises": "revise", "instructions": "revise",
    }  # fmt: skip
    fields = {other_name.get(name, name) for name in FixRequest.__struct_fields__}
    assert fields <= set(KINDS["fix"].__struct_fields__)


def test_refused_through_the_bridge_nothing_is_queued(home: Path) -> None:
    with host() as one:
        said = one.error("fix", **{**NEW, "job": new_job(), "size": [64, 3]})
        assert (said["code"], said["remedy"]) == ("usage", "Give 'size' with sides of 32 to 8192 pixels")
        assert one.error("survey", **{**NEW, "fps": 0.5})["code"] == "usage"
        unknown = one.error("fix", **{**NEW, "job": new_job(), "control_kind": "normals"})
        assert "control_kind" in unknown["message"]
        assert one.result("status")["daemon"] == "none"
