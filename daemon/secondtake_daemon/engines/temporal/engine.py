"""The engine: analysis once for the shot, then every window is a pure function of it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadMatte
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Engine, Job, Patch, Shot, Window
from secondtake_daemon.engines.grain import wants_grain
from secondtake_daemon.engines.temporal.card import CARD
from secondtake_daemon.engines.temporal.carry import Carrier
from secondtake_daemon.engines.temporal.compose import Composer
from secondtake_daemon.engines.temporal.half import HalfShot, doubled, halved
from secondtake_daemon.engines.temporal.kinds import Colour, preset_for
from secondtake_daemon.engines.temporal.painters import one_at_a_time, painted, painters_for
from secondtake_daemon.engines.temporal.repaint import Repainter
from secondtake_daemon.engines.temporal.stored import recall_or_analyse
from secondtake_daemon.engines.temporal.transfer import transfer_named
from secondtake_daemon.engines.temporal.unmasked import Unmasked

__all__ = ["TemporalEngine"]

_HALVED_ABOVE_PX = 1000


class TemporalEngine(Engine):
    """Removes what the matte covers with what other frames saw behind it, or carries painted frames through it."""

    def __init__(self, card: Card = CARD) -> None:
        self.card = card
        self._shot: Shot | None = None
        self._painter: Composer | Carrier | Repainter | None = None
        self._step: Callable[[], None] = lambda: None

    def survey(self, shot: Shot, crop: Box) -> str:
        """Nothing: its patches hang on all frames of the shot anyway (`Card.sees_shot`)."""
        return ""

    def load(self, job: Job) -> None:
        """Nothing to read: there are no weights. The shot is measured with the first window.

        Raises BadInput if the `grain` or `transfer` switch says something unknown.
        """
        wants_grain(options=job.options, quality=job.quality)
        transfer_named(job.options.get("transfer", "auto"))
        cv2.setRNGSeed(0)
        self.unload()

    def generate(self, window: Window, job: Job) -> Patch:
        """Fill or paint the hole in each frame of the window.

        Raises BadMatte if there is nothing to borrow from, BadInput if there is nothing to carry.
        """
        painter = self._ready(window.shot, job)
        pixels = np.zeros((len(window.frames), window.crop.height, window.crop.width, 3), np.float32)
        known = np.zeros(pixels.shape[:3], np.uint8)

        def paint(place: int) -> None:
            self._step()
            index = window.shot.frames.index(window.frames[place])
            if _is_halved(window.shot, job):
                pixels[place], known[place] = _painted_half(painter, index, window)
            else:
                crop = window.crop.relative_to(window.shot.bounds)
                painter.paint(out=pixels[place], known=known[place], index=index, crop=crop)

        painted(paint, places=len(window.frames), painters=painters_for(window.crop))
        notes = painter.notes(frames=window.frames) if isinstance(painter, Carrier) else painter.notes()
        return Patch(frames=window.frames, box=window.crop, pixels=pixels, known=known, notes=notes)

    def unload(self) -> None:
        """Forget the shot."""
        self._shot, self._painter = None, None

    def _ready(self, shot: Shot, job: Job) -> Composer | Carrier | Repainter:
        if self._painter is None or self._shot is not shot:
            seen = HalfShot(shot) if _is_halved(shot, job) else shot
            self._step = one_at_a_time(job.step)
            make = _remover if job.operation is Operation.REMOVE else _carrier
            self._painter = make(seen, job, self._step)
            self._shot = shot
        return self._painter


def _is_halved(shot: Shot, job: Job) -> bool:
    """A draft of a large plate is made at half its size."""
    return job.quality is Quality.DRAFT and shot.bounds.width > _HALVED_ABOVE_PX


def _painted_half(
    painter: Composer | Carrier | Repainter, index: int, window: Window
) -> tuple[Colour, NDArray[np.uint8]]:
    crop = halved(window.crop, bounds=window.shot.bounds)
    pixels, known = np.zeros((crop.height, crop.width, 3), np.float32), np.zeros((crop.height, crop.width), np.uint8)
    painter.paint(out=pixels, known=known, index=index, crop=crop)
    return doubled(pixels, known, box=window.crop, bounds=window.shot.bounds)


def _remover(shot: Shot, job: Job, step: Callable[[], None]) -> Composer | Repainter:
    preset = preset_for(quality=job.quality)
    grained = wants_grain(options=job.options, quality=job.quality)
    study = recall_or_analyse(shot=shot, preset=preset, grained=grained, scratch=job.scratch, step=step)
    if not any(picture.known.any() for picture in study.analysis.pictures):
        raise BadMatte(
            "The matte covers every pixel of every frame, so there is nothing to borrow from",
            remedy="Draw the matte around the object only, or choose an engine that invents",
        )
    composer = Composer(study=study, preset=preset, grained=grained, step=step)
    if not shot.references:
        return composer
    return Repainter(study=study, shot=shot, composer=composer, grained=grained, step=step)


def _carrier(shot: Shot, job: Job, step: Callable[[], None]) -> Carrier:
    preset = preset_for(quality=job.quality)
    study = recall_or_analyse(shot=Unmasked(shot), preset=preset, grained=True, scratch=job.scratch, step=step)
    transfer = transfer_named(job.options.get("transfer", "auto"))
    grained = wants_grain(options=job.options, quality=job.quality)
    return Carrier(study=study, shot=shot, transfer=transfer, grained=grained, step=step)
