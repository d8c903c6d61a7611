"""The quality figures of a written take: low when nothing is wrong, and they rise with what the engine does wrong."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import ClassVar

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.figures import Figures
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines.contract import FloatImage, Job, Window
from secondtake_daemon.engines.standin import StandInEngine
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import load

sys.path.insert(0, str(Path(__file__).parent))
from test_render_fix import Recorder

FRAMES = range(1, 17)
WIDTH, HEIGHT = 120, 90


class Faulty(StandInEngine):
    """Gives the plate back, too bright by so many stops in a frame."""

    stops: ClassVar[dict[int, float]] = {}

    def _fill(self, frame: int, window: Window, job: Job) -> FloatImage:
        return super()._fill(frame, window, job) * np.float32(2 ** self.stops.get(frame, 0.0))


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondtake_daemon.pipeline.factory", lambda _card: Faulty)
    monkeypatch.setattr(Faulty, "stops", {})


def picture(frame: int) -> NDArray[np.float32]:
    """A soft texture that slides by, between 0.1 and 0.5."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wave = np.sin((columns + 2 * frame) / 21) * np.cos(rows / 17) + np.sin((rows + columns + 2 * frame) / 14)
    return np.asarray(0.3 + 0.1 * wave, np.float32)


def write_show(root: Path, channels: str = "RGB") -> None:
    for frame in FRAMES:
        planes = {name: picture(frame).astype(np.float16) for name in channels}
        OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(root / f"sh.{frame:04d}.exr"))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    matte = (((rows - 45) ** 2 + (columns - 60) ** 2) < 25**2).astype(np.float16)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(root / "matte.exr"))


def figures(root: Path, **options: object) -> Figures:
    values: dict[str, object] = {
        "job": uuid.uuid4().hex,
        "shot": "sh",
        "plate": str(root / "sh.####.exr"),
        "matte": str(root / "matte.exr"),
        "out": str(root / uuid.uuid4().hex),
        "operation": Operation.REPLACE,
        "engine": "standin",
        "engine_options": {"mode": "identity"},
    }
    request = FixRequest(**{**values, **options})  # type: ignore[arg-type]
    folders = Folders(cache=root / uuid.uuid4().hex, takes=root / "takes", cache_bytes=1 << 30)
    result = render_fix(request, take="t" + uuid.uuid4().hex[:5], folders=folders, report=Recorder())
    manifest = load(Path(result.manifest))
    assert result.figures == manifest.figures is not None
    assert all(record.figures is not None for record in manifest.frames)
    return manifest.figures


@pytest.mark.parametrize("channels", ["RGB", "Y"])
def test_where_nothing_is_changed_nothing_is_wrong(tmp_path: Path, channels: str) -> None:
    write_show(tmp_path, channels)
    found = figures(tmp_path)
    assert found.seam < 0.08
    assert found.flicker < 0.04
    assert found.drift == (0, 0, 0)
    assert found.window_step < 0.06
    assert (found.outside_changed, found.bad, found.missing, found.doubled) == (0, 0, (), ())


def test_a_step_at_the_edge_and_a_drift(tmp_path: Path) -> None:
    write_show(tmp_path)
    Faulty.stops.update(dict.fromkeys(FRAMES, 0.5))
    found = figures(tmp_path)
    assert found.seam == pytest.approx(0.5, abs=0.15)
    assert found.drift == pytest.approx((0.5, 0.5, 0.5), abs=0.01)
    assert found.flicker < 0.04


def test_flicker_and_where_it_was_worst(tmp_path: Path) -> None:
    write_show(tmp_path)
    Faulty.stops.update({frame: 0.2 * (-1) ** frame for frame in FRAMES} | {9: 0.9})
    found = figures(tmp_path)
    assert found.flicker > 0.2
    assert found.seam_frame == 9


def test_a_jump_from_window_to_window(tmp_path: Path) -> None:
    write_show(tmp_path)
    Faulty.stops.update({frame: 0.4 for frame in FRAMES if frame >= 8})  # windows are 1-3, 4-7, 8-11, …
    found = figures(tmp_path)
    assert found.window_step == pytest.approx(0.4, abs=0.08)
    assert found.window_frame == 8


def test_they_are_measured_in_light_whatever_the_plates_numbers_are(tmp_path: Path) -> None:
    """One stop of light is 1 / 17.52 in ACEScct, above its toe (S-2016-001)."""
    write_show(tmp_path)

    class Log(Faulty):
        def _fill(self, frame: int, window: Window, job: Job) -> FloatImage:
            return window.shot.plate(frame, window.crop) + np.float32(1 / 17.52)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secondtake_daemon.pipeline.factory", lambda _card: Log)
        found = figures(tmp_path, colourspace="ACEScct")
    assert found.drift == pytest.approx((1, 1, 1), abs=0.02)


def test_a_matte_at_the_picture_s_edge_and_one_that_fills_it(tmp_path: Path) -> None:
    write_show(tmp_path)
    for box in (np.s_[:20, :30], np.s_[:, :], np.s_[40:41, 50:51]):
        matte = np.zeros((HEIGHT, WIDTH), np.float16)
        matte[box] = 1
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(tmp_path / "matte.exr"))
        found = figures(tmp_path)
        assert found.drift == (0, 0, 0)
        assert found.seam < 0.1
