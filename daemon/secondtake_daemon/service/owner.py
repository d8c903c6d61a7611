"""A daemon that was started for one program ends with it."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from secondtake.errors import UsageError
from secondtake.process import is_same_process, process_start

__all__ = ["Owner"]


class Owner(NamedTuple):
    """The process we live for. `handle` becomes readable when it ends, where the system has such a thing."""

    pid: int
    start: str
    handle: int | None

    @classmethod
    def watch(cls, pid: int) -> Owner:
        """Raises UsageError if there is no such process."""
        start = process_start(pid)
        if not start:
            raise UsageError(f"The owner, process {pid}, does not exist")
        handle = None
        if sys.platform == "linux":
            try:
                handle = os.pidfd_open(pid)
            except OSError:  # an old kernel, or it ended just now: is_gone tells
                handle = None
        return cls(pid, start, handle)

    @property
    def is_gone(self) -> bool:
        """True when it has ended."""
        return not is_same_process(self.pid, self.start)

    def close(self) -> None:
        """Give the handle back."""
        if self.handle is not None:
            os.close(self.handle)
