"""The study of a shot, kept in the job's scratch folder so that a restarted worker goes on with it.

NumPy archives without pickle, written under a temporary name and renamed. A damaged or foreign file is made anew.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.grain import Grain
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.card import CARD
from secondtake_daemon.engines.temporal.grain_pairs import measure_shot
from secondtake_daemon.engines.temporal.keys import choose_keys, never_seen
from secondtake_daemon.engines.temporal.kinds import Colour, Plane, Preset
from secondtake_daemon.engines.temporal.layers import Layers
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.proxy import Grid, Level, Picture
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.rim import measure_rim
from secondtake_daemon.engines.temporal.small import rim_px
from secondtake_daemon.engines.temporal.sources import hole_points
from secondtake_daemon.engines.temporal.tracks import FrameTracks
from secondtake_daemon.heap import give_back

__all__ = ["KeyPicture", "Study", "recall_or_analyse"]

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """One part of a key frame, finished. Levelled values; the box counts from the frame's corner."""

    index: int
    box: Box
    pixels: Colour
    kept: Plane
    """Share of the plate's grain variance that the pixels have; 1 also where none is to be added."""
    known: NDArray[np.uint8]
    """`Known` of every pixel that was made."""


@dataclass(frozen=True, slots=True)
class Study:
    """The analysis, and what follows from it for the whole shot."""

    analysis: Analysis
    grain: Grain
    keys: tuple[int, ...]
    """Frames on which the never-seen core is invented, in order."""
    invented_share: float
    """Part of the matte, over all frames, that no frame shows."""
    rim_px: int
    """How far outside the matte the plate is not trusted."""
    edge_px: int
    """How far outside the matte the object was found to show."""
    shot: Shot
    scratch: Path
    preset: str

    def coverage(self, index: int, box: Box) -> Plane:
        """The generation matte in a box that counts from the frame's corner."""
        bounds = self.shot.bounds
        there = Box(box.x + bounds.x, box.y + bounds.y, box.width, box.height)
        return np.clip(np.nan_to_num(self.shot.hole(self.analysis.frames[index], there), nan=1.0), 0, 1)

    def reader(self) -> Reader:
        """Of the shot, with what the matte leaves of the object's edge not trusted."""
        return Reader(shot=self.shot, gain=self.analysis.level.gain, rim_px=self.rim_px)

    def recall_key(self, index: int) -> tuple[KeyPicture, ...] | None:
        """The pictures of a key frame made before, if there are any."""
        arrays = _read(self._key_path(index))
        if arrays is None:
            return None
        boxes = [Box(*(int(v) for v in row)) for row in arrays["boxes"]]
        return tuple(
            KeyPicture(
                index,
                box,
                arrays[f"pixels{place}"].astype(np.float32),
                arrays[f"kept{place}"].astype(np.float32),
                arrays[f"known{place}"].astype(np.uint8),
            )
            for place, box in enumerate(boxes)
        )

    def keep_key(self, index: int, pictures: tuple[KeyPicture, ...]) -> None:
        """Store the pictures of a key frame."""
        arrays: Arrays = {f"pixels{place}": picture.pixels for place, picture in enumerate(pictures)}
        arrays |= {f"kept{place}": picture.kept for place, picture in enumerate(pictures)}
        arrays |= {f"known{place}": picture.known for place, picture in enumerate(pictures)}
        _write(self._key_path(index), {"boxes": np.array([picture.box for picture in pictures], np.int64), **arrays})

    def _key_path(self, index: int) -> Path:
        return self.scratch / f"temporal-{CARD.version}-{self.preset}-key-{index}.npz"


def recall_or_analyse(*, shot: Shot, preset: Preset, grained: bool, scratch: Path, step: Callable[[], None]) -> Study:
    """The study of this job's shot: read back if a worker made it before, else made and stored.

    grained: whether the plate's grain is wanted; to measure it takes as long as all the rest of a draft's study.
    """
    path = scratch / f"temporal-{CARD.version}-{preset.name}-study.npz"
    arrays = _read(path)
    if arrays is not None and _is_of(arrays, shot):
        return _unpacked(arrays, shot, preset, scratch)
    analysis = analyse(shot=shot, preset=preset, step=step)
    give_back()
    unseen = never_seen(analysis, step=step)
    keys = choose_keys(analysis, unseen=unseen, step=step)
    hole = sum(len(hole_points(analysis, index)) for index in np.flatnonzero(analysis.holes).tolist())
    invented = sum(len(points) for points in unseen) / max(hole, 1)
    edge = measure_rim(shot=shot, analysis=analysis, step=step) if preset.name == "final" else None
    rim = rim_px(shot.bounds.width) if edge is None else edge
    give_back()
    reader = Reader(shot=shot, gain=analysis.level.gain, rim_px=rim)
    grain = measure_shot(reader=reader, analysis=analysis, step=step) if grained else Grain.none()
    study = Study(analysis, grain, keys, invented, rim, edge or 0, shot, scratch, preset.name)
    _write(path, _packed(study))
    give_back()
    return study


def _is_of(arrays: Arrays, shot: Shot) -> bool:
    frames, size = tuple(arrays["frames"].tolist()), tuple(arrays["grid"][:2].tolist())
    return frames == tuple(shot.frames) and size == (shot.bounds.width, shot.bounds.height)


def _packed(study: Study) -> Arrays:
    analysis = study.analysis
    grid, level, noise = analysis.grid, analysis.level, analysis.noise
    lengths = [len(one.ids) for one in analysis.tracks]
    return {
        "frames": np.array(analysis.frames, np.int64),
        "numbers": np.array([level.gain, level.low, level.high, noise.slope, noise.floor, study.invented_share]),
        "rim": np.array([study.rim_px, study.edge_px], np.int64),
        "grid": np.array([grid.width, grid.height, grid.proxy_width, grid.proxy_height], np.int64),
        **{f"grey{place}": one.grey for place, one in enumerate(analysis.pictures)},
        **{f"gap{place}": one.gap for place, one in enumerate(analysis.pictures)},
        "gap_boxes": np.array([one.gap_box for one in analysis.pictures], np.int64),
        "blind": np.array([one.blind for one in analysis.pictures], bool),
        "lengths": np.array(lengths, np.int64),
        "ids": np.concatenate([one.ids for one in analysis.tracks]),
        "points": np.concatenate([one.points for one in analysis.tracks]),
        "colours": np.concatenate([one.colours for one in analysis.tracks]),
        "parts": analysis.parts,
        "of_track": analysis.layers.of_track,
        "poses": analysis.layers.poses,
        "lives": analysis.layers.lives,
        "holes": analysis.holes,
        "grain": np.stack([study.grain.slope, study.grain.floor]),
        "kernels": study.grain.kernels,
        "mixing": study.grain.mixing,
        "keys": np.array(study.keys, np.int64),
    }


def _unpacked(arrays: Arrays, shot: Shot, preset: Preset, scratch: Path) -> Study:
    gain, low, high, slope, floor, share = (float(value) for value in arrays["numbers"])
    ends = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
    split = (np.split(arrays[name], ends) for name in ("ids", "points", "colours"))
    tracks = tuple(
        FrameTracks(ids.astype(np.int32), points.astype(np.float32), colours.astype(np.float32))
        for ids, points, colours in zip(*split, strict=True)
    )
    analysis = Analysis(
        frames=tuple(shot.frames),
        grid=Grid(*(int(value) for value in arrays["grid"])),
        level=Level(gain, low, high),
        noise=Noise(slope, floor),
        pictures=tuple(
            Picture(arrays[f"grey{place}"].astype(np.uint8), arrays[f"gap{place}"].astype(bool), Box(*box), bool(blind))
            for place, (box, blind) in enumerate(zip(arrays["gap_boxes"].tolist(), arrays["blind"], strict=True))
        ),
        tracks=tracks,
        parts=arrays["parts"].astype(np.int32),
        layers=Layers(
            arrays["of_track"].astype(np.int8), arrays["poses"].astype(np.float64), arrays["lives"].astype(np.int32)
        ),
        holes=arrays["holes"].astype(bool),
    )
    slopes, floors = arrays["grain"].astype(np.float64)
    grain = Grain(slopes, floors, arrays["kernels"].astype(np.float64), arrays["mixing"].astype(np.float64))
    keys = tuple(int(key) for key in arrays["keys"])
    rim, edge = (int(value) for value in arrays["rim"])
    return Study(analysis, grain, keys, share, rim, edge, shot, scratch, preset.name)


def _read(path: Path) -> Arrays | None:
    """The archive's arrays; None if there is none, or it is damaged: then it is made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, arrays: Arrays) -> None:
    """Best effort: without it a restarted worker only measures the shot again, so a full disk is not an error here."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
