"""One fix at a time in a project: a second script would move the playhead and the page under the first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .refusal import Refusal

__all__ = ["only_one"]


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock file; the system lets go of it when this process ends, however it ends. Raises Refusal."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("a+b")
    except OSError as error:
        raise Refusal(
            f"The folder of Second Take cannot be written ({error.strerror})",
            remedy="Make room, or name another in SECONDTAKE_RESOLVE_FOLDER",
            path=str(path.parent),
        ) from error
    with held:
        try:
            _lock(held.fileno())
        except OSError as error:
            raise Refusal(
                "Second Take is at work in this project already", remedy="Look for its window, or wait for it"
            ) from error
        yield


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
