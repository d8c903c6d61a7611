"""Plate → colour → crop → canvas → windows → lock → plate, with models that are known: one that changes nothing, one
that makes one colour. No torch: what is tried is everything around a model.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job, Patch, Shot, Window
from secondtake_daemon.engines.diffusion.exposure import exposure_stops
from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.render import Look, render
from secondtake_daemon.engines.diffusion.run import Made, Run
from secondtake_daemon.engines.diffusion.settings import adapted
from secondtake_daemon.engines.diffusion.shaper import DISPLAY
from secondtake_daemon.engines.installed import card_of
from secondtake_daemon.models.shelf import Model
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipeline"))
from exr_shots import changed_outside, matte_on, read
from studio import LAYOUT, write_bright_shot
from test_render_fix import Recorder

Planes = NDArray[np.float32]
Remake = Callable[[Run], Planes]

FRAMES = list(range(1001, 1013))
WIDTH, HEIGHT = 320, 192
MATTE = np.s_[64:128, 96:224]
"""Rows and columns of the hole in the larger shot."""
RELATIVE = 2e-4
"""Of light that goes to codes in float32 and back."""


def model(area_px: int) -> Model:
    """A record as of a VACE of that canvas."""
    given = {"longest": "17", "head": "4", "tail": "5", "area_px": str(area_px)}
    return Model(
        name="known", folder="/nowhere", pipeline="WanVACEPipeline", added="", licence="free", licence_accepted=True,
        files=(), component_bytes={}, settings=given,
    )  # fmt: skip


class KnownEngine:
    """The path of every diffusion model, round a function instead of a model."""

    def __init__(self, record: Model, remake: Remake) -> None:
        self.card: Card = replace(card_of(record, wan_vace.FAMILY), deterministic=True)
        self._family = adapted(wan_vace.FAMILY, record.settings)
        self._remake = remake
        self._stops = 0
        self.canvases: set[tuple[int, int]] = set()

    def survey(self, shot: Shot, crop: Box) -> str:
        self._stops = exposure_stops(shot, crop)
        return str(self._stops)

    def load(self, job: Job) -> None: ...

    def unload(self) -> None: ...

    def generate(self, window: Window, job: Job) -> Patch:
        gain = 2.0**self._stops
        look = Look(family=self._family, settings=self._family.final, gain=gain, shape="hull")

        def run_of(run: Run) -> Made:
            self.canvases.add((run.width, run.height))
            assert run.codes.min() >= 0 and run.codes.max() <= 1, "a pipeline takes other numbers for something else"
            return Made(codes=self._remake(run))

        return render(window, job, look=look, model=run_of)


def same(run: Run) -> Planes:
    """The model that changes nothing; it sees the plate in the hole too."""
    return run.codes


def flat(light: float) -> Remake:
    """The model that makes one grey of that light (at an exposure of 0 stops) in the matte, and the plate around it."""

    def remake(run: Run) -> Planes:
        made = run.codes.copy()
        made[:, *MATTE] = DISPLAY.encode(np.float32([light]))[0]
        return made

    return remake


def fix(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    remake: Remake,
    *,
    area_px: int = 832 * 480,
    **changes: object,
) -> tuple[FixResult, KnownEngine]:
    """The take that the engine makes of root's shot."""
    engine = KnownEngine(model(area_px), remake)
    monkeypatch.setattr("secondtake_daemon.pipeline.factory", lambda _card: lambda _same: engine)
    values: dict[str, object] = {
        "job": uuid.uuid4().hex,
        "shot": "sh",
        "plate": str(root / "plate" / "sh.####.exr"),
        "matte": str(root / "matte" / "m.####.exr"),
        "out": str(root / "out"),
        "operation": Operation.REPLACE,
        "instruction": "a hat",
        "engine": "standin",
    }
    request = FixRequest(**{**values, **changes})  # type: ignore[arg-type]
    folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 30)
    return render_fix(request, take="tabc12", folders=folders, report=Recorder()), engine


def write_shot(root: Path, picture: Callable[[int], Planes], *, alpha: float = 1.0) -> None:
    """Float plates of (HEIGHT, WIDTH, 3) pictures, and a matte that does not move."""
    (root / "plate").mkdir(parents=True)
    (root / "matte").mkdir()
    matte = np.zeros((HEIGHT, WIDTH), np.float16)
    matte[MATTE] = alpha
    for at, frame in enumerate(FRAMES):
        planes = {name: np.ascontiguousarray(picture(at)[..., n]) for n, name in enumerate("RGB")}
        OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(root / "plate" / f"sh.{frame}.exr"))
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(root / "matte" / f"m.{frame}.exr"))


def texture(at: int, *, contrast: float = 0.7) -> Planes:
    """Band-limited, with a middle of 0.18, and no colour that Rec.709 does not have."""
    noise = np.random.default_rng(at).normal(size=(HEIGHT, WIDTH, 4)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    smooth = (smooth[..., 3:] + 0.2 * smooth[..., :3]) / smooth.std()
    return np.asarray(0.18 * np.exp(contrast * smooth), np.float32)


def picture_of(file: str) -> Planes:
    planes = read(Path(file))[0][1]
    return np.stack([planes[name] for name in "RGB"], axis=-1).astype(np.float32)


def plate_of(root: Path, frame: int) -> Planes:
    return picture_of(str(root / "plate" / f"sh.{frame}.exr"))


def logged(at: int) -> Planes:
    """The texture as a log plate holds it."""
    return np.asarray(0.41 + 0.06 * np.log(texture(at) / 0.18), np.float32)


@pytest.mark.parametrize(("colourspace", "picture"), [("", texture), ("ACEScg", texture), ("ACEScct", logged)])
def test_a_model_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colourspace: str, picture: Callable[[int], Planes]
) -> None:
    """At the plate's own size: the only loss is the float32 of matrices and curves."""
    write_shot(tmp_path, picture)
    result, engine = fix(tmp_path, monkeypatch, same, colourspace=colourspace)
    assert engine.canvases == {(WIDTH, HEIGHT)}, "the model saw the plate's own pixels"
    for frame, file in zip(FRAMES, result.files, strict=True):
        np.testing.assert_allclose(picture_of(file), plate_of(tmp_path, frame), rtol=RELATIVE, atol=2e-5)


@pytest.mark.parametrize("area_px", [160 * 96, 240 * 144, 208 * 128], ids=["half", "three quarters", "uneven"])
def test_nothing_moves_on_a_smaller_canvas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, area_px: int) -> None:
    """Less than a hundredth of a pixel, in every frame. (Of low contrast: averaged light is not averaged codes.)"""
    write_shot(tmp_path, lambda at: texture(at, contrast=0.2))
    result, engine = fix(tmp_path, monkeypatch, same, area_px=area_px)
    ((width, height),) = engine.canvases
    assert width * height <= area_px < WIDTH * HEIGHT
    for frame, file in zip(FRAMES, result.files, strict=True):
        before, after = plate_of(tmp_path, frame), picture_of(file)
        assert after.tobytes() != before.tobytes()
        assert np.hypot(*shift_px(before[MATTE][..., 1], after[MATTE][..., 1])) < 0.01


def test_a_shift_would_be_seen() -> None:
    before = texture(0)[..., 1]
    after = cv2.warpAffine(before, np.float32([[1, 0, 1 / 32], [0, 1, 0]]), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    assert shift_px(before[MATTE], before[MATTE]) == pytest.approx((0, 0), abs=1e-6)
    assert np.hypot(*shift_px(before[MATTE], after[MATTE])) > 0.02


def shift_px(before: Planes, after: Planes) -> tuple[float, float]:
    """Of the lower frequencies, by the slope of their phase (Stone, Orchard, Chang and Martucci 2001)."""
    height, width = before.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    first, second = (np.fft.fft2((each - each.mean()) * window) for each in np.log([before, after], dtype=np.float64))
    y, x = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    low = (np.hypot(x, y) < 0.12) & (np.hypot(x, y) > 0)
    cross = (second * np.conj(first))[low]
    weight = np.sqrt(np.abs(cross))
    slopes = -2 * np.pi * np.stack([x[low], y[low]], axis=1) * weight[:, None]
    (right, down), *_ = np.linalg.lstsq(slopes, np.angle(cross) * weight, rcond=None)
    return float(right), float(down)


@pytest.mark.parametrize("top", [1.0, 8.0, 50.0])
def test_a_ramp_above_1_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: float) -> None:
    """Inside the matte, up to 8 stops above middle grey: within 0.02 %, and 0.00002 near black."""

    def ramp(at: int) -> Planes:
        picture = texture(at)
        picture[MATTE] = np.linspace(0, top, 128, dtype=np.float32)[None, :, None]
        return picture

    write_shot(tmp_path, ramp)
    result, _ = fix(tmp_path, monkeypatch, same)
    for frame, file in zip(FRAMES, result.files, strict=True):
        made, given = picture_of(file)[MATTE], plate_of(tmp_path, frame)[MATTE]
        np.testing.assert_allclose(made, given, rtol=RELATIVE, atol=2e-5)
        assert made.max() == pytest.approx(top, rel=RELATIVE)


@pytest.mark.parametrize("light", [0.02, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("colourspace", ["", "ACEScg"])
def test_a_model_that_makes_one_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, light: float, colourspace: str
) -> None:
    """It arrives as that light in the plate's own space, mixed by the matte, and nowhere else."""
    write_shot(tmp_path, texture, alpha=0.5)
    result, _ = fix(tmp_path, monkeypatch, flat(light), colourspace=colourspace)
    manifest = load(Path(result.manifest))
    assert manifest.proof.outside_changed == 0
    for frame, file in zip(FRAMES, result.files, strict=True):
        made, given = picture_of(file), plate_of(tmp_path, frame)
        wanted = (given[MATTE] + np.float32(light)) / 2
        np.testing.assert_allclose(made[MATTE], wanted, rtol=5 * RELATIVE, atol=1e-4)
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[MATTE] = False
        assert made[outside].tobytes() == given[outside].tobytes()


def test_a_dark_shot_is_lifted_and_brought_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six stops under: the model sees middle grey, the plate gets back what it had."""
    seen: list[float] = []

    def watched(run: Run) -> Planes:
        seen.append(float(np.median(run.codes)))
        return run.codes

    write_shot(tmp_path, lambda at: texture(at) / 64)
    result, _ = fix(tmp_path, monkeypatch, watched)
    assert seen == pytest.approx([float(DISPLAY.encode(np.float32([0.18]))[0])] * len(seen), abs=0.06)
    for frame, file in zip(FRAMES, result.files, strict=True):
        np.testing.assert_allclose(picture_of(file), plate_of(tmp_path, frame), rtol=RELATIVE, atol=2e-5)


def test_lamps_of_ten_thousand_around_the_matte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than any model's curve holds: outside they stay to the bit, and they do not darken what is made beside."""
    write_bright_shot(tmp_path)
    result, _ = fix(tmp_path, monkeypatch, same)
    for frame, file in zip(FRAMES, result.files, strict=True):
        inside = matte_on(LAYOUT, tmp_path / "matte" / f"m.{frame}.exr")
        assert changed_outside(tmp_path / "plate" / f"sh.{frame}.exr", Path(file), inside, ("R", "G", "B")) == []
        assert picture_of(file).max() == np.float16(1e4)
        made, given = picture_of(file)[inside], plate_of(tmp_path, frame)[inside]
        np.testing.assert_allclose(made, given, rtol=2**-10, atol=1e-4)  # half
