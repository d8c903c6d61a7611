"""The stand-in engine does what its switches say, and the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from secondtake.boxes import Box
from secondtake.errors import EngineFault, GpuMemory, UsageError
from secondtake.messages import ControlKind, Operation, Quality
from secondtake_daemon.engines.contract import Control, FloatImage, Job, Window
from secondtake_daemon.engines.standin import StandInEngine

CROP = Box(2, 3, 5, 4)
NOTHING = Control()


class RampShot:
    """A plate whose samples are their own coordinates."""

    frames = (1, 2, 3, 4)
    bounds = Box(0, 0, 10, 10)

    def plate(self, frame: int, box: Box) -> FloatImage:
        y, x = np.mgrid[box.y : box.bottom, box.x : box.right].astype(np.float32)
        return np.dstack([x, y, np.full_like(x, frame)])

    def hole(self, frame: int, box: Box) -> FloatImage:
        return np.ones((box.height, box.width), np.float32)


def generate(
    tmp_path: Path, window: tuple[int, ...] = (1, 2), seed: int = 0, control: Control = NOTHING, **options: str
) -> FloatImage:
    job = Job(
        operation=Operation.REMOVE,
        instruction="",
        quality=Quality.FINAL,
        seed=seed,
        options=options,
        control=control,
        scratch=tmp_path,
        step=lambda: None,
    )
    engine = StandInEngine()
    engine.load(job)
    patch = engine.generate(Window(index=0, frames=window, crop=CROP, shot=RampShot()), job)
    engine.unload()
    return patch.pixels


def test_identity_returns_the_plate(tmp_path: Path) -> None:
    pixels = generate(tmp_path, mode="identity")
    np.testing.assert_array_equal(pixels[1], RampShot().plate(2, CROP))


def test_what_is_followed_is_painted(tmp_path: Path) -> None:
    pixels = generate(tmp_path, mode="followed")
    np.testing.assert_array_equal(pixels[1], RampShot().plate(2, CROP))
    seen: list[tuple[int, Box]] = []

    def read(frame: int, box: Box) -> FloatImage:
        seen.append((frame, box))
        return np.full((box.height, box.width, 3), frame / 8, np.float32)

    followed = generate(tmp_path, control=Control(kind=ControlKind.DEPTH, read=read), mode="followed")
    assert seen == [(1, CROP), (2, CROP)]
    np.testing.assert_array_equal(followed[1], np.full((CROP.height, CROP.width, 3), 0.25, np.float32))


def test_noise_is_keyed_to_the_absolute_frame(tmp_path: Path) -> None:
    together, alone = generate(tmp_path, (1, 2), mode="noise"), generate(tmp_path, (2,), mode="noise")
    np.testing.assert_array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(generate(tmp_path, (2,), seed=1, mode="noise"), alone)


def test_faults(tmp_path: Path) -> None:
    assert np.isnan(generate(tmp_path, nan_at="2")[1]).all()
    assert generate(tmp_path, wrong_size_at="2").shape != generate(tmp_path).shape
    with pytest.raises(GpuMemory):
        generate(tmp_path, gpu_memory_at="1")
    with pytest.raises(EngineFault):
        generate(tmp_path, load_fails="true")
    with pytest.raises(RuntimeError):
        generate(tmp_path, crash_at="2", crash="raise", crash_times="1")
    generate(tmp_path, crash_at="2", crash="raise", crash_times="1")


@pytest.mark.parametrize("options", [{"sped": "1"}, {"frame_s": "fast"}, {"load_fails": "1"}, {"crash_at": "x"}])
def test_wrong_switches_are_refused(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        generate(tmp_path, **options)
