"""The plate's grain on what was made: as much as is missing, and none where none is meant."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))
from array_shots import ArrayShot

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.contract import Job, Window
from secondtake_daemon.engines.diffusion.regrain import Grains, grain_wanted

COUNT, HEIGHT, WIDTH = 8, 300, 400
SIGMA = 0.012
CROP = Box(100, 50, 200, 200)


def soft(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 0.7), np.float32)


@pytest.fixture(scope="module")
def clean() -> NDArray[np.float32]:
    """A soft picture that pans two pixels a frame."""
    rng = np.random.default_rng(0)
    base = cv2.GaussianBlur(rng.random((HEIGHT + 40, WIDTH + 40, 3), np.float32), (0, 0), 30)
    base = (base - base.min()) / np.ptp(base) * 0.6 + 0.05
    return np.stack([base[n : n + HEIGHT, 2 * n : 2 * n + WIDTH] for n in range(COUNT)])


@pytest.fixture(scope="module")
def grain(clean: NDArray[np.float32]) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    white = rng.normal(0, SIGMA * 2.5, clean.shape).astype(np.float32)
    return np.stack([soft(each) for each in white]) * np.sqrt(clean / 0.18)


def window_of(plate: NDArray[np.float32], frames: slice = slice(None)) -> Window:
    holes = np.zeros(plate.shape[:3], np.float32)
    holes[:, 100:200, 150:250] = 1
    shot = ArrayShot(plate, holes)
    return Window(index=0, frames=shot.frames[frames], crop=CROP, shot=shot)


def cut(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    return pictures[:, CROP.y : CROP.bottom, CROP.x : CROP.right]


@pytest.mark.parametrize("left", [0.0, 0.5])
@pytest.mark.parametrize("gain", [1.0, 4.0])
def test_what_is_missing_is_added(
    clean: NDArray[np.float32], grain: NDArray[np.float32], left: float, gain: float
) -> None:
    plate = (clean + grain) / np.float32(gain)
    made = cut(clean + np.float32(left) * grain) / np.float32(gain)
    out = np.stack(Grains(gain=gain).put(window_of(plate), light=list(made)))
    got, wanted = (out * gain - cut(clean)), cut(grain)
    assert got.std() == pytest.approx(wanted.std(), rel=0.08)
    lag = [(each[:, :, 1:] * each[:, :, :-1]).mean() / (each**2).mean() for each in (got, wanted)]
    assert lag[0] == pytest.approx(lag[1], abs=0.12)


def test_grain_that_is_there_stays_and_a_clean_plate_gets_none(
    clean: NDArray[np.float32], grain: NDArray[np.float32]
) -> None:
    grained = cut(clean + grain)
    out = Grains(gain=1.0).put(window_of(clean + grain), light=list(grained))
    assert np.abs(np.stack(out) - grained).std() < 0.4 * SIGMA
    assert np.stack(Grains(gain=1.0).put(window_of(clean), light=list(cut(clean)))).tobytes() == cut(clean).tobytes()


def test_painted_frames_are_the_artists_and_each_frame_has_its_own(
    clean: NDArray[np.float32], grain: NDArray[np.float32]
) -> None:
    window, made = window_of(clean + grain), cut(clean)
    out = Grains(gain=1.0).put(window, light=list(made), painted={window.frames[2]})
    assert out[2].tobytes() == made[2].tobytes()
    noise = [each - before for each, before in zip(out, made, strict=True)]
    assert abs(float(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1])) < 0.05


def test_new_frames_have_the_grain_of_the_plate_beside_them(
    clean: NDArray[np.float32], grain: NDArray[np.float32]
) -> None:
    plate = clean + grain
    plate[4:] = 0
    holes = np.zeros(plate.shape[:3], np.float32)
    holes[4:] = 1
    shot = ArrayShot(plate, holes)
    window = Window(index=1, frames=shot.frames[4:], crop=CROP, shot=shot)
    made = cut(clean)[4:]
    out = np.stack(Grains(gain=1.0).put(window, light=list(made)))
    assert (out - made).std() == pytest.approx(cut(grain)[4:].std(), rel=0.1)


@pytest.mark.parametrize(
    ("operation", "quality", "options", "wanted"),
    [
        (Operation.REPLACE, Quality.FINAL, {}, True),
        (Operation.EXTEND, Quality.FINAL, {}, True),
        (Operation.REPLACE, Quality.DRAFT, {}, False),
        (Operation.REPLACE, Quality.DRAFT, {"grain": "match"}, True),
        (Operation.RESTYLE, Quality.FINAL, {}, False),
        (Operation.RESTYLE, Quality.FINAL, {"grain": "match"}, True),
        (Operation.REMOVE, Quality.FINAL, {"grain": "none"}, False),
    ],
)
def test_who_gets_it(
    tmp_path: Path, operation: Operation, quality: Quality, options: Mapping[str, str], wanted: bool
) -> None:
    values: dict[str, Any] = {"instruction": "", "seed": 0, "scratch": tmp_path, "step": lambda: None}
    assert grain_wanted(Job(operation=operation, quality=quality, options=options, **values)) is wanted
    with pytest.raises(BadInput, match="grain=much"):
        grain_wanted(Job(operation=operation, quality=quality, options={"grain": "much"}, **values))
