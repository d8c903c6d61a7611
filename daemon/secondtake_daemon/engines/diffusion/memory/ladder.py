"""The way down when memory ran out: which rung comes next, and what a job remembers of those it took. Pure but for
the job's own file, which lies in its scratch folder and so outlives a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path

import msgspec
from msgspec.structs import replace

from secondtake_daemon.engines.diffusion.memory.plan import FULL, Pixels, Way
from secondtake_daemon.store.io import swap_file

__all__ = ["Rung", "State", "down", "load_state", "save_state", "state_file"]


class Rung(Enum):
    """What is done next, from the cheapest."""

    FREE = "what lay about was freed"
    WAY = "less of the model is held at once"
    RESTART = "a fresh worker waits until there is room"
    PIXELS = "less is made at once, of the whole shot"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where on the ladder a job is."""

    area_px: int
    longest: int
    tile_px: int = 0
    storage: str = FULL
    level: int = 0
    """Of `plan.levels`."""
    after: int = -1
    """The level that ran out of memory, where one did: the job is to be planned anew, below it."""
    way: int = 0
    """The fastest way that may still be tried."""
    was_freed: bool = False
    was_restarted: bool = False
    notes: tuple[str, ...] = ()
    """What happened, one sentence each, for the take."""

    @classmethod
    def at(cls, pixels: Pixels, *, level: int, was_restarted: bool = False, notes: tuple[str, ...] = ()) -> State:
        """The beginning of a level. A job has one fresh worker, whatever the level."""
        return cls(
            area_px=pixels.area_px,
            longest=pixels.longest,
            tile_px=pixels.tile_px,
            storage=pixels.storage,
            level=level,
            was_restarted=was_restarted,
            notes=notes,
        )

    @property
    def pixels(self) -> Pixels:
        """What the job's pixels depend on, for all its windows and attempts."""
        return Pixels(area_px=self.area_px, longest=self.longest, tile_px=self.tile_px, storage=self.storage)


def down(state: State, *, has_gpu: bool, now: Way, lower: Way | None) -> tuple[Rung, State]:
    """The next rung and the state on it.

    now: the way that ran out of memory. lower: the fastest one below it that this machine has. After PIXELS the job is
    planned anew (`fit.fitted`), which ends it where nothing is left.
    """
    if not state.was_freed:
        return Rung.FREE, replace(state, was_freed=True)
    if lower is not None:
        return Rung.WAY, replace(state, way=int(lower), was_freed=False)
    if has_gpu and not state.was_restarted:
        return Rung.RESTART, replace(state, way=int(now), was_freed=False, was_restarted=True)
    return Rung.PIXELS, replace(state, after=state.level)


def state_file(scratch: Path, name: str) -> Path:
    """Of the engine of this name in a job."""
    return scratch / f"memory.{name}.json"


def load_state(file: Path, *, default: Callable[[], State]) -> State:
    """That of an earlier attempt of the job; else a new one, which is kept. Raises what `default` raises."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=State)
    state = default()
    save_state(file, state)
    return state


def save_state(file: Path, state: State) -> None:
    """For the next attempt."""
    file.parent.mkdir(parents=True, exist_ok=True)
    swap_file(file, lambda part: part.write_bytes(msgspec.json.encode(state)))
