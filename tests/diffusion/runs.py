"""Renderings for the tests of the families: a small clip with a hole, a pipeline under observation, and spies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.pipes import _class
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.tap import observed

__all__ = ["Counting", "a_run", "called", "dressed", "quiet", "rendered", "returned", "settled"]


torch.set_num_threads(1)  # tiny tensors: threads would only wait for each other


class Counting:
    """Counts, and raises when told."""

    def __init__(self, *, stop_at: int = 0, stop_in_step: int = 0) -> None:
        self.steps = self.blocks = 0
        self._stop_at, self._stop_in_step = stop_at, stop_in_step

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        self.steps += 1
        if self.steps == self._stop_in_step:
            raise RuntimeError("stopped")

    def alive(self, stage: str) -> None:
        self.blocks += 1
        if self.blocks == self._stop_at:
            raise RuntimeError("stopped")


def a_run(*, frames: int, height: int, width: int, settings: Settings | None = None, **changes: Any) -> Run:
    """Noise for a plate, with a hole in the middle of every frame."""
    codes = np.random.default_rng(0).random((frames, height, width, 3), np.float32)
    holes = np.zeros((frames, height, width), bool)
    holes[:, height // 3 : height * 2 // 3, width // 4 : width * 3 // 4] = True
    run = Run(
        canvas=Canvas(width, height, width, height), codes=codes, holes=holes, prompt="a hat", seed=3, first=8,
        settings=settings or Settings(steps=2, guidance=1.0, prompt_tokens=32),
    )  # fmt: skip
    return replace(run, **changes)


def settled(run: Run, **changes: Any) -> Run:
    """The same with other settings."""
    return replace(run, settings=replace(run.settings, **changes))


def quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def dressed(pipe: Any, family: Family) -> Any:
    """The pipeline as the class that the family runs."""
    return quiet(_class(family.runs or family.pipeline).from_pipe(pipe))


def rendered(pipe: Any, family: Family, run: Run, watch: Counting | None = None, **changes: Any) -> Any:
    """Codes of a run. changes: arguments that are not what the family says."""
    return family.frames(returned(pipe, family, run, watch, **changes))


def returned(pipe: Any, family: Family, run: Run, watch: Counting | None = None, **changes: Any) -> Any:
    """What the pipeline returns."""
    with torch.no_grad(), observed(pipe, watch or Counting(), denoisers=family.denoisers):
        return pipe(**{**family.arguments(run), **changes})


@contextmanager
def called(module: Any, name: str = "forward") -> Iterator[list[dict[str, Any]]]:
    """The arguments of every call, while inside; "" names those that are given by place."""
    calls: list[dict[str, Any]] = []
    before: Callable[..., Any] = getattr(module, name)

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append({"": args, **kwargs})
        return before(*args, **kwargs)

    setattr(module, name, spy)
    try:
        yield calls
    finally:
        delattr(module, name)
