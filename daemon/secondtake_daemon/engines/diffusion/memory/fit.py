"""A card brought down to what this machine has memory for: windows and canvas, before anything is planned or keyed.

What comes of it stands in the model's settings, as if its owner had set it, and so in the card's version: the patches'
content keys and the take have it, and bytes depend on nothing else.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from secondtake.boxes import Box
from secondtake.errors import EngineFault, GpuMemory
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job
from secondtake_daemon.engines.diffusion.adapters import dressed
from secondtake_daemon.engines.diffusion.families import family_of
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.memory import device, measured
from secondtake_daemon.engines.diffusion.memory.ladder import State, load_state, save_state, state_file
from secondtake_daemon.engines.diffusion.memory.plan import (
    Asked,
    Machine,
    Measured,
    Pixels,
    Plan,
    Way,
    Weights,
    plan_memory,
)
from secondtake_daemon.engines.diffusion.memory.reading import best_pixels, read_weights
from secondtake_daemon.engines.diffusion.settings import adapted, chosen
from secondtake_daemon.engines.fitting import Foreseen
from secondtake_daemon.engines.installed import card_of, worn
from secondtake_daemon.engines.recipe_card import CARRY, EDIT, options_of, recipe_cards
from secondtake_daemon.models.shelf import Model

__all__ = ["Task", "fitted", "foreseen", "forwards_of", "note_of", "parts_of", "task_of"]

_EDITOR = "edit"
"""Folder of a recipe's first step in the job's scratch (`engines.recipe`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A model, a machine and a shot, brought together: what a plan is made from."""

    model: Model
    family: Family
    weights: Weights
    asked: Asked
    machine: Machine
    key: str
    """Of what was measured."""
    measured: Measured | None

    @property
    def key_of_machine(self) -> str:
        """What the last bits of a computation may depend on, besides the model."""
        machine = f"{device.kind_of(self.machine)} {self.machine.driver}"
        return f"{machine} torch {version('torch')} transformers {version('transformers')}"

    def now(self, machine: Machine) -> Task:
        """The same, on the machine as it is now."""
        return dataclasses.replace(self, machine=machine)

    def plan(
        self, *, fixed: Pixels | None = None, after_level: int = -1, after: Plan | None = None, way: int = 0
    ) -> Plan:
        """As `plan_memory`. after: only ways below its own. way: only from this one down.

        What pixels depend on is decided by the estimates, the same before and after the first measurement, so that a
        request that is sent again finds what it made. What was measured decides the way, and tells bytes and time.
        """
        below = after.way if after is not None else Way(way - 1) if way else None
        guessed = self._planned(fixed, None, after_level, below)
        if self.measured is None:
            return guessed
        try:
            return self._planned(guessed.pixels, self.measured, -1, below)
        except GpuMemory:  # it may be enough all the same, in the way that takes least; else the ladder goes on
            return self._leanest(guessed.pixels, below)

    def _planned(self, fixed: Pixels | None, known: Measured | None, after_level: int, below: Way | None) -> Plan:
        return plan_memory(
            self.weights,
            self.asked,
            self.machine,
            best=best_pixels(self.family),
            fixed=fixed,
            measured=known,
            after_level=after_level,
            after_way=below,
        )

    def _leanest(self, fixed: Pixels, below: Way | None) -> Plan:
        """By the estimates."""
        found = self._planned(fixed, None, -1, below)
        for way in Way:
            if way > found.way:
                with suppress(GpuMemory):
                    found = self._planned(fixed, None, -1, Way(way - 1))
        return found


def fitted(card: Card, *, job: Job, crop: Box, frames: int) -> Card:
    """The card of an engine as it runs here and in this job. Engines without a model are as they were.

    crop: the box that its patches cover. frames: of the shot. The first attempt of a job decides, and later ones
    follow. Raises GpuMemory if there is not enough memory for its smallest form.
    """
    if not card.steps:
        return _fitted(card, job, crop, frames, job.scratch)
    scratches = (job.scratch / _EDITOR, job.scratch)
    steps = [
        _fitted(step, own, crop, frames, scratch)
        for (step, own), scratch in zip(_steps(card, job), scratches, strict=True)
    ]
    return _joined(card, steps)


def foreseen(card: Card, *, job: Job, crop: Box, frames: int) -> tuple[Card, tuple[Foreseen, ...]]:
    """As `fitted`, for the machine as it is now and a job that nobody has begun; and the plan of each model."""
    if card.steps:
        found = [foreseen(step, job=own, crop=crop, frames=frames) for step, own in _steps(card, job)]
        return _joined(card, [step for step, _ in found]), tuple(one for _, several in found for one in several)
    card = worn(card, operation=job.operation, options=job.options)
    if card.model is None or crop.is_empty:
        return card, ()
    task = task_of(card, job=job, crop=crop, frames=frames, machine=device.here().machine())
    plan = task.plan()
    return _at(card, task, plan.pixels), (_said(task, plan),)


def task_of(card: Card, *, job: Job, crop: Box, frames: int, machine: Machine | None = None) -> Task:
    """machine: as it is now; without, as it is when nobody uses it. Raises BadInput if the folder can't be read."""
    model, family = parts_of(card)
    now = machine or device.machine_here()
    key = measured.key_for(now, digest=model.digest, storage=family.storage)
    settings = chosen(family, quality=job.quality, options=job.options).settings
    return Task(
        model=model,
        family=family,
        weights=read_weights(model, family, has_gpu=now.has_gpu),
        asked=Asked(crop=crop, frames=frames, forwards=forwards_of(settings)),
        machine=now,
        key=key,
        measured=measured.known(job.kept, key),
    )


def parts_of(card: Card) -> tuple[Model, Family]:
    """The model that a card is of, and its family as the model's record changes it. Raises EngineFault, UsageError."""
    model = card.model
    family = family_of(model.pipeline, model.component_bytes) if model is not None else None
    if model is None or family is None:
        raise EngineFault(f"The engine '{card.name}' has no model that is known", remedy="Add the model again")
    return model, dressed(adapted(family, model.settings), model.adapters)


def forwards_of(settings: Settings) -> int:
    """Runs of a denoiser for a window: guidance runs it twice in each step."""
    return settings.step_count * (2 if settings.guidance > 1 else 1)


def note_of(plan: Plan) -> str:
    """For the take: what there was not enough memory for; "" at the best level."""
    if not plan.level:
        return ""
    tiles = f", its VAE in tiles of {plan.pixels.tile_px} px" if plan.pixels.tile_px else ""
    storage = ", its numbers in 8 bits" if plan.pixels.storage != "full" else ""
    return (
        f"For want of memory the model worked on {plan.width} × {plan.height} pixels and {plan.length} frames at "
        f"once{tiles}{storage}."
    )


def _fitted(card: Card, job: Job, crop: Box, frames: int, scratch: Path) -> Card:
    card = worn(card, operation=job.operation, options=job.options)
    if card.model is None or crop.is_empty:
        return card
    task, file = task_of(card, job=job, crop=crop, frames=frames), state_file(scratch, card.name)
    state = load_state(file, default=lambda: _begun(task.plan()))
    if state.after >= 0:
        plan = _below(task, state.after)
        state = State.at(plan.pixels, level=plan.level, was_restarted=state.was_restarted, notes=state.notes)
        save_state(file, state)
    return _at(card, task, state.pixels)


def _at(card: Card, task: Task, pixels: Pixels) -> Card:
    """The card with what its pixels depend on."""
    if pixels == best_pixels(task.family):
        return card
    return card_of(_set(task.model, pixels), _raw_family(card), adapters=card.adapters)


def _joined(card: Card, steps: list[Card]) -> Card:
    return next((joined for joined in recipe_cards(steps) if joined.name == card.name), card)


def _said(task: Task, plan: Plan) -> Foreseen:
    machine, pixels = task.machine, plan.pixels
    return Foreseen(
        model=task.model.name,
        width=plan.width,
        height=plan.height,
        frames=plan.length,
        tile_px=pixels.tile_px,
        storage=pixels.storage,
        way=plan.way.name.lower(),
        how=plan.way.words,
        device=machine.name,
        has_gpu=machine.has_gpu,
        needs_bytes=plan.memory_bytes,
        total_bytes=machine.memory_bytes,
        free_bytes=machine.free_bytes,
        ram_bytes=plan.ram_bytes,
        seconds=round(plan.seconds, 1),
        is_measured=plan.is_measured,
        waits=plan.waits,
        note=note_of(plan),
    )


def _begun(plan: Plan) -> State:
    return State.at(plan.pixels, level=plan.level)


def _below(task: Task, level: int) -> Plan:
    try:
        return task.plan(after_level=level)
    except GpuMemory as error:
        where = "GPU" if task.machine.has_gpu else "machine"
        raise GpuMemory(
            f"The {where} ran out of memory, and '{task.model.name}' has no form that needs less",
            remedy="Close other programs that use it, or use a smaller matte or a smaller model",
        ) from error


def _set(model: Model, pixels: Pixels) -> Model:
    given = {"area_px": str(pixels.area_px), "longest": str(pixels.longest), "storage": pixels.storage}
    if pixels.tile_px:
        given["tile_px"] = str(pixels.tile_px)
    return replace(model, settings={**model.settings, **given})


def _raw_family(card: Card) -> Family:
    model = card.model
    assert model is not None
    family = family_of(model.pipeline, model.component_bytes)
    assert family is not None
    return family


def _steps(card: Card, job: Job) -> list[tuple[Card, Job]]:
    """Of a recipe, each with the job as it is told: the recipe's options name the step they are for."""
    return [
        (step, dataclasses.replace(job, options=options_of(job.options, prefix)))
        for step, prefix in zip(card.steps, (EDIT, CARRY), strict=True)
    ]
