"""What a model or a request can have wrong: one sentence, what to do, the right exit code, and nothing left behind."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import FRAMES, LAYOUT, Ran, Studio, added, command

from secondtake.home import Home
from secondtake_daemon.models import shelf

WEIGHTS = "diffusion_pytorch_model.safetensors"

pytestmark = pytest.mark.timeout(300)  # a worker that loads torch takes ten seconds, or forty on a busy machine


def refused(ran: Ran, *, status: int, code: str, says: str) -> None:
    """The whole contract of a refusal."""
    assert ran.status == status, (ran.out, ran.err)
    error = ran.json["error"]
    assert error["code"] == code
    assert says in error["message"], error["message"]
    assert "\n" not in error["message"]
    assert error["remedy"], "what shall the artist do?"
    assert "Traceback" not in ran.err


@pytest.fixture
def spoilt(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "spoilt"))


@pytest.fixture
def nothing_left(studio: Studio) -> Callable[[], None]:
    """Call it at the end: no model more, no frame more, no job's scratch."""
    records = _files(studio.home / "data" / "models")
    shot = _files(studio.root)

    def check() -> None:
        assert _files(studio.home / "data" / "models") == records
        assert _files(studio.root) == shot
        assert not [path for path in (studio.home / "cache").glob("scratch/*") if any(path.iterdir())]

    return check


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_no_model_at_all(studio: Studio, tmp_path: Path, nothing_left: Callable[[], None]) -> None:
    refused(added(tmp_path, "x"), status=12, code="bad_input", says="no model_index.json")
    refused(added(tmp_path / "none", "x"), status=12, code="bad_input", says="no model_index.json")
    nothing_left()


def test_a_part_is_missing(studio: Studio, spoilt: Path, nothing_left: Callable[[], None]) -> None:
    shutil.rmtree(spoilt / "vae")
    ran = added(spoilt, "x")
    refused(ran, status=12, code="bad_input", says="'vae' is missing")
    assert ran.json["error"]["path"] == str(spoilt / "vae")
    nothing_left()


def test_weights_that_were_cut_short(studio: Studio, spoilt: Path, nothing_left: Callable[[], None]) -> None:
    path = spoilt / "transformer" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    refused(added(spoilt, "x"), status=12, code="bad_input", says="should have")
    nothing_left()


@pytest.mark.parametrize("form", ["bare", "zip"])
def test_a_pickle_by_the_name_of_weights(
    studio: Studio, spoilt: Path, nothing_left: Callable[[], None], form: str
) -> None:
    path = spoilt / "transformer" / WEIGHTS
    if form == "bare":
        path.write_bytes(pickle.dumps({"weight": [0.0] * 100}))
    else:
        import torch

        torch.save({"weight": torch.zeros(4)}, path)
    ran = added(spoilt, "x")
    refused(ran, status=12, code="bad_input", says="could run anything")
    assert ran.json["error"]["path"] == str(path)
    nothing_left()


def test_a_pipeline_that_no_engine_runs(studio: Studio, spoilt: Path, nothing_left: Callable[[], None]) -> None:
    index = json.loads((spoilt / "model_index.json").read_text())
    (spoilt / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionPipeline"}))
    ran = added(spoilt, "x")
    refused(ran, status=12, code="bad_input", says="StableDiffusionPipeline, which no engine runs")
    assert "WanVACEPipeline" in ran.json["error"]["remedy"]
    nothing_left()


@pytest.mark.parametrize(("part", "file"), [("transformer", WEIGHTS), ("text_encoder", "model.safetensors")])
def test_weights_of_another_architecture(studio: Studio, spoilt: Path, part: str, file: str) -> None:
    """Whole safetensors, but not this model's: known when it is loaded. Libraries make up what they do not find."""
    head = json.dumps({"nobody.knows.this": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (spoilt / part / file).write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
    assert added(spoilt, "other-weights", "--accept-licence").status == 0
    other = Studio(studio.root, studio.home, "other-weights")
    refused(other.fix("other"), status=12, code="bad_input", says=f"part '{part}' are not those of a")
    assert not list((studio.root / "other").glob("*"))
    assert command("models", "remove", "other-weights").status == 0
    assert studio.fix(f"and then the good one, after {part}").status == 0


def test_a_model_that_was_changed_since(studio: Studio, spoilt: Path) -> None:
    assert added(spoilt, "changed", "--accept-licence").status == 0
    assert command("models", "verify", "changed").status == 0
    path = spoilt / "transformer" / WEIGHTS
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    ran = command("models", "verify", "changed", "--json")
    assert (ran.status, ran.json["differing"]) == (12, [f"transformer/{WEIGHTS}"])
    assert "1 of the" in ran.err and "not as they were" in ran.err
    config = spoilt / "vae" / "config.json"
    config.write_text(config.read_text() + " ")
    other = Studio(studio.root, studio.home, "changed")
    refused(other.fix("changed"), status=12, code="bad_input", says="not the one that was added")
    path.unlink()
    refused(other.fix("changed"), status=12, code="bad_input", says="model 'changed'")
    assert not list((studio.root / "changed").glob("*"))
    assert command("models", "remove", "changed").status == 0
    assert config.exists(), "removing a model from the list touches no file of it"


def test_a_licence_that_nobody_accepted(studio: Studio, tiny_folder: Path, nothing_left: Callable[[], None]) -> None:
    ran = added(tiny_folder, "strict")
    assert ran.status == 0
    assert "models accept strict" in ran.err
    other = Studio(studio.root, studio.home, "strict")
    refused(other.fix("strict"), status=12, code="no_such_engine", says="its licence is not accepted")
    (card,) = [each for each in command("engines", "--json").json["engines"] if each["name"] == "strict"]
    assert not card["available"]
    assert "models accept strict" in card["why_not"]
    assert command("models", "accept", "strict").status == 0
    assert shelf.find(Home.find(studio.home).data / "models", "strict").licence_accepted
    assert command("models", "remove", "strict").status == 0
    nothing_left()


def test_an_instruction_where_the_model_needs_one(studio: Studio, nothing_left: Callable[[], None]) -> None:
    says = "does not know what to"
    refused(studio.fix("unsaid", operation="replace", say=""), status=2, code="usage", says=says)
    refused(studio.fix("unsaid", operation="modify", say="  "), status=2, code="usage", says=says)
    nothing_left()


def test_a_matte_of_nothing(studio: Studio, nothing_left: Callable[[], None]) -> None:
    kept = _mattes(studio, 0.0)
    refused(studio.fix("nothing"), status=12, code="bad_matte", says="empty")
    _mattes(studio, kept)
    nothing_left()


def test_a_matte_of_everything(studio: Studio) -> None:
    """There is no plate left to lock the colour to, and none to be proved; the model makes the picture anyway."""
    kept = _mattes(studio, 1.0)
    ran = studio.fix("everything")
    _mattes(studio, kept)
    assert ran.status == 0, ran.err
    assert ran.json["proof"]["outside_changed"] == 0
    assert np.isfinite(studio.inside_of(ran.json["files"])).all()


def _mattes(studio: Studio, value: float | dict[int, bytes]) -> dict[int, bytes]:
    """Write all mattes anew; returns what they were."""
    paths = {frame: studio.root / "matte" / f"m.{frame}.exr" for frame in FRAMES}
    before = {frame: path.read_bytes() for frame, path in paths.items()}
    for frame, path in paths.items():
        if isinstance(value, dict):
            path.write_bytes(value[frame])
        else:
            plane = np.full((LAYOUT.height, LAYOUT.width), value, np.float16)
            OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": plane}).write(str(path))
    return before


def test_settings_that_are_none(studio: Studio, tiny_folder: Path, nothing_left: Callable[[], None]) -> None:
    ran = command("models", "add", tiny_folder, "--name", "x", "--set", "longest=16", "--json")
    refused(ran, status=2, code="usage", says="A window of 16 frames")
    ran = command("models", "add", tiny_folder, "--name", "x", "--set", "stepps=3", "--json")
    refused(ran, status=2, code="usage", says="no setting 'stepps'")
    refused(studio.fix("x", "--engine-option", "steps=none"), status=2, code="usage", says="'none' is no value")
    nothing_left()


def test_without_the_extra(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    make_home: Callable[[], AbstractContextManager[Path]],
    studio: Studio,
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    """A daemon that finds no torch, as one without the extra: the model can be added, listed and verified, not used."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with make_home() as root:
        monkeypatch.setenv("SECONDTAKE_HOME", str(root))
        assert added(tiny_folder, "tiny", "--accept-licence").status == 0
        assert command("models", "verify", "tiny").status == 0
        other = Studio(studio.root, root, "tiny")
        ran = other.fix("no extra")
        refused(
            ran, status=12, code="no_such_engine", says="torch is not installed: pip install 'secondtake[diffusion]'"
        )
        assert not (studio.root / "no extra").exists()
        ran = command("engines", "--json")
        assert {each["name"]: each["available"] for each in ran.json["engines"]} == {
            "temporal": True,
            "standin": True,
            "tiny": False,
        }
        still = Studio(studio.root, root, "standin")
        assert still.fix("by another").status == 0
