"""Other functions in the place of those of `secondtake.disk`: to kill the process at one, or to let one fail."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secondtake import disk

__all__ = ["CALLS", "Around", "Fail", "Kill", "put_around"]

CALLS = tuple(name for name in disk.__all__ if name != "make_folders")
_BY_FILLING = ("write", "append")

Around = Callable[[str, Callable[[], Any], tuple[Any, ...]], Any]
"""(name, go, arguments): calls go, or not."""


def put_around(around: Around) -> Callable[[], None]:
    """From now on every call goes through this. Returns what ends it."""
    inner = {name: getattr(disk, name) for name in CALLS}

    def wrap(name: str) -> Callable[..., Any]:
        def call(*arguments: object, **options: object) -> object:
            return around(name, lambda: inner[name](*arguments, **options), arguments)

        return call

    for name in CALLS:
        setattr(disk, name, wrap(name))

    def end() -> None:
        for name, function in inner.items():
            setattr(disk, name, function)

    return end


class Counter:
    """Counts calls, from several threads."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self.calls += 1
            return self.calls - 1


class Kill(Counter):
    """SIGKILL at call number `at`: before it, after it, or (of a write) in the middle."""

    def __init__(self, at: int, moment: str) -> None:
        super().__init__()
        self._at = at
        self._moment = moment

    def __call__(self, name: str, go: Callable[[], Any], arguments: tuple[Any, ...]) -> object:
        if self.next() != self._at:
            return go()
        if self._moment == "before":
            _die()
        before = _size(arguments[0])
        result = go()
        if self._moment == "middle" and name in _BY_FILLING:
            halve(arguments[0], before if name == "append" else 0)
        _die()
        return result


class Fail(Counter):
    """OSError at the calls that `when` chooses; a write has then written a half."""

    def __init__(self, when: Callable[[int], bool], *, number: int = errno.ENOSPC) -> None:
        super().__init__()
        self._when = when
        self._number = number

    def __call__(self, name: str, go: Callable[[], Any], arguments: tuple[Any, ...]) -> object:
        if not self._when(self.next()) or (self._number == errno.ENOSPC and name in ("unlink", "remove_folder")):
            return go()
        if name in _BY_FILLING:
            before = _size(arguments[0])
            go()
            halve(arguments[0], before if name == "append" else 0)
        raise OSError(self._number, os.strerror(self._number), str(arguments[0]))


def halve(path: Path, keep: int) -> None:
    """Cut off half of what came after the first `keep` bytes."""
    os.truncate(path, keep + (_size(path) - keep) // 2)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
