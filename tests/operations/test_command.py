"""What `fix --extend` and `generate` make of their words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from in_process import write_plate

sys.path.insert(0, str(Path(__file__).parents[1] / "diffusion"))
from studio import Ran, command

from secondtake.errors import UsageError
from secondtake.messages import ControlKind, Operation, Reference
from secondtake_daemon.cli.asked import Asked, generate_request, request_of
from secondtake_daemon.takes.manifest import load


@pytest.mark.parametrize(
    ("frames", "extend", "wanted"),
    [
        (None, [12], "1001-1016"),
        (None, [-3], "998-1004"),
        (None, [2, -1], "1000-1006"),
        ("1002-1004", [1], "1002-1005"),
        ("1001-1010", None, "1001-1010"),
    ],
)
def test_how_far(tmp_path: Path, frames: str | None, extend: list[int] | None, wanted: str) -> None:
    plate = write_plate(tmp_path, range(1001, 1005))
    operation = None if extend else Operation.EXTEND
    asked = Asked(plate=plate, out=str(tmp_path / "out"), frames=frames, extend=extend, operation=operation)
    request = request_of(asked)
    assert (request.operation, request.frames, request.matte) == (Operation.EXTEND, wanted, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"extend": [0]}, "adds no frame"),
        ({"extend": [3], "operation": Operation.RESTYLE}, "does not go with"),
        ({"operation": Operation.GENERATE}, "is no fix"),
        ({"operation": Operation.REPLACE}, "no matte"),
    ],
)
def test_what_contradicts_itself(tmp_path: Path, words: dict[str, Any], said: str) -> None:
    plate = write_plate(tmp_path, range(1, 3))
    with pytest.raises(UsageError, match=said) as refused:
        request_of(Asked(plate=plate, out=str(tmp_path / "out"), **words))
    assert refused.value.remedy


def test_generate(tmp_path: Path) -> None:
    asked = Asked(
        out=str(tmp_path / "street"), frames="1-9", instruction="a street", references=["/a.png", "/b.png@4"],
        control="/z.####.exr", control_kind=ControlKind.DEPTH, engine="tiny", colourspace="ACEScg",
    )  # fmt: skip
    request = generate_request(asked, size="832x480", fps=24.0)
    assert (request.width_px, request.height_px, request.fps, request.frames) == (832, 480, 24.0, "1-9")
    assert (request.plate, request.matte, request.shot, request.colourspace) == ("", "", "street", "ACEScg")
    assert request.references == (Reference(path="/a.png"), Reference(path="/b.png", frame=4))
    assert (request.control, request.control_kind) == ("/z.####.exr", ControlKind.DEPTH)
    for size, fps, said in (("832", 24.0, "is no size"), ("8x8x8", 24.0, "is no size"), ("64x64", None, "how fast")):
        with pytest.raises(UsageError, match=said):
            generate_request(asked, size=size, fps=fps)


def test_with_the_stand_in_through_a_daemon(home: Path, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1004))
    longer = fixed("fix", plate, "--extend", "2", "--out", tmp_path / "a")
    assert longer.json["frames"] == [1001, 1002, 1003, 1004, 1005]
    on = fixed("fix", "--on", tmp_path / "a", "--extend", "-1", "--out", tmp_path / "b")
    assert on.json["frames"] == [1000, 1001, 1002, 1003, 1004, 1005]
    new = fixed(
        "generate", "--size", "64x48", "--frames", "1001-1004", "--fps", "25", "--colorspace", "ACEScg",
        "--out", tmp_path / "c",
    )  # fmt: skip
    assert load(Path(new.json["manifest"])).plate.colourspace == "ACEScg"
    styled = fixed("fix", "--on", tmp_path / "c", "--operation", "restyle", "--out", tmp_path / "d")
    assert styled.json["parent"] == new.json["take"]
    for name in "abcd":
        assert command("verify", tmp_path / name).status == 0
        assert command("show", tmp_path / name).status == 0
    shown = command("show", tmp_path / "a").out
    assert "new frames  1004-1005" in shown
    again = command("replay", tmp_path / "c", "--out", tmp_path / "e", "--json")
    assert again.json["same"] is True
    compared = command("compare", tmp_path / "c", "plate", "--json")
    assert compared.status == 0, compared.err
    refused = command("fix", plate, "--out", tmp_path / "f", "--operation", "extend", "--engine", "standin", "--json")
    assert refused.status == 12
    assert refused.json["error"]["message"].endswith("so 1001-1003 extends it by none")
    assert not (tmp_path / "f").exists()


def fixed(*words: object) -> Ran:
    ran = command(*words, "--engine", "standin", "--instruction", "a street", "--json")
    assert ran.status == 0, ran.err
    return ran
