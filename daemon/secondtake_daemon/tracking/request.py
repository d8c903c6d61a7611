"""What is asked for: the drawn frames, the plate, and where the mattes go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import MissingFrames, UsageError
from secondtake.frames import FrameSet
from secondtake.messages import Quality
from secondtake_daemon.images import sequences

__all__ = ["DrawnFile", "TrackRequest", "parse_drawn"]

_AT_FRAME = re.compile(r"(?P<image>.+)@(?P<frame>-?\d{1,9})", re.DOTALL)
_SHAPES_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFile:
    """An image of one frame, or keyed shapes."""

    path: Path
    frame: int | None
    """None: every frame for which the shapes have a key."""

    @property
    def is_shapes(self) -> bool:
        """True for a .json of keyed shapes."""
        return self.path.name.lower().endswith(_SHAPES_SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRequest:
    """One tracking."""

    shot: str
    """First part of the written names."""
    plate: str
    """Absolute name of a sequence, one frame, or a movie."""
    drawn: tuple[DrawnFile, ...]
    out: Path
    frames: FrameSet | None = None
    """None is all."""
    matte_channel: str = ""
    colourspace: str = ""
    """OCIO name or alias; "" is the file's own tag, else linear Rec.709."""
    quality: Quality = Quality.FINAL


def parse_drawn(text: str) -> DrawnFile:
    """Read `IMAGE@FRAME`, a file with the frame number in its name, or shapes. A file of exactly this name comes first.

    Raises UsageError if nothing says which frame it is, MissingFrames if there is no such file.
    """
    path = Path(text)
    if not path.is_file():
        found = _AT_FRAME.fullmatch(text)
        if found and Path(found["image"]).is_file():
            return DrawnFile(path=Path(found["image"]), frame=int(found["frame"]))
        if sequences.is_pattern(text):
            raise UsageError(
                "This names a sequence, not a drawn frame",
                remedy="Name one frame of it, and more with --also",
                path=text,
            )
        missing = Path(found["image"]) if found else path
        raise MissingFrames("There is no such matte", remedy="Check its name", path=missing)
    if path.name.lower().endswith(_SHAPES_SUFFIX):
        return DrawnFile(path=path, frame=None)
    sequence = sequences.find(text)
    number = path.name.removeprefix(sequence.prefix).removesuffix(sequence.suffix)
    if number.removeprefix("-").isdigit():
        return DrawnFile(path=path, frame=sequence.frames[0])
    raise UsageError(
        "The matte's name does not say which frame it is", remedy=f"Write {path.name}@1001 for frame 1001", path=path
    )
