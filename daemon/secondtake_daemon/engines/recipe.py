"""The engine of all recipes: edit one frame, then carry it through the shot (`recipe_card`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput, UsageError
from secondtake.frames import FrameSet
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.catalogue import factory
from secondtake_daemon.engines.contract import Control, Engine, FloatImage, Job, Patch, Shot, Window
from secondtake_daemon.engines.recipe_card import CARRY, EDIT, FRAME, options_of

__all__ = ["PaintedShot", "RecipeEngine"]


class PaintedShot:
    """A shot of which one frame more is painted. It is a `Shot`."""

    def __init__(self, shot: Shot, *, frame: int, box: Box, picture: FloatImage) -> None:
        """picture: (box.height, box.width, 3) of the frame, in the card's colour encoding."""
        self._shot, self._frame, self._box, self._picture = shot, frame, box, picture

    @property
    def frames(self) -> tuple[int, ...]:
        """As the shot's."""
        return self._shot.frames

    @property
    def bounds(self) -> Box:
        """As the shot's."""
        return self._shot.bounds

    def plate(self, frame: int, box: Box) -> FloatImage:
        """As the shot's."""
        return self._shot.plate(frame, box)

    def hole(self, frame: int, box: Box) -> FloatImage:
        """As the shot's."""
        return self._shot.hole(frame, box)

    @property
    def references(self) -> tuple[int, ...]:
        """The shot's, and the one that is painted here."""
        return tuple(sorted({*self._shot.references, self._frame}))

    def reference(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3): inside the hole the picture, around it the plate."""
        if frame != self._frame:
            return self._shot.reference(frame, box)
        canvas, common = self._shot.plate(frame, box).copy(), box.intersect(self._box)
        if not common.is_empty:
            inside = self._shot.hole(frame, common)[..., None] > 0
            np.copyto(canvas[common.within(box)], self._picture[common.within(self._box)], where=inside)
        return canvas

    @property
    def has_motion(self) -> bool:
        """As the shot's."""
        return self._shot.has_motion

    def motion(self, frame: int, box: Box) -> FloatImage:
        """As the shot's."""
        return self._shot.motion(frame, box)


class RecipeEngine:
    """An editor of single frames and a carrier, in this order. Only one of them is loaded at a time."""

    def __init__(self, card: Card) -> None:
        self.card = card
        editor, carrier = card.steps
        self._editor: Engine = factory(editor)(editor)
        self._carrier: Engine = factory(carrier)(carrier)
        self._frame: int | None = None
        self._painted: Shot | None = None

    def survey(self, shot: Shot, crop: Box) -> str:
        """Which frame shows most of the hole, and what the two steps find."""
        self._frame = _fullest(shot, crop)
        return f"{self._frame}; {self._editor.survey(shot, crop)}; {self._carrier.survey(shot, crop)}"

    def load(self, job: Job) -> None:
        """Check the options; each step is loaded when it is its turn. Raises UsageError."""
        _frame_wanted(job.options)
        self.unload()

    def generate(self, window: Window, job: Job) -> Patch:
        """The carrier's patch; with the first one the frame is edited."""
        if self._painted is None:
            self._painted = self._edited(window, job)
            self._carrier.load(_carrying(job))
        return self._carrier.generate(replace(window, shot=self._painted), _carrying(job))

    def unload(self) -> None:
        """Forget the shot, and give both steps' memory back."""
        if self._painted is not None:
            self._carrier.unload()
        self._painted = None

    def _edited(self, window: Window, job: Job) -> Shot:
        """The shot with its edited frame."""
        wanted = _frame_wanted(job.options)
        frame = self._frame if wanted is None else wanted
        if frame is None or frame not in window.shot.frames:
            raise BadInput(
                f"Frame {frame} cannot be edited: the shot has {FrameSet(window.shot.frames)}",
                remedy=f"Give {FRAME} one of these, or leave it out",
            )
        asked = replace(job, options=options_of(job.options, EDIT), scratch=job.scratch / "edit")
        asked.scratch.mkdir(parents=True, exist_ok=True)
        self._editor.load(asked)
        try:
            alone = Window(index=0, frames=(frame,), crop=window.crop, shot=window.shot)
            picture: NDArray[np.float32] = self._editor.generate(alone, asked).pixels[0]
        finally:
            self._editor.unload()
        return PaintedShot(window.shot, frame=frame, box=window.crop, picture=picture)


def _carrying(job: Job) -> Job:
    return replace(job, options=options_of(job.options, CARRY), looks=(), control=Control(), scratch=job.scratch)


def _frame_wanted(options: Mapping[str, str]) -> int | None:
    text = options.get(FRAME)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"'{text}' is no frame", remedy=f"Give {FRAME} the number of a frame of the shot") from None


def _fullest(shot: Shot, crop: Box) -> int:
    """The frame in which the hole is largest, of several the one nearest to the middle."""
    inside, middle = crop.intersect(shot.bounds), len(shot.frames) / 2
    sizes = {frame: int(np.count_nonzero(shot.hole(frame, inside))) for frame in shot.frames}
    places = {frame: abs(at - middle) for at, frame in enumerate(shot.frames)}
    return max(shot.frames, key=lambda frame: (sizes[frame], -places[frame]))
