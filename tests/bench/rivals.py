"""What others do with the same hole, frame by frame. Each works on the 8-bit display picture, as it is made to."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from scores import display, telea

__all__ = ["GMIC", "NAVIER_STOKES", "PATCHMATCH", "TELEA", "Rival"]

Frames = NDArray[np.float32]
Shown = NDArray[np.uint8]

_RADIUS_PX = 5.0
_PATCH_RADIUS_PX = 3
_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Rival:
    """A method that fills each frame alone."""

    name: str
    fill: Callable[[Frames, Frames], Frames]
    """(frames, h, w, 3) scene-linear plates and (frames, h, w) holes → filled plates."""
    missing: Callable[[], str]
    """Why it can't run here; empty if it can."""


def _each(one: Callable[[Shown, Shown], Shown]) -> Callable[[Frames, Frames], Frames]:
    """Fill scene-linear frames with a method that takes an 8-bit RGB picture and a mask of 0 and 255."""

    def fill(plates: Frames, holes: Frames) -> Frames:
        result = plates.copy()
        for pixels, hole in zip(result, holes, strict=True):
            inside = hole > 0
            shown = np.rint(display(pixels) * 255).astype(np.uint8)
            filled = one(shown, inside.astype(np.uint8) * 255)
            pixels[inside] = (np.asarray(filled, np.float32)[inside] / 255) ** 2.2
        return result

    return fill


def _navier_stokes(shown: Shown, mask: Shown) -> Shown:
    """Bertalmío, Bertozzi and Sapiro, CVPR 2001."""
    return np.asarray(cv2.inpaint(shown, mask, _RADIUS_PX, cv2.INPAINT_NS), np.uint8)


def _gmic(shown: Shown, mask: Shown) -> Shown:
    """Patch-based multi-scale inpainting of G'MIC, with its defaults."""
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        cv2.imwrite(str(folder / "plate.png"), shown[..., ::-1])
        cv2.imwrite(str(folder / "hole.png"), mask)
        command = ["gmic", "plate.png", "hole.png", "inpaint_matchpatch[0]", "[1]", "output[0]", "out.png"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_LIMIT_S)
        return np.asarray(cv2.imread(str(folder / "out.png"), cv2.IMREAD_COLOR_RGB), np.uint8)


def _patchmatch(shown: Shown, mask: Shown) -> Shown:
    """Barnes et al., SIGGRAPH 2009, as the PyPatchMatch package has it."""
    library = importlib.import_module("patchmatch.patch_match")
    library.set_verbose(False)
    library.set_random_seed(0)
    return np.asarray(library.inpaint(shown, mask, patch_size=_PATCH_RADIUS_PX), np.uint8)


def _without_gmic() -> str:
    return "" if shutil.which("gmic") else "no program `gmic` (Debian package gmic)"


def _without_patchmatch() -> str:
    if importlib.util.find_spec("patchmatch") is None:
        return "no module `patchmatch` (PyPI package pypatchmatch)"
    available = importlib.import_module("patchmatch.patch_match").patchmatch_available
    return "" if available else "the library of PyPI's pypatchmatch does not load here"


def _nothing() -> str:
    return ""


TELEA = Rival("Telea", telea, _nothing)
NAVIER_STOKES = Rival("Navier–Stokes", _each(_navier_stokes), _nothing)
GMIC = Rival("G'MIC", _each(_gmic), _without_gmic)
PATCHMATCH = Rival("PatchMatch", _each(_patchmatch), _without_patchmatch)
