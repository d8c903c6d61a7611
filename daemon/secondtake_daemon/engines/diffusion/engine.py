"""The engine of all diffusion models: one path for every family. torch and diffusers load in `load`, not before."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from secondtake.boxes import Box
from secondtake.errors import EngineFault
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job, Patch, Shot, Window
from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.exposure import exposure_stops
from secondtake_daemon.engines.diffusion.family import Family, family_of
from secondtake_daemon.engines.diffusion.render import Codes, Look, render
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.settings import adapted, chosen
from secondtake_daemon.engines.diffusion.tap import observed
from secondtake_daemon.models.shelf import Model, check_there

__all__ = ["DiffusionEngine"]


class DiffusionEngine:
    """A model of a family. `survey` comes before `load`."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._model, self._family = _parts(card)
        self._stops = 0
        self._pipe: Any = None

    def survey(self, shot: Shot, crop: Box) -> str:
        """How bright the shot is; every window is made with the same exposure."""
        self._stops = exposure_stops(shot, crop)
        return f"{self._stops:+d} stops"

    def load(self, job: Job) -> None:
        """Read the model, unless it is in memory already. Raises BadInput, UsageError, EngineFault, GpuMemory."""
        chosen(self._family, quality=job.quality, options=job.options)
        check_there(self._model)
        self._pipe = pipes.pipeline(
            folder=Path(self._model.folder), name=self._family.pipeline, digest=self._model.digest
        )

    def generate(self, window: Window, job: Job) -> Patch:
        """Render the window with its handles, lock its colour, return what is its own."""
        picked = chosen(self._family, quality=job.quality, options=job.options)
        look = Look(family=self._family, settings=picked.settings, gain=2.0**self._stops, shape=picked.matte)
        return render(window, job, look=look, model=lambda run: self._run(run, job))

    def unload(self) -> None:
        """The pipeline stays in memory for the next job; it goes with the worker, when that was idle long enough."""
        self._pipe = None

    def _run(self, run: Run, job: Job) -> Codes:
        family, torch = importlib.import_module(self._family.module), importlib.import_module("torch")
        with torch.no_grad(), observed(self._pipe, _Watch(job)):
            return family.frames(self._pipe(**family.arguments(run)))  # type: ignore[no-any-return]


def _parts(card: Card) -> tuple[Model, Family]:
    model = card.model
    family = family_of(model.pipeline) if model is not None else None
    if model is None or family is None:
        raise EngineFault(f"The engine '{card.name}' has no model that is known", remedy="Add the model again")
    return model, adapted(family, model.settings)


class _Watch:
    """Says that the job is alive, and ends the run when it is cancelled."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """A denoising step."""
        self._job.step()

    def alive(self) -> None:
        """A block."""
        self._job.step()
