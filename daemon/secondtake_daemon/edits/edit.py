"""An edit as values: shots in playing order, what is to change in each, and how fast they play."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from secondtake.errors import BadInput
from secondtake.frames import FrameRange
from secondtake.messages import ControlKind, Operation, Quality, Reference

__all__ = ["WHOLE_FRAMES", "Edit", "EditShot", "parse_rate"]

WHOLE_FRAMES = (Operation.RESTYLE, Operation.EXTEND, Operation.GENERATE)
"""What needs no matte."""
_RATE = re.compile(r"\d{1,9}(\.\d{1,20}|/\d{1,9})?")
_LEAST_RATE, _MOST_RATE = 1, 240
_NTSC = Fraction(1000, 1001)
_NTSC_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class EditShot:
    """One shot. All paths are absolute. Without a matte, and an operation that needs none, it is played as it is."""

    name: str
    plate: str
    """"" for `generate`, which has none."""
    matte: str = ""
    operation: Operation = Operation.REMOVE
    instruction: str = ""
    references: tuple[Reference, ...] = ()
    motion: str = ""
    control: str = ""
    control_kind: ControlKind = ControlKind.NONE
    frames: FrameRange | None = None
    """The frames that play; None is all of the plate."""
    extend: tuple[int, ...] = ()
    """For `extend`: how many frames more, after those or, negative, before them; () if `frames` says it."""
    size: tuple[int, int] = (0, 0)
    """Width and height of what `generate` makes, in pixels."""
    fps: float = 0.0
    """Frames a second of what `generate` makes."""
    colourspace: str = ""
    matte_channel: str = ""
    engine: str = "temporal"
    engine_options: dict[str, str] = field(default_factory=dict)
    quality: Quality = Quality.FINAL
    seed: int = 0
    grow_px: int = 0
    feather_px: int = 0
    aovs: tuple[str, ...] = ()
    gap_frames: int = 0
    """Black frames before it, at the edit's rate."""

    @property
    def is_fix(self) -> bool:
        """True if something in it is to change, or is new."""
        return bool(self.matte) or self.operation in WHOLE_FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A whole edit."""

    name: str
    """Also the name of the animatic and the timeline."""
    file: Path
    """Where it was read from."""
    rate: Fraction
    """Frames a second."""
    out: Path
    """Absolute folder for everything that is made."""
    shots: tuple[EditShot, ...]
    sound: Path | None = None
    """Played instead of the plates' own sound, from the first frame on."""
    lists_frames: bool = False
    """True if the timeline is for a program that knows no image sequence references (docs/edit.md)."""
    notes: tuple[str, ...] = ()
    """What the file says and we leave out, one sentence each."""


def parse_rate(value: float | str, *, path: Path) -> Fraction:
    """A frame rate: 24, 29.97, "24000/1001". Those of NTSC (N × 1000/1001) are meant exactly. Raises BadInput."""
    try:
        rate = Fraction(value) if _RATE.fullmatch(str(value)) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not _LEAST_RATE <= rate <= _MOST_RATE:
        raise BadInput(
            f"'{value}' is no frame rate",
            remedy=f'Write fps as 24, 29.97 or "24000/1001", up to {_MOST_RATE}',
            path=path,
        )
    if rate.denominator in (1, _NTSC.denominator):
        return rate
    ntsc = round(rate / _NTSC) * _NTSC
    return ntsc if abs(rate - ntsc) < _NTSC_TOLERANCE else rate.limit_denominator(_NTSC.denominator)
