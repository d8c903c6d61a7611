"""What an engine must do: `load`, `generate(window) -> patch`, `unload`.

An engine is called in a worker process, from one thread. It may look at any frame of the shot through `Shot`, and it
must return the same bytes for the same window whatever was asked before, so noise is keyed to the absolute frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import GpuMemory
from secondtake.messages import ControlKind, Operation, Quality, Stage
from secondtake_daemon.engines.card import Card

__all__ = [
    "Anchor",
    "Control",
    "Engine",
    "FloatImage",
    "FreshWorker",
    "Job",
    "Known",
    "Patch",
    "Replan",
    "Shot",
    "Sound",
    "Window",
]

FloatImage = NDArray[np.float32]


class Replan(GpuMemory):
    """An engine ran out of memory and can do the job in a smaller form: plan it anew (`engines.catalogue.fitted`).
    What it made of the job so far is of another form, and does not count."""


class FreshWorker(GpuMemory):
    """An engine ran out of memory in this process and wants to go on in another one. What it made counts."""


class Known(IntEnum):
    """How an engine knows a pixel that it made (docs/confidence.md)."""

    UNSAID = 0
    """Outside the hole."""
    SEEN = 1
    """Other frames show it, and agree."""
    CARRIED = 2
    """Brought from a painted reference, or along a motion that only the surroundings support."""
    INVENTED = 3
    """No frame shows it."""


class Shot(Protocol):
    """Random access to the shot, for any engine that looks beyond its window. Do not write into the arrays."""

    @property
    def frames(self) -> tuple[int, ...]:
        """All frame numbers of the shot, ascending; may have gaps."""

    @property
    def bounds(self) -> Box:
        """The plate's data window: the largest box that can be read."""

    def plate(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3) float32 in the card's colour encoding; box inside bounds. May hold NaN, inf, negatives."""

    def hole(self, frame: int, box: Box) -> FloatImage:
        """(height, width) float32 coverage 0..1 of the generation matte: above 0 is not to be trusted as source."""

    @property
    def references(self) -> tuple[int, ...]:
        """Frames of this shot that the artist painted, ascending; each lies inside `frames`."""

    def reference(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3) float32: the painted frame, in the card's colour encoding, like `plate`."""

    @property
    def has_motion(self) -> bool:
        """True if the request named motion vectors."""

    def motion(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 4) float32 in pixels, y down: from each pixel to where its point stands in the previous frame
        (x, y) and in the next (x, y). NaN where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A frame of the shot, from elsewhere, that is made already: what this window makes shall be the same thing."""

    frame: int
    picture: FloatImage
    """(height, width, 3) of the window's crop, in the card's colour encoding: the patch inside the hole, the plate
    around it. May hold NaN, inf, negatives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The frames an engine makes at once, and the crop box, which is one for the whole shot."""

    index: int
    frames: tuple[int, ...]
    crop: Box
    shot: Shot
    accepted: Mapping[int, FloatImage] = field(default_factory=dict)
    """Frames of its handles that are made already: (height, width, 3) of the crop, in the card's colour encoding,
    with the neighbour's patch inside the hole. Empty if the card has no handles."""
    anchor: Anchor | None = None
    """Given to windows that do not see it among their handles, if the card takes the option `anchor`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What an engine follows inside the hole, so that form and motion stay."""

    kind: ControlKind = ControlKind.NONE
    read: Callable[[int, Box], FloatImage] | None = None
    """Of a frame: (height, width, 3) float32 codes 0 … 1, as a screen shows them, over a box of the plate. None has it
    made of the plate (scribble and grey)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The part of the request that an engine sees."""

    operation: Operation
    instruction: str
    quality: Quality
    seed: int
    options: Mapping[str, str]
    looks: tuple[FloatImage, ...] = ()
    """Pictures of what is wanted, in the order they were given: (height, width, 3) float32 each, in the card's colour
    encoding, finite, of any size. At most `Card.looks`."""
    control: Control = Control()
    """What to follow inside the hole; of a kind that is on the card."""
    fps: float = 0.0
    """Frames a second; 0 is not said."""
    scratch: Path
    """A folder of this job's own; what lies there survives a crash of the worker and ends with the job."""
    kept: Path | None = None
    """A folder for what engines found out and need not find out again; all of it can be made anew, and may go."""
    step: Callable[[], None]
    """Call it often (at least every second): it says "alive" and raises Cancelled when the job is cancelled."""
    stage: Callable[[Stage], None] = field(default=lambda stage: None)
    """Call it, if there is more to say than frames, whenever that changes; it never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a window sounds like, and a little of what comes before and after it, so that two can be joined."""

    samples: FloatImage
    """(channels, samples) float32, -1 … 1."""
    rate_hz: int
    before: int = 0
    """Samples that stand before the window's first frame begins."""
    after: int = 0
    """Samples that stand after its last frame ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What an engine returns for one window."""

    frames: tuple[int, ...]
    """The window's frames, same order."""
    box: Box
    """The window's crop."""
    pixels: FloatImage
    """(frames, height, width, 3) float32, same encoding as it was given. Finite wherever the hole is above 0."""
    known: NDArray[np.uint8] | None = None
    """(frames, height, width) of `Known`, where the card says `says_how`; else None."""
    notes: tuple[str, ...] = ()
    """What the artist should know, one sentence each."""
    sound: Sound | None = None
    """If the engine makes some."""


class Engine(Protocol):
    """One engine. `card` is data; the calls run in this order, generate any number of times."""

    card: Card

    def survey(self, shot: Shot, crop: Box) -> str:
        """Before `load`: look at the shot as a whole. What is returned becomes part of each patch's content key, so
        that all windows that are ever put together were made with the same findings; "" if there are none."""

    def load(self, job: Job) -> None:
        """Make ready for one job. Raises BadInput if the job's options or sizes cannot be served."""

    def generate(self, window: Window, job: Job) -> Patch:
        """Fill the hole in each frame of the window."""

    def unload(self) -> None:
        """Give memory back. After it, load may be called again."""
