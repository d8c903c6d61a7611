"""One window through a model: light → codes on the canvas → the model → colour lock → light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import EngineFault
from secondtake.messages import Operation
from secondtake_daemon.engines.contract import FloatImage, Job, Patch, Sound, Window
from secondtake_daemon.engines.diffusion.canvas import Canvas, canvas_for
from secondtake_daemon.engines.diffusion.clip import Clip, encoded, read_clip, read_inside
from secondtake_daemon.engines.diffusion.control import control_codes
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.lock import solve_locks
from secondtake_daemon.engines.diffusion.mattes import generation_mattes
from secondtake_daemon.engines.diffusion.regrain import Grains
from secondtake_daemon.engines.diffusion.run import Heard, Made, Run
from secondtake_daemon.engines.diffusion.shaper import SHAPERS, Shaper
from secondtake_daemon.engines.diffusion.span import Span, span_for

__all__ = ["Look", "Model", "prompt_of", "render"]

Codes = NDArray[np.float32]
Model = Callable[[Run], Made]

_JOIN_S = 0.1
"""Sound kept before and after a window's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What does not change from window to window."""

    family: Family
    settings: Settings
    gain: float
    """Exposure: light · gain is what the model sees."""
    shape: str
    """Of the generation matte."""
    negative_prompt: str = ""
    grains: Grains | None = None
    """Gives back the plate's grain; None leaves what is made as it is."""


def render(window: Window, job: Job, *, look: Look, model: Model) -> Patch:
    """The patch of a window. Raises what the model raises, and EngineFault if it returns another clip than asked."""
    family, shaper = look.family, SHAPERS[look.family.shaper]
    span = span_for(window.frames, shot=window.shot.frames, head=family.head, tail=family.tail, every=family.every)
    canvas = canvas_for(window.crop, area_px=family.area_px, stride_px=family.stride_px)
    clip = read_clip(window, span, canvas, gain=look.gain, shaper=shaper, step=job.step)
    holes = generation_mattes(clip.holes, shape=look.shape, reach=family.every) | clip.unseen
    # Whole frames that are new must not hide the plate's beside them: those are what the model goes on from.
    swallowed = holes.all(axis=(1, 2)) & ~clip.holes.any(axis=(1, 2))
    holes[clip.is_known | swallowed] = False
    fps = job.fps or family.fps
    made = model(
        Run(
            canvas=canvas,
            codes=clip.codes,
            holes=holes,
            control=control_codes(job.control, frames=span.frames, crop=window.crop, canvas=canvas, plate=clip.codes),
            looks=_looks(window, span, canvas, job, look=look),
            prompt=prompt_of(job, family),
            negative_prompt=look.negative_prompt,
            seed=job.seed,
            first=span.first,
            shaper=shaper.name,
            fps=fps,
            settings=look.settings,
        )
    )
    _refuse_misfit(made.codes, clip.codes, family)
    locks = solve_locks(made.codes, clip.codes, ring=holes & ~clip.holes & ~clip.unseen, known=_known(clip, holes))
    own = [
        clip.painted[frame] if frame in clip.painted else
        _light(locks[at].apply(made.codes[at]), canvas, gain=look.gain, shaper=shaper)
        for at, frame in zip(range(span.own.start, span.own.stop), window.frames, strict=True)
    ]  # fmt: skip
    if look.grains is not None:
        own = look.grains.put(window, light=own, painted=clip.painted)
    sound = None if made.sound is None else _own_sound(made.sound, span, fps=fps)
    return Patch(frames=window.frames, box=window.crop, pixels=np.stack(own), sound=sound)


def prompt_of(job: Job, family: Family) -> str:
    """What the model is told to make."""
    if job.instruction or job.operation is not Operation.REMOVE:
        return job.instruction
    return family.removal_prompt


def _looks(window: Window, span: Span, canvas: Canvas, job: Job, *, look: Look) -> tuple[Codes, ...]:
    """Pictures of what is wanted; where a painted frame lies outside the span, the nearest one is one too, and last
    what was made first of the shot."""
    family, shaper, anchor = look.family, SHAPERS[look.family.shaper], window.anchor
    looks = [shaper.encode(picture) for picture in job.looks[: family.looks]]
    painted = window.shot.references
    if painted and len(looks) < family.looks and not set(painted) & set(span.frames):
        nearest = min(painted, key=lambda frame: (abs(frame - window.frames[0]), frame))
        light = read_inside(window.shot.reference, nearest, window)
        looks.append(encoded(light, canvas, gain=look.gain, shaper=shaper))
    if anchor is not None and len(looks) < family.looks:
        codes = encoded(anchor.picture, canvas, gain=look.gain, shaper=shaper)
        hole = canvas.shrink_hole(read_inside(window.shot.hole, anchor.frame, window, nothing=0.0))
        looks.append(codes[_around(hole, grid_px=family.stride_px)])
    return tuple(looks)


def _around(hole: NDArray[np.bool_], *, grid_px: int) -> tuple[slice, slice]:
    """The part of a canvas that shows what was made, in whole squares of the model; all of it if nothing was."""
    if not hole.any():
        return slice(None), slice(None)
    spans = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    rows, columns = (
        slice(int(span[0]) // grid_px * grid_px, -(-int(span[-1] + 1) // grid_px) * grid_px) for span in spans
    )
    return rows, columns


def _known(clip: Clip, holes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(F, H, W): pixels of known frames, near the hole, that the model made again."""
    near = holes.any(axis=0)
    return clip.is_known[:, None, None] & near & ~clip.unseen


def _light(codes: Codes, canvas: Canvas, *, gain: float, shaper: Shaper) -> FloatImage:
    return shaper.decode(canvas.enlarge(codes)) / np.float32(gain)


def _refuse_misfit(made: Codes, asked: Codes, family: Family) -> None:
    """Pipelines round sizes and lengths that they do not like, without a word."""
    if made.shape != asked.shape:
        raise EngineFault(
            f"{family.pipeline} returned {_size(made)}, and was asked for {_size(asked)}",
            remedy="Nothing was written; use the version of diffusers that this was made for",
        )


def _size(codes: Codes) -> str:
    frames, height, width = codes.shape[:3]
    return f"{frames} frames of {width} x {height}"


def _own_sound(heard: Heard, span: Span, *, fps: float) -> Sound:
    """What belongs to the window's own frames, and a little around it to join it by."""
    rate, length = heard.rate_hz, heard.samples.shape[1]
    begin, end = (min(round(place / fps * rate), length) for place in (span.own.start, span.own.stop))
    before, after = min(round(_JOIN_S * rate), begin), min(round(_JOIN_S * rate), length - end)
    samples = np.ascontiguousarray(heard.samples[:, begin - before : end + after], np.float32)
    return Sound(samples=samples, rate_hz=rate, before=before, after=after)
