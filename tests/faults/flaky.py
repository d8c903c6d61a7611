"""A disk that fails now and then: libfiu (https://blitiri.com.ar/p/libfiu/) lets calls fail with EIO."""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["REASON", "environment", "flaky"]

_POINTS = b"posix/io/*"
_PRELOADED = ("fiu_run_preload.so", "fiu_posix_preload.so")
_FOLDERS = (Path("/usr/lib/fiu"), Path("/usr/local/lib/fiu"), Path("/usr/lib64/fiu"))


def _found() -> list[Path]:
    for folder in _FOLDERS if sys.platform == "linux" else ():
        libraries = [folder / name for name in _PRELOADED]
        if all(library.exists() for library in libraries):
            return libraries
    return []


REASON = "" if _found() else "libfiu is not installed (Debian: fiu-utils)"
"""Why nothing can be made to fail; empty if it can."""


def environment() -> Mapping[str, str]:
    """What a process must be started with for `flaky` to work in it.

    One thread for OpenBLAS: its threads start while a library is being loaded, and their first mmap waits in libfiu for
    the loader's lock with libfiu's own lock held, which the loading thread waits for in malloc.
    """
    return {"LD_PRELOAD": " ".join(map(str, _found())), "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def flaky(share: float, *, seed: int) -> Iterator[None]:
    """Within the block this share of all calls that open, read, write, sync, stat, rename … fails. 0: none."""
    if not share:
        yield
        return
    library = ctypes.CDLL("libfiu.so.0")
    library.fiu_enable_random.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_float]
    library.fiu_set_prng_seed(seed)
    library.fiu_enable_random(_POINTS, 1, errno.EIO, 0, share)
    try:
        yield
    finally:
        library.fiu_disable(_POINTS)
