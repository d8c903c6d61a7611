"""What a take was made from: each change on disk is found and named, whatever it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR
import pytest

from secondtake.messages import Operation, Reference
from secondtake_daemon.job.inputs import changed_inputs
from secondtake_daemon.job.same import sample_difference
from secondtake_daemon.takes.manifest import Manifest, load

sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import Layout, write_matte
from test_render_fix import make_request, run

CONFIG = """ocio_profile_version: 2
roles: {default: lin_rec709_scene, scene_linear: lin_rec709_scene, data: lin_rec709_scene}
file_rules: [!<Rule> {name: Default, colorspace: lin_rec709_scene}]
displays: {screen: [!<View> {name: raw, colorspace: lin_rec709_scene}]}
colorspaces:
  - !<ColorSpace> {name: lin_rec709_scene, encoding: scene-linear}
"""


def made(tmp_path: Path, **options: object) -> Manifest:
    values: dict[str, object] = {"operation": Operation.REPLACE, **options}
    return load(Path(run(make_request(tmp_path, **values), tmp_path).manifest))


def sentences(manifest: Manifest) -> list[str]:
    return [changed.sentence for changed in changed_inputs(manifest)]


def test_nothing_changed(tmp_path: Path) -> None:
    manifest, steps = made(tmp_path), []
    assert list(changed_inputs(manifest, step=lambda: steps.append(1))) == []
    assert len(steps) == 2 * len(manifest.frames)


def _touch_plate(root: Path) -> None:
    path = root / "plate" / "sh.1003.exr"
    path.write_bytes(path.read_bytes() + b"\0")


def _other_coverage(root: Path) -> None:
    """The same outline, with other values."""
    path = root / "matte" / "m.1005.exr"
    ((_, planes),) = [(part.header, part.channels) for part in OpenEXR.File(str(path)).parts]
    matte = np.where(planes["Y"].pixels == 0.5, 0.25, planes["Y"].pixels).astype(np.float16)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(path))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_touch_plate, "Frame 1003 of the plate changed on disk"),
        (lambda root: (root / "plate" / "sh.1001.exr").unlink(), "Frame 1001 of the plate is not there any more"),
        (
            lambda root: write_matte(root / "matte" / "m.1006.exr", Layout(), 0),
            "The matte of frame 1006 changed on disk",
        ),
        (_other_coverage, "The matte of frame 1005 changed on disk"),
        (lambda root: (root / "matte" / "m.1002.exr").unlink(), "The matte cannot be used any more"),
        (lambda root: (root / "matte" / "m.1002.exr").write_bytes(b"no"), "The matte of frame 1002 cannot be used"),
    ],
)
def test_each_change_is_named(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    manifest = made(tmp_path)
    damage(tmp_path)
    (sentence,) = sentences(manifest)
    assert sentence.startswith(said)


def test_references_and_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, look = tmp_path / "show.ocio", tmp_path / "look.exr"
    config.write_text(CONFIG)
    monkeypatch.setenv("OCIO", str(config))
    pixels = {name: np.ones((30, 40), np.float16) for name in "RGB"}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, pixels).write(str(look))
    manifest = made(tmp_path, ocio=str(config), references=(Reference(path=str(look)),))
    assert sentences(manifest) == []
    look.write_bytes(look.read_bytes() + b"\0")
    config.write_text(CONFIG + "\n")
    assert sentences(manifest) == [
        "The OCIO configuration is another than it was",
        "A reference changed on disk",
    ]
    config.unlink()
    assert sentences(manifest)[0] == "The OCIO configuration is not there any more"


def test_a_take_of_an_older_version_is_judged_by_what_it_recorded(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    frames = tuple(msgspec.structs.replace(record, hole_digest="", figures=None) for record in manifest.frames)
    old = msgspec.structs.replace(manifest, frames=frames, configuration="", hardware="", patches=(), figures=None)
    assert sentences(old) == []
    _other_coverage(tmp_path)
    assert sentences(old) == []  # it kept the outline only
    write_matte(tmp_path / "matte" / "m.1006.exr", Layout(), 0)
    assert len(sentences(old)) == 1


def test_samples_are_compared_not_files(tmp_path: Path) -> None:
    planes = {name: np.full((8, 8), np.nan, np.float16) for name in "RGB"}
    header = {"type": OpenEXR.scanlineimage}
    OpenEXR.File({**header, "compression": OpenEXR.ZIP_COMPRESSION}, dict(planes)).write(str(tmp_path / "a.exr"))
    OpenEXR.File({**header, "compression": OpenEXR.PIZ_COMPRESSION}, dict(planes)).write(str(tmp_path / "b.exr"))
    assert sample_difference(tmp_path / "a.exr", tmp_path / "b.exr") == ""
    planes["G"][3, 5] = planes["G"][6, 1] = -0.0
    OpenEXR.File(header, dict(planes)).write(str(tmp_path / "b.exr"))
    assert sample_difference(tmp_path / "a.exr", tmp_path / "b.exr") == "2 samples, first in channel G at x 5, y 3"
    OpenEXR.File(header, {"Y": planes["G"]}).write(str(tmp_path / "b.exr"))
    assert "other channels" in sample_difference(tmp_path / "a.exr", tmp_path / "b.exr")
