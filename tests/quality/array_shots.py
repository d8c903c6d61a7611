"""Shots for the tests: arrays in memory, and EXR sequences on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.contract import FloatImage, Job, Patch, Window
from secondtake_daemon.engines.temporal.engine import TemporalEngine

PLATES = Path(__file__).resolve().parents[2].parent / "shared" / "plates"


@dataclass
class ArrayShot:
    """A shot in memory, with the truth beside it."""

    plates: NDArray[np.float32]
    """(frames, h, w, 3)."""
    holes: NDArray[np.float32]
    """(frames, h, w)."""
    clean: NDArray[np.float32] | None = None
    first: int = 1001
    numbers: tuple[int, ...] = ()
    corner: tuple[int, int] = (0, 0)
    painted: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Frame number → (h, w, 3), frames that the artist painted."""
    vectors: NDArray[np.float32] | None = None
    """(frames, h, w, 4), as `Shot.motion`."""
    reads: int = field(default=0)

    @property
    def frames(self) -> tuple[int, ...]:
        return self.numbers or tuple(range(self.first, self.first + len(self.plates)))

    @property
    def bounds(self) -> Box:
        height, width = self.plates.shape[1:3]
        return Box(*self.corner, width, height)

    def plate(self, frame: int, box: Box) -> FloatImage:
        self.reads += 1
        return self.plates[self.frames.index(frame)][box.within(self.bounds)]

    def hole(self, frame: int, box: Box) -> FloatImage:
        return self.holes[self.frames.index(frame)][box.within(self.bounds)]

    @property
    def references(self) -> tuple[int, ...]:
        return tuple(sorted(self.painted))

    def reference(self, frame: int, box: Box) -> FloatImage:
        return self.painted[frame][box.within(self.bounds)]

    @property
    def has_motion(self) -> bool:
        return self.vectors is not None

    def motion(self, frame: int, box: Box) -> FloatImage:
        assert self.vectors is not None
        return self.vectors[self.frames.index(frame)][box.within(self.bounds)]

    @property
    def crop(self) -> Box:
        """Box around the holes of all frames, with margin."""
        rows, columns = np.nonzero((self.holes > 0).any(axis=0))
        if not len(rows):
            return self.bounds
        x, y = self.corner[0] + int(columns.min()), self.corner[1] + int(rows.min())
        box = Box(x, y, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        return box.pad(16).intersect(self.bounds)


def rendered(kind: str, *, first: int = 1, last: int = 24) -> ArrayShot:
    """One of the rendered shots, read with OpenEXR."""
    numbers = range(first, last + 1)
    folders = (PLATES / kind / name for name in ("plate", "matte", "clean"))
    plate, matte, clean = ([_pixels(folder / f"frame.{n:04d}.exr") for n in numbers] for folder in folders)
    return ArrayShot(np.stack(plate), np.stack(matte), np.stack(clean), first=first)


def _pixels(path: Path) -> NDArray[np.float32]:
    with OpenEXR.File(str(path)) as file:
        return np.asarray(next(iter(file.channels().values())).pixels, np.float32)


def job_in(
    folder: Path,
    *,
    quality: Quality = Quality.FINAL,
    seed: int = 0,
    grain: str = "match",
    operation: Operation = Operation.REMOVE,
) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    return Job(
        operation=operation,
        instruction="",
        quality=quality,
        seed=seed,
        options={"grain": grain},
        scratch=folder,
        step=lambda: None,
    )


def windows_of(shot: ArrayShot, *, length: int = 8) -> list[Window]:
    frames = shot.frames
    groups = [frames[start : start + length] for start in range(0, len(frames), length)]
    return [Window(index=i, frames=group, crop=shot.crop, shot=shot) for i, group in enumerate(groups)]


def removed(
    shot: ArrayShot, folder: Path, *, quality: Quality = Quality.FINAL, grain: str = "match"
) -> NDArray[np.float32]:
    """The whole shot with the hole replaced, as the product does it: every pixel with coverage above 0."""
    engine, job = TemporalEngine(), job_in(folder, quality=quality, grain=grain)
    engine.load(job)
    patches = [engine.generate(window, job) for window in windows_of(shot)]
    engine.unload()
    return composited(shot, patches)


def composited(shot: ArrayShot, patches: list[Patch]) -> NDArray[np.float32]:
    result = shot.plates.copy()
    for patch in patches:
        for frame, pixels in zip(patch.frames, patch.pixels, strict=True):
            place = shot.frames.index(frame)
            at = patch.box.within(shot.bounds)
            hole = shot.holes[place][at] > 0
            result[place][at][hole] = pixels[hole]
    return result
