"""A take again, and the cache, from the user's side: the command, a real daemon, real frames."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

FRAMES = list(range(1001, 1013))
Command = Callable[..., Any]


@pytest.fixture
def shot(tmp_path: Path) -> tuple[str, str]:
    return write_shot(tmp_path, Layout(width=120, height=90), FRAMES)


def fix(secondtake: Command, shot: tuple[str, str], out: Path, *options: str) -> dict[str, Any]:
    plate, matte = shot
    made = secondtake(
        "fix", plate, "--matte", matte, "--out", out, "--engine", "standin", "--engine-option", "mode=noise", "--json",
        *options,
    )  # fmt: skip
    assert made.status == 0, made.err
    return dict(made.json)


def patches(home: Path) -> list[Path]:
    return sorted((home / "cache" / "patches").glob("??/*"))


def test_the_same_again_after_the_cache_is_gone(
    secondtake: Command, home: Path, tmp_path: Path, shot: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDTAKE_WORKERS", "2")
    first = fix(secondtake, shot, tmp_path / "first")
    shutil.rmtree(home / "cache" / "patches")
    again: dict[str, Any] = {}

    def replay(name: str) -> None:
        again[name] = secondtake("replay", first["take"], "--out", tmp_path / name, "--json")

    threads = [threading.Thread(target=replay, args=(name,)) for name in ("a", "b")]  # two workers, two orders
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ran in again.values():
        assert ran.status == 0, ran.err
        found = ran.json
        assert (found["same"], found["frames"], found["differing"], found["reasons"]) == (True, len(FRAMES), [], [])
        manifest = json.loads(Path(found["manifest"]).read_text())
        recorded = json.loads(Path(first["manifest"]).read_text())
        assert [one["digest"] for one in manifest["frames"]] == [one["digest"] for one in recorded["frames"]]
    assert secondtake("verify", tmp_path / "a").status == 0


def test_a_changed_plate_is_refused_by_name(secondtake: Command, tmp_path: Path, shot: tuple[str, str]) -> None:
    first = fix(secondtake, shot, tmp_path / "first")
    plate = tmp_path / "plate" / "sh.1004.exr"
    shutil.copy(tmp_path / "plate" / "sh.1005.exr", plate)
    refused = secondtake("replay", first["take"], "--out", tmp_path / "again", "--json")
    assert refused.status == 12
    assert refused.json["same"] is False
    assert refused.json["reasons"] == ["Frame 1004 of the plate changed on disk"]
    assert refused.json["error"]["path"] == str(plate)
    assert refused.error.startswith("secondtake: Frame 1004 of the plate changed on disk. ")
    assert not (tmp_path / "again").exists()


def test_what_is_not_the_same_is_said(secondtake: Command, tmp_path: Path, shot: tuple[str, str]) -> None:
    """A take whose recipe says what did not make it: as if the engine had changed its mind."""
    first = fix(secondtake, shot, tmp_path / "first")
    path = Path(first["manifest"])
    manifest = json.loads(path.read_text())
    manifest["engine"]["version"] = "0"
    manifest["libraries"]["numpy"] = "1.0"
    manifest["hardware"] = "abacus"
    path.write_text(json.dumps(manifest))
    same = secondtake("replay", tmp_path / "first", "--out", tmp_path / "same", "--json")
    assert same.status == 0
    assert [reason.split(" was ")[0] for reason in same.json["reasons"]] == ["The engine", "numpy", "The machine"]
    manifest["request"]["seed"] = 5
    path.write_text(json.dumps(manifest))
    other = secondtake("replay", tmp_path / "first", "--out", tmp_path / "other", "--json")
    assert other.status == 20
    assert other.json["differing"] == FRAMES
    assert "Frame 1001 differs: " in other.json["reasons"][-1]
    assert "channel" in other.json["reasons"][-1]
    assert "12 of 12 frames" in other.error
    manifest["request"]["engine"] = "gone"
    path.write_text(json.dumps(manifest))
    missing = secondtake("replay", tmp_path / "first", "--out", tmp_path / "none", "--json")
    assert (missing.status, missing.json["same"]) == (12, False)
    assert "There is no engine 'gone'" in missing.json["reasons"][0]


def test_a_take_on_a_take(secondtake: Command, home: Path, tmp_path: Path, shot: tuple[str, str]) -> None:
    first = fix(secondtake, shot, tmp_path / "first")
    child = secondtake(
        "fix", "--on", first["take"], "--matte", shot[1], "--out", tmp_path / "child", "--engine", "standin",
        "--seed", "4", "--json",
    )  # fmt: skip
    assert child.status == 0, child.err
    shutil.rmtree(home / "cache" / "patches")
    again = secondtake("replay", child.json["take"], "--out", tmp_path / "again", "--json")
    assert (again.status, again.json["same"]) == (0, True), again.err
    frame = Path(first["files"][2])
    frame.write_bytes(frame.read_bytes() + b"\0")
    refused = secondtake("replay", child.json["take"], "--out", tmp_path / "refused", "--json")
    assert refused.status == 12
    assert refused.json["reasons"] == [f"Frame 1003 of take {first['take']} changed on disk"]


def test_a_movie_is_converted_again(secondtake: Command, home: Path, tmp_path: Path) -> None:
    movie = write_movie(tmp_path / "shot.mov")
    matte = np.zeros((48, 64), np.float16)
    matte[10:20, 10:30] = 1
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(tmp_path / "held.exr"))
    first = fix(secondtake, (str(movie), str(tmp_path / "held.exr")), tmp_path / "a", "--colorspace", "ACEScct")
    assert secondtake("cache", "gc", "--to", "0").status == 0
    (folder,) = (home / "cache" / "movies").iterdir()  # it is the plate of a take, and stays
    frame = folder / "frame.000003.exr"
    raw = frame.read_bytes()
    frame.write_bytes(raw[:200] + bytes([raw[200] ^ 1]) + raw[201:])
    second = fix(secondtake, (str(movie), str(tmp_path / "held.exr")), tmp_path / "b", "--colorspace", "ACEScct")
    assert frame.read_bytes() == raw  # found, and converted again
    for mine, theirs in zip(first["files"], second["files"], strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()
    shutil.rmtree(home / "cache")
    again = secondtake("replay", first["take"], "--out", tmp_path / "c", "--json")
    assert (again.status, again.json["same"]) == (0, True), again.err
    movie.write_bytes(movie.read_bytes() + b"\0")
    refused = secondtake("replay", first["take"], "--out", tmp_path / "d", "--json")
    assert (refused.status, refused.json["reasons"]) == (12, ["The movie changed on disk"])


def write_movie(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        for number in range(5):
            picture = np.full((48, 64, 3), 20 * number + 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_the_cache_and_du_agree_and_gc_obeys(
    secondtake: Command, home: Path, tmp_path: Path, shot: tuple[str, str]
) -> None:
    first = fix(secondtake, shot, tmp_path / "first")
    fix(secondtake, shot, tmp_path / "second", "--instruction", "darker")
    stats = secondtake("cache", "stats", "--json").json
    du = subprocess.run(["du", "-s", "-B1", str(home / "cache")], capture_output=True, check=True)
    assert stats["total_bytes"] == pytest.approx(int(du.stdout.split()[0]), rel=0.01)
    assert stats["limit_bytes"] == 20 * 1024**3
    assert stats["kinds"][0]["objects"] == len(patches(home)) == 8
    assert secondtake("cache", "pin", first["take"]).status == 0
    assert [pin["take"] for pin in secondtake("cache", "stats", "--json").json["pins"]] == [first["take"]]
    freed = secondtake("cache", "gc", "--to", "0", "--json").json
    assert (freed["objects"], len(patches(home))) == (4, 4)
    assert secondtake("daemon", "stop").status == 0
    assert secondtake("cache", "unpin", first["take"]).status == 0  # without a daemon too
    assert secondtake("cache", "gc", "--to", "0", "--json").json["objects"] == 4
    assert patches(home) == []
    for wrong, status in ((("gc", "--to", "much"), 2), (("pin", "nobody"), 12), (("unpin", first["take"]), 12)):
        assert secondtake("cache", *wrong).status == status
    assert secondtake("daemon", "status").status == 10  # none of these started one


def test_damage_is_found_removed_and_made_again(
    secondtake: Command, home: Path, tmp_path: Path, shot: tuple[str, str]
) -> None:
    first = fix(secondtake, shot, tmp_path / "first")
    for at, path in enumerate(patches(home)[:3]):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes([bytes(raw), bytes(len(raw)), bytes(raw[:50])][at])
    found = secondtake("cache", "verify", "--json")
    assert found.status == 0
    assert (found.json["objects"], len(found.json["damaged"])) == (4, 3)
    assert secondtake("cache", "verify", "--json").json["damaged"] == []
    patches(home)[0].write_bytes(b"and one that nobody looked at")
    again = secondtake("replay", first["take"], "--out", tmp_path / "again", "--json")
    assert again.json["same"] is True


def test_three_jobs_under_pressure(
    secondtake: Command, home: Path, tmp_path: Path, shot: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that is far too small: jobs that run keep what they need, everything else goes, nothing is wrong."""
    whole = {seed: fix(secondtake, shot, tmp_path / f"whole{seed}", "--seed", str(seed)) for seed in (1, 2, 3)}
    assert secondtake("daemon", "stop").status == 0
    shutil.rmtree(home / "cache")
    monkeypatch.setenv("SECONDTAKE_WORKERS", "3")
    monkeypatch.setenv("SECONDTAKE_CACHE_BYTES", "30000")
    made: dict[int, dict[str, Any]] = {}

    def make(seed: int) -> None:
        options = ("--seed", str(seed), "--engine-option", f"frame_s={0.02 * seed}")
        made[seed] = fix(secondtake, shot, tmp_path / f"tight{seed}", *options)

    threads = [threading.Thread(target=make, args=(seed,)) for seed in whole]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        secondtake("cache", "gc", "--to", "0")
        held = held_patches(home)
        assert all((home / "cache" / name).exists() for name in held)
    for seed, take in whole.items():
        for mine, theirs in zip(take["files"], made[seed]["files"], strict=True):
            assert Path(mine).read_bytes() == Path(theirs).read_bytes()
    assert secondtake("cache", "gc", "--json").json["left_bytes"] <= 30_000


def held_patches(home: Path) -> list[str]:
    """Patches that a running job had made, and still holds: looked at twice, for it may have ended between."""
    before = {}
    for path in (home / "cache" / "jobs").glob("*/lease.json"):
        try:
            names = json.loads(path.read_text())["names"]
        except OSError:
            continue
        before[path] = [name for name in names if (home / "cache" / name).is_file()]
    subprocess.run(
        [sys.executable, "-P", "-m", "secondtake_daemon", "cache", "gc", "--to", "0"], check=True, capture_output=True
    )
    return [name for path, names in before.items() if path.exists() for name in names]


def test_verify_of_the_cache_can_be_interrupted(home: Path, tmp_path: Path) -> None:
    folder = home / "cache" / "patches" / "aa"
    folder.mkdir(parents=True)
    with (folder / ("aa" * 32)).open("wb") as file:
        file.write(b"STpatch2")
        file.truncate(1 << 33)  # sparse, and seconds to read
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "secondtake_daemon", "cache", "verify"], stderr=subprocess.PIPE, env=os.environ
    )
    assert running.stderr is not None
    running.stderr.readline()
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    assert running.wait(10) == 3
    running.stderr.close()
