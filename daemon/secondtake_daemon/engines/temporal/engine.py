"""The engine: analysis once for the shot, then every window is a pure function of it."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadInput, BadMatte
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Engine, Job, Patch, Shot, Window
from secondtake_daemon.engines.temporal.analysis import rim_px
from secondtake_daemon.engines.temporal.card import CARD
from secondtake_daemon.engines.temporal.compose import Composer
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.stored import recall_or_analyse

__all__ = ["TemporalEngine"]


class TemporalEngine(Engine):
    """Removes what the matte covers with what other frames saw behind it."""

    card: ClassVar[Card] = CARD

    def __init__(self) -> None:
        self._shot: Shot | None = None
        self._composer: Composer | None = None

    def load(self, job: Job) -> None:
        """Nothing to read: there are no weights. The shot is measured with the first window.

        Raises BadInput if the `grain` switch is neither "none" (the default) nor "match".
        """
        _grained(job)
        cv2.setRNGSeed(0)
        self.unload()

    def generate(self, window: Window, job: Job) -> Patch:
        """Fill the hole in each frame of the window. Raises BadMatte if the hole covers every frame wholly."""
        composer = self._ready(window.shot, job)
        pixels = np.zeros((len(window.frames), window.crop.height, window.crop.width, 3), np.float32)
        for place, frame in enumerate(window.frames):
            job.step()
            composer.paint(out=pixels[place], index=window.shot.frames.index(frame), crop=self._local(window))
        return Patch(frames=window.frames, box=window.crop, pixels=pixels, notes=composer.notes())

    def unload(self) -> None:
        """Forget the shot."""
        self._shot, self._composer = None, None

    def _ready(self, shot: Shot, job: Job) -> Composer:
        if self._composer is not None and self._shot is shot:
            return self._composer
        preset = preset_for(quality=job.quality)
        study = recall_or_analyse(shot=shot, preset=preset, scratch=job.scratch, step=job.step)
        if not any(picture.known.any() for picture in study.analysis.pictures):
            raise BadMatte(
                "The matte covers every pixel of every frame, so there is nothing to borrow from",
                remedy="Draw the matte around the object only, or choose an engine that invents",
            )
        reader = Reader(shot=shot, gain=study.analysis.level.gain, rim_px=rim_px(shot.bounds.width))
        self._composer = Composer(study=study, reader=reader, preset=preset, grained=_grained(job), step=job.step)
        self._shot = shot
        return self._composer

    @staticmethod
    def _local(window: Window) -> Box:
        return window.crop.relative_to(window.shot.bounds)


def _grained(job: Job) -> bool:
    """Whether to make the plate's grain again where averaging took it away."""
    choice = job.options.get("grain", "none")
    if choice not in ("match", "none"):
        raise BadInput(f"The engine's switch grain={choice} is unknown", remedy="Use grain=match or grain=none")
    return choice == "match"
