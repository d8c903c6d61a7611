"""Every operation from the command line to the take, through a real daemon and a tiny VACE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shots import header, planes, write_depth, write_picture, write_plate

from secondtake_daemon.takes.manifest import load

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import Ran, command, content


@pytest.fixture(autouse=True)
def at_home(clean_environment: None, monkeypatch: pytest.MonkeyPatch, model_home: Path) -> None:
    monkeypatch.setenv("SECONDTAKE_HOME", str(model_home))


def fix(plate: str, out: Path, *more: object) -> Ran:
    return command("fix", plate, "--out", out, "--engine", "tiny", "--instruction", "a painting", *more, "--json")


def generate(out: Path, *more: object) -> Ran:
    usual = ("--size", "64x48", "--fps", "24", "--engine", "tiny", "--instruction", "a ball")
    return command("generate", *usual, "--out", out, *more, "--json")


def done(ran: Ran) -> list[bytes]:
    assert ran.status == 0, ran.err
    return content(ran.json["files"])


def pixels(files: list[str]) -> np.ndarray:
    return np.stack([np.stack([planes(file)[name].astype(np.float32) for name in "RGB"], -1) for file in files])


def test_restyle_follows_the_plate_and_looks(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1006))
    look = write_picture(tmp_path / "look.exr")
    lines = done(fix(plate, tmp_path / "b", "--operation", "restyle"))
    grey = done(fix(plate, tmp_path / "c", "--operation", "restyle", "--control-kind", "grey"))
    looked = fix(plate, tmp_path / "d", "--operation", "restyle", "--reference", look)
    assert grey != lines != done(looked) != grey
    assert [(used.name, used.frame) for used in load(Path(looked.json["manifest"])).references] == [(str(look), None)]
    assert command("verify", tmp_path / "d").status == 0


def test_extend_both_ways_through_several_windows(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1008, 1014))
    ran = fix(plate, tmp_path / "a", "--extend", "9", "--extend", "-2")
    frames = done(ran)
    assert ran.json["frames"] == list(range(1006, 1023))
    manifest = load(Path(ran.json["manifest"]))
    assert len(manifest.windows) >= 3
    assert manifest.plate.added == "1006-1007,1014-1022"
    for frame in range(1008, 1014):
        assert frames[frame - 1006] == (tmp_path / "plate" / f"sh010.{frame}.exr").read_bytes()
    assert np.isfinite(pixels(ran.json["files"])).all()
    assert command("verify", tmp_path / "a").status == 0
    again = command("replay", tmp_path / "a", "--out", tmp_path / "b", "--json")
    assert again.status == 0, again.err
    assert again.json["same"] is True


def test_generate_from_depth_and_a_first_frame(tmp_path: Path) -> None:
    depth = write_depth(tmp_path / "z", range(1, 13))
    first = write_picture(tmp_path / "first.exr", width=64, height=48)
    plain = done(generate(tmp_path / "a", "--frames", "1-12"))
    followed = generate(tmp_path / "b", "--frames", "1-12", "--control", depth, "--control-kind", "depth")
    assert done(followed) != plain
    assert any("distances" in note for note in followed.json["notes"])
    begun = generate(tmp_path / "c", "--frames", "1-12", "--reference", f"{first}@1")
    assert done(begun) != plain
    painted = np.stack([planes(first)[name] for name in "RGB"], -1)
    assert pixels(begun.json["files"][:1])[0] == pytest.approx(painted, rel=2e-3, abs=1e-4)
    for name in "abc":
        assert command("verify", tmp_path / name).status == 0
    assert header(followed.json["files"][3])["colorInteropID"] == "lin_rec709_scene"
    assert command("show", tmp_path / "b").status == 0
    shown = command("compare", tmp_path / "a", tmp_path / "b", "--json")
    assert shown.status == 0, shown.err
    layers = command("export", tmp_path / "b", "--as", "layers", "--out", tmp_path / "layers", "--json")
    assert layers.status == 0, layers.err
