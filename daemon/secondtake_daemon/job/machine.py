"""Where a take is made: the kind of machine and the colour configuration, as far as pixels depend on them."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

import cv2

from secondtake_daemon.images.colour import BUILT_IN
from secondtake_daemon.store.keys import FileDigests

__all__ = ["configuration", "hardware"]

_CLASSES = ("AVX512-SKX", "AVX2", "NEON", "SSE4.1")


@lru_cache(maxsize=1)
def hardware() -> str:
    """`x86_64 avx2`: the instruction set, and the widest vector units that the image libraries choose code by."""
    here = {name.strip("*?") for name in cv2.getCPUFeaturesLine().split()}
    return f"{platform.machine()} {next((name for name in _CLASSES if name in here), 'plain')}".lower()


def configuration(ocio: str) -> str:
    """What names of colour spaces mean: the configuration's name, and for a file its digest.

    ocio: as in a request; "" is the built-in one. Tables that the file refers to are not looked at. Raises BadImage if
    the file can't be read.
    """
    name = ocio or BUILT_IN
    return f"{name} {FileDigests().of(Path(ocio))}" if ocio and "://" not in ocio else name
