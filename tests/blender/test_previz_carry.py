"""A painted frame of a previz, carried by Blender's own vectors, against the same carry with estimated motion."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.messages import FixRequest, Operation, Phase, Reference
from secondtake_daemon.pipeline import Folders, render_fix

FRAMES = range(1, 10)
PAINTED = 5
LEAST_BETTER_DB = 6.0

Picture = NDArray[np.float32]


class Quiet:
    """A report that nobody reads."""

    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: object) -> None: ...

    def step(self) -> None: ...

    def stage(self, stage: object) -> None: ...


def picture(path: Path) -> Picture:
    """(h, w, 3) float32 of the main picture."""
    planes = {
        name.rpartition(".")[2]: channel.pixels
        for part in OpenEXR.File(str(path), separate_channels=True).parts
        for name, channel in part.channels.items()
        if name in ("R", "G", "B") or ".Combined." in f".{name}"
    }
    return np.stack([planes[name] for name in "RGB"], axis=-1)


def carried(folder: Path, out: Path, *, motion: str) -> dict[int, Picture]:
    request = FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=str(folder / "previz" / "previz.####.exr"),
        matte=str(folder / "matte" / "matte.####.exr"),
        out=str(out),
        operation=Operation.MODIFY,
        references=(Reference(path=str(folder / "painted" / f"plate.{PAINTED:04d}.exr"), frame=PAINTED),),
        motion=motion,
        engine_options={"transfer": "colour", "grain": "none"},
    )
    folders = Folders(cache=out / "cache", takes=out / "takes", cache_bytes=1 << 30)
    result = render_fix(request, take="tabc12", folders=folders, report=Quiet())
    return {frame: picture(Path(file)) for frame, file in zip(result.frames, result.files, strict=True)}


def score_db(frames: dict[int, Picture], folder: Path) -> float:
    """PSNR inside the matte, over the frames that nobody painted."""
    errors = []
    for frame in FRAMES:
        matte = (
            OpenEXR.File(str(folder / "matte" / f"matte.{frame:04d}.exr"), separate_channels=True)
            .channels()["V"]
            .pixels
        )
        truth = picture(folder / "painted" / f"plate.{frame:04d}.exr")
        if frame != PAINTED:
            errors.append(((frames[frame] - truth) ** 2)[matte > 0.5].ravel())
    return float(-10 * np.log10(np.mean(np.concatenate(errors))))


@pytest.mark.timeout(240)
def test_blenders_vectors_carry_better_than_estimated_motion(one_blender: Callable[..., str], tmp_path: Path) -> None:
    one_blender("nodes_and_clips", "render_shot_to_carry")
    exact = score_db(carried(tmp_path, tmp_path / "a", motion=str(tmp_path / "previz" / "previz.####.exr")), tmp_path)
    estimated = score_db(carried(tmp_path, tmp_path / "b", motion=""), tmp_path)
    plate = {frame: picture(tmp_path / "previz" / f"previz.{frame:04d}.exr") for frame in FRAMES}
    left = score_db(plate, tmp_path)
    print(f"exact {exact:.1f} dB, estimated {estimated:.1f} dB, the plate as it is {left:.1f} dB")
    assert exact > estimated + LEAST_BETTER_DB and exact > left + LEAST_BETTER_DB
