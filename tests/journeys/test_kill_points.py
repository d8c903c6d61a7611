"""Kill -9 between patch, frame, take.json and journal: no take half there, none lost, none twice."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from functools import cache
from pathlib import Path

import pytest

from secondtake import Client, FixRequest, FixResult, Operation
from secondtake.errors import SecondTakeError

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import Layout, write_shot
from killed_worker import POINTS

FRAMES = list(range(1001, 1011))
SCRIPT = Path(__file__).with_name("killed_worker.py")


def make_request(root: Path, name: str) -> FixRequest:
    return FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=str(root / "plate" / "sh.####.exr"),
        matte=str(root / "matte" / "m.####.exr"),
        out=str(root / name),
        operation=Operation.REMOVE,
        engine="standin",
        engine_options={"mode": "noise"},
    )


@cache
def shot(root: Path) -> Path:
    root.mkdir(parents=True)
    write_shot(root, Layout(), FRAMES)
    return root


def finish(home: Path, request: FixRequest) -> FixResult:
    """Wait for the job, whoever dies meanwhile; sending it again is the same job."""
    while True:
        try:
            with Client.connect(home=home, timeout_s=20) as client:
                return client.run(request, timeout_s=60)
        except SecondTakeError as error:
            if error.code != "daemon_lost":
                raise


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_the_take_is_whole_and_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    root, marker = shot(tmp_path / "shot"), tmp_path / "killed"
    command = [sys.executable, "-P", str(SCRIPT), point, str(marker)]
    monkeypatch.setenv("SECONDTAKE_WORKER_COMMAND", os.pathsep.join(command))
    result = finish(home, make_request(root, "out"))
    deadline_s = time.monotonic() + 10
    while not marker.exists():  # what comes after the word comes while we hear it
        assert time.monotonic() < deadline_s, "nobody was killed"
        time.sleep(0.01)
    names = {path.name for path in (root / "out").iterdir()}
    manifest = json.loads((root / "out" / "take.json").read_text())
    assert names == {"take.json", manifest["supports"]["file"], *(Path(file).name for file in result.files)}
    assert [frame["frame"] for frame in manifest["frames"]] == FRAMES
    registered = [path.stem for path in (home / "data" / "takes").glob("*.json") if "." not in path.stem]
    assert registered == [result.take] == [manifest["take"]]
    again = finish(home, make_request(root, "again"))  # with what is known now, undisturbed
    for mine, theirs in zip(result.files, again.files, strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()
