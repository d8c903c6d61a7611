"""How true the removed background is: the temporal engine beside what others do with each frame alone, in one run.

On the rendered shots (where they are), on every kind of the generator and on real clips with an object pasted over.
All figures inside the matte against the clean plate. HDR-FLIP (Andersson et al., HPG 2021) where the `flip_evaluator`
package is installed. Then the grain, carried paint and tracked mattes.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from bars import REMOVE, Bars, clip_bars
from numpy.typing import NDArray
from rivals import GMIC, NAVIER_STOKES, PATCHMATCH, TELEA, Rival
from rows import Choice, Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import PLATES, ArrayShot, removed, rendered
from clips import CLIPS, pasted
from scenes import KINDS, make
from scores import flicker, mean_ssim, psnr, telea, warp_error
from textures import photographs

Frames = NDArray[np.float32]

_SLOW = (GMIC, PATCHMATCH)
_SLOW_FRAMES = 2
_SLOW_FRAMES_WARP = 3
"""Adjacent ones: a warp error needs pairs."""
_CLIP_FRAMES = {"move": 32, "fixed": 16}
_MOST_RATIO = 1e4
"""Beyond it a ratio says no more than that ours is nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A shot, what it is called, and what must be reached on it."""

    name: str
    seed: int | None
    shot: ArrayShot
    bars: Bars
    rivals: tuple[Rival, ...] = (NAVIER_STOKES,)

    @property
    def clean(self) -> Frames:
        """The truth."""
        assert self.shot.clean is not None
        return self.shot.clean

    @property
    def row(self) -> Callable[..., Row]:
        """A row of this shot."""
        return partial(Row, bench="fidelity", what=self.name, seed=self.seed)


def measure(choice: Choice) -> list[Row]:
    """Several rows for each shot."""
    for reason in _left_out(choice):
        print(f"fidelity: {reason}", file=sys.stderr)
    rows: list[Row] = []
    for subject in _subjects(choice):
        rows += _rows(subject)
    return rows + _clips(choice)


def _clips(choice: Choice) -> list[Row]:
    """Nobody judges their time, so two run at once."""
    wanted = [
        (clip.name, way)
        for clip in CLIPS.values()
        for way in _CLIP_FRAMES
        if not clip.missing and choice.has("clips", clip.name, f"{clip.name} {way}")
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        return [row for rows in workers.map(_clip_rows, wanted) for row in rows]


def _clip_rows(wanted: tuple[str, str]) -> list[Row]:
    name, way = f"{wanted[0]} {wanted[1]}", wanted[1]
    shot = pasted(wanted[0], moving=way == "move", frames=_CLIP_FRAMES[way])
    return [row for row in _rows(Subject(name, None, shot, clip_bars(name))) if row.unit != "s/frame"]


def _left_out(choice: Choice) -> Iterator[str]:
    """Why a rival or a shot is not in the table."""
    for rival in _SLOW:
        if rival.missing():
            yield f"{rival.name} is left out: {rival.missing()}"
    if importlib.util.find_spec("flip_evaluator") is None:
        yield "HDR-FLIP is left out: no module `flip_evaluator` (PyPI package flip-evaluator)"
    if not photographs():
        yield "the kinds are made from drawings: no photographs of scikit-image"
    if not PLATES.is_dir():
        yield "the rendered shots are left out: they are not beside the repository"
    for clip in CLIPS.values():
        if clip.missing and choice.has("clips", clip.name):
            yield f"the clip {clip.name} is left out: {clip.missing}"


def _subjects(choice: Choice) -> Iterator[Subject]:
    for kind in ("static", "parallax", "pan"):
        name = f"rendered {kind}"
        if PLATES.is_dir() and choice.has("rendered", name):
            yield Subject(name, None, rendered(kind), REMOVE[name], (NAVIER_STOKES, *_SLOW))
    for kind in KINDS:
        for seed in choice.seeds if choice.has("kinds", kind) else ():
            rivals = (NAVIER_STOKES, *_SLOW) if seed == choice.seeds[0] else (NAVIER_STOKES,)
            yield Subject(kind, seed, make(kind, seed=seed, drawn=False), REMOVE[kind], rivals)


def _rows(subject: Subject) -> list[Row]:
    shot = subject.shot
    with tempfile.TemporaryDirectory() as folder:
        started, busy = time.perf_counter(), time.process_time()
        ours = removed(shot, Path(folder), grain="none")
        seconds = (time.perf_counter() - started) / len(ours)
        cpu_seconds = (time.process_time() - busy) / len(ours)
    started = time.perf_counter()
    other = telea(shot.plates, shot.holes)
    telea_seconds = (time.perf_counter() - started) / len(ours)
    true = _true(subject, ours, other)
    gain = true[0].value - (true[0].rival_value or 0.0)
    seed = "" if subject.seed is None else f" {subject.seed}"
    print(f"fidelity: {subject.name}{seed}: {gain:+.1f} dB, {seconds:.2f} s/frame", file=sys.stderr)
    rows = [
        *true,
        *_steady(subject, ours, other),
        _speed(subject, seconds, TELEA, telea_seconds),
        subject.row(figure="CPU time, all threads", value=cpu_seconds, unit="s/frame"),
    ]
    for rival in subject.rivals:
        if not rival.missing():
            rows += _beside(subject, ours, seconds, rival)
    return rows


def _true(subject: Subject, ours: Frames, other: Frames) -> list[Row]:
    """How near the truth."""
    holes, bars, clean = subject.shot.holes, subject.bars, subject.clean
    one, two = psnr(ours, clean, holes), psnr(other, clean, holes)
    near = mean_ssim(ours, clean, holes)
    rows = [
        subject.row(figure="PSNR", value=one, unit="dB", rival="Telea", rival_value=two, goal=f"≥ {bars.gain_db:+g} dB",
             met=one - two >= bars.gain_db),
        subject.row(figure="SSIM", value=near, unit="", rival="Telea", rival_value=mean_ssim(other, clean, holes),
             goal=f"≥ {bars.ssim:g}" if bars.ssim else "", met=near >= bars.ssim if bars.ssim else None),
    ]  # fmt: skip
    flips = [_flip(frames, clean, holes) for frames in (ours, other)]
    if flips[0] is not None:
        rows.append(subject.row(figure="HDR-FLIP", value=flips[0], unit="", rival="Telea", rival_value=flips[1]))
    return rows


def _steady(subject: Subject, ours: Frames, other: Frames) -> list[Row]:
    """How still it stands."""
    holes, bars, clean = subject.shot.holes, subject.bars, subject.clean
    flickers = flicker(ours, clean, holes), flicker(other, clean, holes)
    warps = warp_error(ours, clean, holes), warp_error(other, clean, holes)
    return [
        _share(subject, "flicker", flickers, TELEA, bars.flicker_share),
        _share(subject, "warp error", warps, TELEA, bars.warp_share),
    ]


def _share(subject: Subject, figure: str, errors: tuple[float, float], rival: Rival, most: float | None) -> Row:
    """Our error as a share of the rival's. errors: ours, theirs."""
    ours, theirs = errors
    ratio = theirs / ours if theirs < _MOST_RATIO * ours else None
    return subject.row(figure=figure, value=ours, unit="× 10⁻³", rival=rival.name, rival_value=theirs, ratio=ratio,
        goal=f"≤ {most:.0%} of it" if most else "", met=ours <= most * theirs if most else None,
    )  # fmt: skip


def _speed(subject: Subject, ours: float, rival: Rival, theirs: float) -> Row:
    bars = subject.bars
    ratio, goal, met = theirs / ours, "", None
    if rival is TELEA and bars.seconds:
        goal, met = f"≤ {bars.seconds:g} s", ours <= bars.seconds
    if rival is GMIC and bars.gmic_ratio:
        goal, met = f"≥ {bars.gmic_ratio:g}×", ratio >= bars.gmic_ratio
    return subject.row(
        figure="time", value=ours, unit="s/frame", rival=rival.name, rival_value=theirs, ratio=ratio, goal=goal, met=met
    )


def _beside(subject: Subject, ours: Frames, seconds: float, rival: Rival) -> list[Row]:
    """PSNR and time of a rival; of a slow one on a few adjacent frames from the middle, with ours on the same."""
    shot, wanted = subject.shot, subject.bars.warp_share_patchmatch
    count = len(shot.plates)
    if rival in _SLOW:
        count = _SLOW_FRAMES_WARP if wanted else _SLOW_FRAMES
    first = (len(shot.plates) - count) // 2
    part = slice(first, first + count)
    holes, clean = shot.holes[part], subject.clean[part]
    started = time.perf_counter()
    theirs = rival.fill(shot.plates[part], holes)
    their_seconds = (time.perf_counter() - started) / count
    rows = [
        subject.row(figure="PSNR", value=psnr(ours[part], clean, holes), unit="dB", rival=rival.name,
             rival_value=psnr(theirs, clean, holes)),
        _speed(subject, seconds, rival, their_seconds),
    ]  # fmt: skip
    if rival is PATCHMATCH:
        errors = warp_error(ours[part], clean, holes), warp_error(theirs, clean, holes)
        rows.append(_share(subject, "warp error", errors, rival, wanted))
    return rows


def _flip(result: Frames, truth: Frames, holes: Frames) -> float | None:
    """Of the middle frame."""
    if importlib.util.find_spec("flip_evaluator") is None:
        return None
    evaluator = importlib.import_module("flip_evaluator")
    at = len(result) // 2
    true, one = np.maximum(truth[at], 0), np.maximum(result[at], 0)
    errors = np.asarray(evaluator.evaluate(true, one, "HDR", False, False)[0])
    inside = holes[at] > 0
    return float(errors.reshape(*inside.shape, -1)[inside].mean()) if inside.any() else None
