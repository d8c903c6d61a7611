"""The card of an engine: what it can do and needs, as plain data the daemon may read without loading the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from secondtake.messages import ControlKind, Operation
from secondtake_daemon.models.shelf import Model

__all__ = ["Card", "EngineColour"]


class EngineColour(Enum):
    """In which encoding an engine wants to see pixels."""

    SCENE_LINEAR = "scene-linear"
    """The plate as it is when its space is scene-linear, else brought to the configuration's scene_linear role."""
    LINEAR_REC709 = "lin_rec709_scene"
    """Light, with the primaries that video has: what a model's display curve is defined over."""
    LINEAR_AP1 = "lin_ap1_scene"
    """Light, with the primaries of ACEScg and ACEScct."""
    PLATE = "plate"
    """The plate's own numbers, whatever they mean."""

    @property
    def gamut(self) -> str:
        """The primaries it insists on; "" are any."""
        return self.value if self in (EngineColour.LINEAR_REC709, EngineColour.LINEAR_AP1) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the plan and the queue must know. Lengths in frames, sizes in pixels of the plate."""

    name: str
    version: str
    """Raised by every change that changes pixels; part of the content key of a patch."""
    summary: str
    operations: frozenset[Operation]
    factory: str
    """`package.module:Class`, imported in the worker only."""
    colour: EngineColour
    window_frames: int
    """Frames that a window owns, at most; windows stand on multiples of it."""
    head_frames: int = 0
    """Handles: frames before a window that the engine looks at or renders too."""
    tail_frames: int = 0
    """The same after it. With handles, windows are made after neighbours and see there what those made."""
    stride_px: int = 1
    """Width and height of the crop are multiples of this."""
    context_px: int = 0
    """Pixels around the matte that the crop holds at least."""
    context_ratio: float = 0.0
    """The same as a share of the matte's larger side; the greater of the two counts."""
    steady_crop: bool = True
    """True if all windows must have the same crop, because what it makes hangs on where the crop lies."""
    sees_shot: bool = False
    """True if a patch depends on the whole shot, not only on the frames of its window."""
    reads_instruction: bool = False
    """True if the words of the instruction change what it makes."""
    references: bool = False
    """True if it makes use of reference images."""
    looks: int = 0
    """Of those without a frame, how many at most."""
    controls: frozenset[ControlKind] = frozenset()
    """What it can follow inside the matte."""
    edits_stills: bool = False
    """True if it makes one frame at a time and does not know of the others: then a recipe carries its picture on."""
    carries: bool = False
    """True if it carries painted frames through the shot."""
    steps: tuple[Card, ...] = ()
    """Of a recipe: the engines that it is made of, in their order."""
    whole_frames: bool = False
    """True if it can make frames of which the plate shows nothing, so that no matte is needed."""
    needs_words: frozenset[Operation] = frozenset()
    """Operations that it can do only if an instruction, or a reference, says what to make."""
    needs_painted: frozenset[Operation] = frozenset()
    """Operations that it can do only with a painted frame of the shot (`--reference IMAGE@FRAME`)."""
    reads_motion: bool = False
    """True if it makes use of motion vectors."""
    says_how: bool = False
    """True if its patches say how each pixel is known."""
    options: tuple[str, ...] = ()
    """Names of the switches it takes."""
    licence: str = "Apache-2.0"
    deterministic: bool = True
    model: Model | None = None
    """The installed model that it runs, if it is one of many of its kind."""
    adapters: tuple[Model, ...] = ()
    """What was added on that model, for jobs to wear."""
    why_not: str = ""
    """Why it cannot run here, in words; "" if it can."""
