"""Every operation from the command line to the take, through a real daemon and a tiny VACE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from in_process import header, planes, write_depth, write_picture, write_plate

from secondtake_daemon.takes.manifest import load

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import Ran, command, content


@pytest.fixture(autouse=True)
def at_home(clean_environment: None, monkeypatch: pytest.MonkeyPatch, model_home: Path) -> None:
    monkeypatch.setenv("SECONDTAKE_HOME", str(model_home))


def fix(plate: str, out: Path, *more: object) -> Ran:
    return command("fix", plate, "--out", out, "--engine", "tiny", "--instruction", "a painting", *more, "--json")


def generate(out: Path, *more: object) -> Ran:
    usual = ("--shot", "ball", "--size", "64x48", "--fps", "24", "--engine", "tiny", "--instruction", "a ball")
    return command("generate", *usual, "--out", out, *more, "--json")


def done(ran: Ran) -> list[bytes]:
    assert ran.status == 0, ran.err
    return content(ran.json["files"])


def test_restyle_with_a_look(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1004))
    look = write_picture(tmp_path / "look.exr")
    ran = fix(plate, tmp_path / "a", "--operation", "restyle", "--reference", look)
    assert len(done(ran)) == 3
    assert [(used.name, used.frame) for used in load(Path(ran.json["manifest"])).references] == [(str(look), None)]
    assert command("verify", tmp_path / "a").status == 0


def test_extend_both_ways_through_several_windows(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1008, 1012))
    ran = fix(plate, tmp_path / "a", "--extend", "5", "--extend", "-2")
    frames = done(ran)
    assert ran.json["frames"] == list(range(1006, 1017))
    manifest = load(Path(ran.json["manifest"]))
    assert len(manifest.windows) == 3
    assert manifest.plate.added == "1006-1007,1012-1016"
    for frame in range(1008, 1012):
        assert frames[frame - 1006] == (tmp_path / "plate" / f"sh010.{frame}.exr").read_bytes()
    assert command("verify", tmp_path / "a").status == 0
    again = command("replay", tmp_path / "a", "--out", tmp_path / "b", "--json")
    assert again.status == 0, again.err
    assert again.json["same"] is True


def test_generate_from_depth_and_a_first_frame(tmp_path: Path) -> None:
    depth = write_depth(tmp_path / "z", range(1, 6))
    first = write_picture(tmp_path / "first.exr", width=64, height=48)
    words = ("--control", depth, "--control-kind", "depth", "--reference", f"{first}@1")
    ran = generate(tmp_path / "a", "--frames", "1-5", *words)
    files = [Path(file) for file in ran.json["files"]] if done(ran) else []
    assert any("distances" in note for note in ran.json["notes"])
    assert header(files[3])["colorInteropID"] == "lin_rec709_scene"
    painted, made = (np.stack([planes(path)[name] for name in "RGB"], -1) for path in (first, files[0]))
    assert made == pytest.approx(painted, rel=2e-3, abs=1e-4)
    for verb in ("verify", "show"):
        assert command(verb, tmp_path / "a").status == 0
    compared = command("compare", tmp_path / "a", "plate", "--json")
    assert compared.status == 0, compared.err
    layers = command("export", tmp_path / "a", "--as", "layers", "--out", tmp_path / "layers", "--json")
    assert layers.status == 0, layers.err
