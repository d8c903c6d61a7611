"""The C library's heap: kept together, and given back. Elsewhere than on Linux with glibc these do nothing.

Pictures come and go by the megabyte, from several threads. glibc keeps an arena for each thread and what is freed in
the middle of each, so a process grows with the length of a shot though nothing that lives does: 1.4 GiB instead of
0.9 for 96 frames of 1080p. See mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import sys
import time
from functools import lru_cache

__all__ = ["give_back", "keep_together"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_ARENAS = 2
_KEPT_BYTES = 512 << 20
"""Freed memory that stays: a page that comes back from the system costs more than what is mostly done in it."""
_MAPPED_BYTES = 32 << 20
"""Larger pieces are mapped each by themselves; the most that glibc takes."""
_DONE_S = [float("-inf")]
"""When it was done last, by the monotonic clock."""


def keep_together() -> None:
    """At the start of a process: few arenas, and pages that were freed are used again."""
    library = _library()
    if library is not None:
        library.mallopt(_ARENA_MAX, _ARENAS)
        library.mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back(*, most_often_s: float = 0.0) -> None:
    """Return freed pages to the system; a millisecond, and as much again for each 4 MB that are needed anew.

    most_often_s: nothing is done if it was done so short a time ago.
    """
    library, now_s = _library(), time.monotonic()
    if library is not None and now_s - _DONE_S[0] >= most_often_s:
        library.malloc_trim(0)
        _DONE_S[0] = now_s


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
