"""The engine of all diffusion models: one path for every family. torch and diffusers load in `load`, not before."""

from __future__ import annotations

from dataclasses import replace

from secondtake.boxes import Box
from secondtake.frames import FrameSet
from secondtake.messages import Stage
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job, Patch, Shot, Window
from secondtake_daemon.engines.diffusion.exposure import exposure_stops
from secondtake_daemon.engines.diffusion.memory import device
from secondtake_daemon.engines.diffusion.memory.fit import parts_of, task_of
from secondtake_daemon.engines.diffusion.memory.holding import Holding
from secondtake_daemon.engines.diffusion.preview_fit import strip_of
from secondtake_daemon.engines.diffusion.regrain import Grains, grain_wanted
from secondtake_daemon.engines.diffusion.render import Look, prompt_of, render
from secondtake_daemon.engines.diffusion.run import Heard, Made, Run
from secondtake_daemon.engines.diffusion.settings import chosen
from secondtake_daemon.engines.diffusion.watch import LOAD, Watch, reading
from secondtake_daemon.models.shelf import check_there

__all__ = ["DiffusionEngine"]


class DiffusionEngine:
    """A model of a family. `survey` comes before `load`."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._model, self._family = parts_of(card)
        self._stops = 0
        self._grains = Grains(gain=1.0)
        self._crop, self._frames = Box(0, 0, 0, 0), 0
        self._memory: Holding | None = None

    def survey(self, shot: Shot, crop: Box) -> str:
        """How bright the shot is, since every window is made with the same exposure; and the device, since the last
        bits hang on it."""
        self._stops, self._crop, self._frames = exposure_stops(shot, crop), crop, len(shot.frames)
        self._grains = Grains(gain=2.0**self._stops)
        return f"{self._stops:+d} stops, {device.kind_of(device.machine_here())}"

    def load(self, job: Job) -> None:
        """Read the model, unless it is in memory already. Raises BadInput, UsageError, EngineFault, GpuMemory."""
        picked = chosen(self._family, quality=job.quality, options=job.options)
        grain_wanted(job)  # a switch that says nothing is refused before the model is read
        check_there(self._model)
        job.stage(Stage(name=LOAD))
        job.step()
        now = device.here().machine()
        task = task_of(self.card, job=job, crop=self._crop, frames=self._frames, machine=now)
        memory = self._memory = Holding(task, job=job, name=self.card.name)
        watch = Watch(job, frames=(), steps=picked.settings.step_count)
        prompt = prompt_of(job, self._family)
        with reading(job):
            memory.endure(
                lambda: memory.load(prompt, picked.negative_prompt, picked.settings, watch), what="the model was loaded"
            )

    def generate(self, window: Window, job: Job) -> Patch:
        """Render the window with its handles, lock its colour, return what is its own."""
        memory = self._memory
        assert memory is not None, "load comes before generate"
        picked = chosen(self._family, quality=job.quality, options=job.options)
        look = Look(
            family=self._family,
            settings=picked.settings,
            gain=2.0**self._stops,
            shape=picked.matte,
            negative_prompt=picked.negative_prompt,
            grains=self._grains if grain_wanted(job) else None,
        )
        watch = Watch(job, frames=window.frames, steps=picked.settings.step_count)
        patch = memory.endure(
            lambda: render(window, job, look=look, model=lambda run: self._run(run, job, watch, memory)),
            what=f"frames {FrameSet(window.frames)} were made",
        )
        watch.write()
        return replace(patch, notes=(*patch.notes, *memory.notes))

    def unload(self) -> None:
        """The pipeline stays in memory for the next job; it goes with the worker, when that was idle long enough."""
        self._memory = None

    def _run(self, run: Run, job: Job, watch: Watch, memory: Holding) -> Made:
        family = self._family
        read = memory.embeddings(run.prompt, run.negative_prompt, run.settings, watch)
        with (
            memory.running(watch, width=run.width, height=run.height, length=run.length) as pipe,
            strip_of(pipe, self._model, family, run, job) as strip,
        ):
            watch.show(strip)
            output = pipe(**{**family.arguments(run), **read})
            heard = family.sound(output, pipe)
            sound = None if heard is None else Heard(samples=heard[0], rate_hz=heard[1])
            return Made(codes=family.frames(output), sound=sound)
