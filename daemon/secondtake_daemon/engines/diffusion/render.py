"""One window through a model: light → codes on the canvas → the model → colour lock → light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.contract import FloatImage, Job, Patch, Window
from secondtake_daemon.engines.diffusion.canvas import Canvas, canvas_for
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.lock import SAME, Lock, solve_lock
from secondtake_daemon.engines.diffusion.mattes import generation_mattes
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.shaper import SHAPERS, Shaper
from secondtake_daemon.engines.diffusion.span import Span, span_for

__all__ = ["Look", "Model", "render"]

Codes = NDArray[np.float32]
Model = Callable[[Run], Codes]
"""Codes (F, H, W, 3) for a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What does not change from window to window."""

    family: Family
    settings: Settings
    gain: float
    """Exposure: light · gain is what the model sees."""
    shape: str
    """Of the generation matte."""
    references: tuple[Codes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Clip:
    """The frames of a span on the canvas."""

    codes: Codes
    holes: NDArray[np.bool_]
    """Where the plate is not to be seen; False in accepted frames."""
    is_accepted: NDArray[np.bool_]
    """(F,)"""


def render(window: Window, job: Job, *, look: Look, model: Model) -> Patch:
    """The patch of a window. Raises what the model raises."""
    family, shaper = look.family, SHAPERS[look.family.shaper]
    span = span_for(window.frames, shot=window.shot.frames, head=family.head, tail=family.tail, every=family.every)
    canvas = canvas_for(window.crop, area_px=family.area_px, stride_px=family.stride_px)
    clip = _clip(window, span, canvas, gain=look.gain, shaper=shaper, step=job.step)
    holes = generation_mattes(clip.holes, shape=look.shape, reach=family.every)
    holes[clip.is_accepted] = False
    made = model(
        Run(
            canvas=canvas,
            codes=clip.codes,
            holes=holes,
            control=None,
            looks=look.references,
            prompt=job.instruction,
            negative_prompt="",
            seed=job.seed,
            first=span.frames[0],
            settings=look.settings,
        )
    )
    lock = _lock(made, clip, holes)
    own = [_light(lock.apply(each), canvas, gain=look.gain, shaper=shaper) for each in made[span.own]]
    return Patch(frames=window.frames, box=window.crop, pixels=np.stack(own))


def _clip(
    window: Window, span: Span, canvas: Canvas, *, gain: float, shaper: Shaper, step: Callable[[], None]
) -> _Clip:
    codes, holes, accepted = [], [], []
    for frame in span.frames:
        step()
        known = window.accepted.get(frame)
        light = window.shot.plate(frame, window.crop) if known is None else known
        codes.append(shaper.encode(canvas.shrink(_finite(light) * np.float32(gain))))
        hole = canvas.shrink_hole(window.shot.hole(frame, window.crop))
        holes.append(hole if known is None else np.zeros_like(hole))
        accepted.append(known is not None)
    return _Clip(np.stack(codes), np.stack(holes), np.array(accepted))


def _finite(light: FloatImage) -> FloatImage:
    """A sample that is no number, or that would outshine a whole pixel of the canvas, is not averaged."""
    return np.clip(np.nan_to_num(light, nan=0.0, posinf=1e4, neginf=0.0), -1e4, 1e4)


def _lock(made: Codes, clip: _Clip, holes: NDArray[np.bool_]) -> Lock:
    """From the ring and from the frames that are accepted already, near the hole."""
    ring = holes & ~clip.holes
    near = holes.any(axis=0)
    again = clip.is_accepted[:, None, None] & near
    where = ring | again
    return solve_lock(made[where], clip.codes[where]) if where.any() else SAME


def _light(codes: Codes, canvas: Canvas, *, gain: float, shaper: Shaper) -> FloatImage:
    return shaper.decode(canvas.enlarge(codes)) / np.float32(gain)
