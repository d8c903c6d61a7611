"""What a window's rendering says of itself while it runs, and where it ends when the job is cancelled.

The pipeline says nothing of its own: `tap` tells which part of it runs, and each step before it is taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import psutil

from secondtake.errors import Cancelled
from secondtake.frames import FrameSet
from secondtake.messages import Stage
from secondtake_daemon.engines.contract import Job

__all__ = ["DECODE", "ENCODE", "LOAD", "STEP", "WRITE", "Preview", "Watch", "reading"]

LOAD, ENCODE, STEP, DECODE, WRITE = "load", "encode", "step", "decode", "write"
_PREVIEW_S = 0.5


class Preview(Protocol):
    """Shows what is being denoised (`preview.Strip`)."""

    @property
    def path(self) -> str:
        """Of the picture; "" before there is one."""

    def offer(self, velocity: Any, sample: Any, sigma: float) -> None:
        """The latents of a step. Returns at once."""


class Watch:
    """An observer for `tap.observed`, of one window."""

    def __init__(
        self,
        job: Job,
        *,
        frames: Sequence[int],
        steps: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._frames = str(FrameSet(frames))
        self._steps, self._taken = steps, 0
        self._preview: Preview | None = None
        self._shown_s = float("-inf")
        self._clock = clock
        self._sigmas: list[float] = []
        self._name = ""

    def show(self, preview: Preview | None) -> None:
        """From now on; None shows nothing."""
        self._preview = preview

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        """A denoising step is about to be taken: the model has said where to."""
        if not scheduler.step_index:  # a run's first; some pipelines denoise twice
            first = scheduler.begin_index or 0
            self._steps, self._taken = len(scheduler.timesteps) - first, 0
            self._sigmas = scheduler.sigmas.tolist()[first:]
        self._taken += 1
        if self._preview is not None and self._clock() - self._shown_s >= _PREVIEW_S:
            self._shown_s = self._clock()
            self._preview.offer(velocity, sample, self._sigmas[self._taken - 1])
        self._say(STEP)
        self._job.step()

    def alive(self, stage: str) -> None:
        """A block of a part of the pipeline is about to run."""
        if stage != self._name:
            self._say(stage)
        self._job.step()

    def write(self) -> None:
        """The pixels are made: what is left is to put them into the frames."""
        self._say(WRITE)
        self._job.step()

    def _say(self, name: str) -> None:
        self._name = name
        counts = {"done": self._taken, "total": self._steps} if name == STEP else {}
        path = self._preview.path if self._preview is not None else ""
        self._job.stage(Stage(name=name, frames=self._frames, preview=path, **counts))


@contextmanager
def reading(job: Job, *, look_s: float = 1.0) -> Iterator[None]:
    """While a library reads weights, which may take many minutes and asks nobody: a sign of life for each look at which
    more was read than at the last, so that a file server that hangs is told from a slow one.

    A cancel in the meantime ends the worker, which loses nothing: there is no model in its memory yet.
    """
    ended = threading.Event()

    def look() -> None:
        last = _read_so_far()
        while not ended.wait(look_s):
            now = _read_so_far()
            if now != last:
                with suppress(Cancelled):
                    job.step()
            last = now

    thread = threading.Thread(target=look, name="reading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read_so_far() -> tuple[int, ...]:
    """Bytes that came from files, mapped ones too."""
    process = psutil.Process()
    counts = process.io_counters() if hasattr(process, "io_counters") else None  # macOS has none
    read = getattr(counts, "read_bytes", 0), getattr(counts, "read_chars", 0)
    return (process.memory_info().rss >> 20, *(count >> 20 for count in read))
