"""The stand-in engine: deterministic, needs nothing, and fails on demand. It is a part of the product, not a mock."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from hashlib import blake2b
from typing import NoReturn

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import EngineFault, GpuMemory
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import FloatImage, Job, Patch, Shot, Window
from secondtake_daemon.engines.standin_card import CARD, Switches

__all__ = ["StandInEngine"]

_WEAR = 0.01
"""Standard deviation of the noise in mode `wear`."""


class StandInEngine:
    """See `Switches` for what it can be told to do."""

    def __init__(self, card: Card = CARD) -> None:
        self.card = card
        self._switches = Switches()
        self._held = b""

    def survey(self, shot: Shot, crop: Box) -> str:
        """It looks at nothing."""
        return ""

    def load(self, job: Job) -> None:
        """Wait and take memory as told."""
        self._switches = Switches.parse(job.options)
        _wait(self._switches.load_s, job)
        if self._switches.load_fails:
            raise EngineFault(
                "The stand-in engine was told to fail while loading", remedy="Leave out its switch 'load_fails'"
            )
        self._held = bytes(self._switches.memory_mib << 20) if self._switches.memory_mib else b""

    def generate(self, window: Window, job: Job) -> Patch:
        """Fill every frame of the window."""
        pixels = np.empty((len(window.frames), window.crop.height, window.crop.width, 3), np.float32)
        for out, frame in zip(pixels, window.frames, strict=True):
            out[:] = self._frame(frame, window, job)
        if self._switches.wrong_size_at in window.frames:
            pixels = pixels[:, 1:]
        return Patch(frames=window.frames, box=window.crop, pixels=pixels)

    def unload(self) -> None:
        """Give the memory back."""
        self._held = b""

    def _frame(self, frame: int, window: Window, job: Job) -> FloatImage:
        switches = self._switches
        if frame == switches.crash_at and _attempt(job, switches.crash_times):
            _crash(switches.crash)
        if frame == switches.hang_at:
            _hang(switches.hang)
        if frame == switches.gpu_memory_at:
            raise GpuMemory("The stand-in engine was told to run out of GPU memory", remedy="Use a smaller shot")
        _wait(switches.frame_s, job)
        job.step()
        pixels = self._fill(frame, window, job)
        return np.full_like(pixels, np.nan) if frame == switches.nan_at else pixels

    def _fill(self, frame: int, window: Window, job: Job) -> FloatImage:
        if self._switches.mode == "identity":
            return window.shot.plate(frame, window.crop)
        if self._switches.mode == "followed":
            return (job.control.read or window.shot.plate)(frame, window.crop)
        shape = (window.crop.height, window.crop.width, 3)
        if self._switches.mode == "wear":
            noise = _source(job.seed, job.instruction, str(frame)).standard_normal(shape, dtype=np.float32)
            return np.asarray(window.shot.plate(frame, window.crop) + np.float32(_WEAR) * noise, np.float32)
        source = _source(job.seed, job.instruction, "colour")
        pixels = np.broadcast_to(source.random(3, dtype=np.float32), shape).copy()
        if self._switches.mode == "noise":
            pixels += _source(job.seed, job.instruction, str(frame)).random(shape, dtype=np.float32) * 0.1
        return pixels


def _source(*key: object) -> np.random.Generator:
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def _wait(seconds: float, job: Job) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        job.step()
        time.sleep(min(left, 0.05))


def _attempt(job: Job, times: int) -> bool:
    """Count crashes in the job's scratch folder; true for the first so many."""
    counter = job.scratch / "crashes"
    crashes = len(counter.read_bytes()) if counter.exists() else 0
    if crashes >= times:
        return False
    counter.write_bytes(b"x" * (crashes + 1))
    return True


def _crash(how: str) -> NoReturn:
    if how == "raise":
        raise RuntimeError("The stand-in engine was told to raise")
    if how == "exit":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGSEGV if how == "segv" else signal.SIGKILL)
    time.sleep(60)
    raise AssertionError("unreachable: the signal ends the process")


def _hang(how: str) -> NoReturn:
    while how == "busy":
        ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter lock, as a stuck C library would
    while True:
        time.sleep(3600)
