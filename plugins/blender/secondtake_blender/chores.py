"""Work that may wait for a disk, in a thread of its own. Nothing of Blender."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .refusal import Refusal

__all__ = ["Chore"]

_Made = TypeVar("_Made")


class Chore(Generic[_Made]):
    """One piece of work; look at it from a timer."""

    def __init__(self, work: Callable[[], _Made]) -> None:
        """Begin. What `work` raises as Refusal is kept."""
        self._work = work
        self._thread = threading.Thread(target=self._run, name="secondtake chore")
        self.made: _Made | None = None
        self.problem: Refusal | None = None
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """True once `made` or `problem` is there."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait for its end, for a host that ends."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self.made = self._work()
        except Refusal as refusal:
            self.problem = refusal
        except Exception as error:  # noqa: BLE001 — the artist reads one line, whatever it was
            self.problem = Refusal(f"It cannot be written ({error})", remedy="Look at the disk")
