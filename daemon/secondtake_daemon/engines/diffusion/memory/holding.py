"""One model in memory for one job: planned, loaded, watched, and brought down the ladder when memory runs out."""

from __future__ import annotations

import importlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from secondtake.errors import GpuMemory
from secondtake.messages import Stage
from secondtake_daemon.engines.contract import FreshWorker, Job, Replan
from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.family import Settings
from secondtake_daemon.engines.diffusion.memory import device, measured
from secondtake_daemon.engines.diffusion.memory.fit import Task, note_of
from secondtake_daemon.engines.diffusion.memory.ladder import Rung, State, down, load_state, save_state, state_file
from secondtake_daemon.engines.diffusion.memory.metering import Meter
from secondtake_daemon.engines.diffusion.memory.placing import Layout, cut_in_tiles
from secondtake_daemon.engines.diffusion.memory.plan import Plan, Way, held_bytes, step_flop, tokens_of, vae_bytes
from secondtake_daemon.engines.diffusion.memory.prompts import Prompt, Prompts
from secondtake_daemon.engines.diffusion.memory.reading import best_pixels
from secondtake_daemon.engines.diffusion.tap import Observer, observed
from secondtake_daemon.models.shelf import file_list_digest

__all__ = ["WAIT_S", "Holding"]

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_GIB = 1 << 30
WAIT_S = 600.0
"""So long a job waits for memory that other programs hold."""
_POLL_S = 1.0
_WAIT = "wait"
_WITHOUT_MEMORY = ("tokenizer", "scheduler", "processor", "feature_extractor")


class Holding:
    """Made in `load` of an engine; gone with the job, but for the pipeline itself, which `pipes` keeps."""

    def __init__(self, task: Task, *, job: Job, name: str) -> None:
        """name: of the engine. Raises GpuMemory if there is not enough memory."""
        self._task, self._job = task, job
        self._file = state_file(job.scratch, name)
        best = best_pixels(task.family)
        self._state = load_state(self._file, default=lambda: State.at(best, level=0))
        self._prompts = Prompts(job.kept)
        self.plan = self._planned()

    @property
    def notes(self) -> tuple[str, ...]:
        """For the take, one sentence each."""
        note = note_of(replace(self.plan, level=self._state.level))
        return (*filter(None, [note]), *self._state.notes)

    def endure(self, work: Callable[[], T], *, what: str) -> T:
        """What `work` returns; where memory runs out, it is done again a rung lower.

        what: is being done, for the note. Raises Replan, FreshWorker, GpuMemory, and whatever else `work` raises.
        """
        while True:
            try:
                return work()
            except Exception as error:
                if not device.is_out_of_memory(error):
                    self._after_a_stop()
                    raise
                _forget_frames(error)
            self._down(what)

    def load(self, prompt: str, negative_prompt: str, settings: Settings, observer: Observer) -> None:
        """Read the prompts, then bring the rest of the model in."""
        self.wait_for_room()
        self.embeddings(prompt, negative_prompt, settings, observer)
        self._pipe()

    @contextmanager
    def running(self, observer: Observer, *, width: int, height: int, length: int) -> Iterator[Any]:
        """The pipeline, ready for one rendering of this size; what it took is noted when the block ends."""
        torch, family = importlib.import_module("torch"), self._task.family
        pipe = self._pipe()
        if family.has_tiles:
            cut_in_tiles(pipe, self.plan.pixels.tile_px, width=width, height=height)
        meter = Meter(observer, device.here())
        with torch.no_grad(), observed(pipe, meter, denoisers=family.denoisers):
            yield pipe
        self._keep(meter, width=width, height=height, length=length)

    def embeddings(self, prompt: str, negative_prompt: str, settings: Settings, observer: Observer) -> dict[str, Any]:
        """What the text encoder makes of the prompts, by the pipeline's arguments that it stands for; empty where the
        encoder stays in the pipeline."""
        text = self._task.family.text
        if text is None:
            return {}
        found = dict(self._read(prompt, settings, observer))
        if settings.guidance > 1:
            kept_away = self._read(negative_prompt if text.has_negative else "", settings, observer)
            found |= {f"negative_{name}": tensor for name, tensor in kept_away.items()}
        given = {name: tensor.to(device.here().torch_name) for name, tensor in found.items()}
        return {"prompt": None, **({"negative_prompt": None} if text.has_negative else {}), **given}

    def wait_for_room(self) -> None:
        """Until what other programs hold is free. Raises GpuMemory after ten minutes, and what `step` raises."""
        end_s = time.monotonic() + WAIT_S
        while self.plan.waits:
            machine = self._task.machine
            if time.monotonic() >= end_s:
                raise GpuMemory(
                    f"{machine.free_bytes / _GIB:.1f} of {machine.memory_bytes / _GIB:.1f} GiB are free, and "
                    f"'{self._task.model.name}' needs {self.plan.memory_bytes / _GIB:.1f}",
                    remedy="Close other programs that use the GPU, and run the job again",
                )
            self._job.stage(Stage(name=_WAIT))
            self._job.step()
            time.sleep(_POLL_S)
            self._task = self._task.now(device.here().machine())
            self.plan = self._planned()

    def _read(self, words: str, settings: Settings, observer: Observer) -> Mapping[str, Any]:
        task = self._task
        text, model = task.family.text, task.model
        assert text is not None
        files = [file for file in model.files if file.path.partition("/")[0] in (*text.parts, "tokenizer")]
        prompt = Prompt(
            encoder=file_list_digest(files),
            pipeline=model.pipeline,
            machine=task.key_of_machine,
            dtype="float32" if not task.machine.has_gpu else "bfloat16",
            words=words,
            tokens=settings.prompt_tokens,
        )
        return self._prompts.read(prompt, lambda: self._encode(words, settings.prompt_tokens, observer))

    def _encode(self, words: str, tokens: int, observer: Observer) -> Mapping[str, Any]:
        """With the text encoder alone in memory, which goes at once."""
        torch, text = importlib.import_module("torch"), self._task.family.text
        assert text is not None
        name = device.here().torch_name
        others = (part for part, size in self._task.model.component_bytes.items() if size)
        without = tuple(sorted(part for part in others if part not in (*text.parts, *_WITHOUT_MEMORY)))
        layout = Layout(device=name, way=self._way_of_text(), without=without)
        with pipes.borrowed(self._source(), layout) as pipe, torch.no_grad(), observed(pipe, observer):
            return {key: tensor.cpu() for key, tensor in text.read(pipe, words, tokens, name).items()}

    def _way_of_text(self) -> Way:
        machine = device.here().machine()
        held = device.here().used_bytes() if machine.has_gpu else 0
        is_tight = machine.has_gpu and self._task.weights.text > machine.now_bytes - held
        return Way.STREAM if is_tight else Way.RESIDENT

    def _pipe(self) -> Any:
        text, plan = self._task.family.text, self.plan
        layout = Layout(
            device=device.here().torch_name,
            way=plan.way,
            storage=plan.pixels.storage,
            without=text.parts if text is not None else (),
        )
        return pipes.pipeline(self._source(), layout)

    def _source(self) -> pipes.Source:
        model, family = self._task.model, self._task.family
        return pipes.Source(
            folder=Path(model.folder),
            name=family.runs or family.pipeline,
            digest=model.digest,
            denoisers=family.denoisers,
            adapters=model.adapters,
            adapter_names=family.adapter_names,
        )

    def _planned(self) -> Plan:
        """In the form that was decided; where it turned out meanwhile that it can't fit, the job is planned anew."""
        try:
            return self._task.plan(fixed=self._state.pixels, way=self._state.way)
        except GpuMemory as error:
            save_state(self._file, structs.replace(self._state, after=self._state.level))
            raise Replan(error.message, remedy=error.remedy) from error

    def _down(self, what: str) -> None:
        """One rung. Returns if the work is to be done again."""
        pipes.tidy()
        lower = self._lower()
        rung, state = down(
            self._state, has_gpu=self._task.machine.has_gpu, now=self.plan.way, lower=lower.way if lower else None
        )
        note = f"Memory ran out while {what}, {self.plan.way.words}; {_said(rung, lower)}."
        self._state = structs.replace(state, notes=(*state.notes, note))
        save_state(self._file, self._state)
        _LOG.warning("out of memory", extra={"fields": {"what": what, "rung": rung.name.lower()}})
        if rung is not Rung.FREE:
            pipes.drop()
        if rung is Rung.WAY and lower is not None:
            self.plan = lower
        elif rung is Rung.RESTART:
            raise FreshWorker(note, remedy="Close other programs that use the GPU, or use a smaller model")
        elif rung is Rung.PIXELS:
            raise Replan(note, remedy="Use a smaller matte or a smaller model")

    def _lower(self) -> Plan | None:
        try:
            return self._task.plan(fixed=self._state.pixels, after=self.plan)
        except GpuMemory:
            return None

    def _after_a_stop(self) -> None:
        """A model that was half moved when the run was stopped is loaded anew for the next one."""
        if self.plan.way is not Way.RESIDENT:
            pipes.drop()

    def _keep(self, meter: Meter, *, width: int, height: int, length: int) -> None:
        """Note what it really took, once, for the next plan."""
        weights, plan = self._task.weights, self.plan
        tokens = tokens_of(weights, width=width, height=height, length=length)
        found = meter.found(forwards=self._task.asked.forwards)
        if found is None or tokens < measured.LEAST_TOKENS:
            return
        area = width * height
        held, coded = held_bytes(weights, plan.pixels, plan.way, frames_px=area * length)
        guessed = vae_bytes(weights, plan.pixels, area_px=area)
        step = measured.Step(
            tokens=tokens,
            token_bytes=(found.step_bytes - max(found.before_bytes, held)) / tokens,
            flops=step_flop(weights, tokens) / found.forward_s,
            vae_scale=(found.vae_bytes - max(found.before_bytes, coded)) / guessed if guessed else 1.0,
            coded_s_px=found.coded_s / (area * length),
        )
        measured.keep(self._job.kept, self._task.key, step)


def _said(rung: Rung, lower: Plan | None) -> str:
    return f"it went on {lower.way.words}" if rung is Rung.WAY and lower is not None else rung.value


def _forget_frames(error: BaseException | None) -> None:
    """What a traceback's frames hold would stay in memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
