"""What will be sent as the plate, as plain data, and in words that an artist reads before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from .frames import Pair, frame_text
from .orders import PlateOrder
from .refusal import Refusal
from .sequence import numbered

__all__ = ["Placement", "PlateChoice", "PlateKind", "rendered_numbers"]

_MOST_SHOWN = 6


class PlateKind(Enum):
    """Where the pixels come from; the value is what a panel says."""

    IMAGES = "image sequence"
    MOVIE = "movie"
    RENDERED = "strip as it shows, rendered"
    CLIP = "movie clip"
    IMAGE = "image"
    CAMERA = "camera, rendered"


@dataclass(frozen=True, slots=True)
class Placement:
    """How a strip lays its picture into the scene's frame: copied to the take's strip, so that it covers the plate."""

    scale: tuple[float, float] = (1.0, 1.0)
    offset_px: tuple[float, float] = (0.0, 0.0)
    """Of the scene's frame, y up."""
    rotation_rad: float = 0.0
    origin: tuple[float, float] = (0.5, 0.5)
    crop_px: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Left, right, bottom, top, in pixels of the picture."""
    flip: tuple[bool, bool] = (False, False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as usual about it, in words."""
        said = []
        if any(self.crop_px):
            said.append("Crop: the whole picture is sent, the take is cropped as the plate")
        if any(self.flip):
            said.append("Flip: the picture is sent unflipped, the take is flipped as the plate")
        if (self.scale, self.offset_px, self.rotation_rad) != ((1.0, 1.0), (0.0, 0.0), 0.0):
            said.append("Transform: the picture is sent as its files are, the take is placed as the plate")
        return tuple(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateChoice:
    """A plate: where its frames are or how to get them, and where a take of it goes."""

    kind: PlateKind
    name: str
    """Of the strip, clip, image or camera."""
    scene: str
    """Name of the scene whose timeline counts."""
    path: str
    """Absolute: a sequence, one image or a movie, as the daemon reads it; "" until `order` is carried out."""
    pairs: tuple[Pair, ...]
    """Timeline frame and file number of every frame, handles included, in the order of the timeline."""
    first: int
    """First timeline frame that shows, without handles."""
    last: int
    anchor: float = 0.0
    """Timeline frame of the strip's content: if it moved since, the take moves with it."""
    blender_colourspace: str
    """For the take's strip, clip or image."""
    colourspace: str
    """For the request, as the daemon calls it."""
    size: tuple[int, int] | None = None
    """Width and height, where Blender knows them without reading a file."""
    placement: Placement = field(default_factory=Placement)
    order: PlateOrder | None = None
    """What a background Blender has to render, or None if the daemon reads the files in place."""
    notes: tuple[str, ...] = ()
    """What is odd about it, one sentence each."""

    @property
    def stands_alone(self) -> bool:
        """True if the plate is one image, held as long as it is seen."""
        return self.kind is not PlateKind.MOVIE and len({pair.number for pair in self.pairs}) == 1

    @property
    def frames(self) -> str:
        """The plate's own frames for the request; "" is the one image that it is."""
        numbers = {pair.number for pair in self.pairs}
        return "" if numbers == {0} else frame_text(numbers)

    @property
    def handles(self) -> tuple[int, int]:
        """Frames before and after what shows."""
        return self.first - self.pairs[0].timeline, self.pairs[-1].timeline - self.last

    def number_at(self, timeline: int) -> int:
        """The file number seen at a frame of the timeline, held at the ends."""
        first = self.pairs[0].timeline
        return self.pairs[min(max(timeline - first, 0), len(self.pairs) - 1)].number

    def rendered(self, path: str) -> PlateChoice:
        """The same plate after its frames were rendered to `path`."""
        return replace(self, path=path, order=None)

    def require_media(self, exists: Callable[[str], bool] = os.path.isfile) -> None:
        """Look whether every file is there. It reads folders, so not in a panel's draw. Raises Refusal."""
        if self.order is not None:
            return
        if self.kind in (PlateKind.MOVIE, PlateKind.CLIP) and not self._is_sequence:
            missing = [] if exists(self.path) else [0]
        else:
            numbers = sorted({pair.number for pair in self.pairs})
            missing = [number for number in numbers if not exists(numbered(self.path, number))]
        if not missing:
            return
        if not self._is_sequence:
            raise Refusal("The file is missing", remedy="Relink it, or choose another strip", path=self.path)
        runs = frame_text(missing).split(",")
        shown = ", ".join(runs[:_MOST_SHOWN]) + (
            f" and {len(runs) - _MOST_SHOWN} more" if len(runs) > _MOST_SHOWN else ""
        )
        subject = "1 frame is" if len(missing) == 1 else f"{len(missing)} frames are"
        raise Refusal(f"{subject} missing: {shown}", remedy="Render or relink them, or trim the strip", path=self.path)

    @property
    def _is_sequence(self) -> bool:
        return numbered(self.path, 0) != self.path

    def words(self) -> tuple[tuple[str, str], ...]:
        """Label and text of each line that a panel shows."""
        count = len({pair.number for pair in self.pairs if self.first <= pair.timeline <= self.last})
        plural = "frame" if count == 1 else "frames"
        files = f", files {self.frames}" if self.frames and self.path else ""
        head, tail = self.handles
        source = f"{self.name} ({self.kind.value})"
        lines = [
            ("Source", source),
            ("File", os.path.basename(self.path) if self.path else "rendered in a background Blender first"),  # noqa: PTH119
            ("Range", f"timeline {frame_text(range(self.first, self.last + 1))}: {count} {plural}{files}"),
            ("Handles", f"{head} before, {tail} after" if head or tail else "none"),
            ("Colour", self.blender_colourspace),
        ]
        if self.size is not None:
            lines.insert(1, ("Size", f"{self.size[0]} × {self.size[1]}"))
        return (*lines, *(("Note", note) for note in (*self.placement.notes, *self.notes)))


def rendered_numbers(first: int, last: int, *, step: int = 1) -> tuple[Pair, ...]:
    """Pairs for frames that are rendered: each file has its frame's number, moved up if some lie below 0."""
    shift = -min(first, 0)
    return tuple(Pair(frame, frame + shift) for frame in range(first, last + 1, step))
