"""Pictures for the scenes: photographs that installed packages ship, else drawn ones. Scene-linear, 0 … about 1."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_PHOTOGRAPHS = ("coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png")


def photograph(rng: np.random.Generator, width: int, height: int, *, index: int = 0) -> Array | None:
    """(height, width, 3); None if no package has one."""
    found = photographs()
    if not found:
        return None
    encoded = cv2.imread(str(found[(index + int(rng.integers(len(found)))) % len(found)]), cv2.IMREAD_COLOR_RGB)
    shown = _covering(np.asarray(encoded, np.float32) / 255, width, height)
    return linear(shown)


def linear(shown: Array) -> Array:
    """sRGB (IEC 61966-2-1), 0 … 1, to scene-linear."""
    return np.asarray(np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4), np.float32)


@cache
def photographs() -> tuple[Path, ...]:
    """Files of scikit-image, if it is installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return tuple(path for name in _PHOTOGRAPHS if (path := folder / name).is_file())


def draw(rng: np.random.Generator, width: int, height: int) -> Array:
    """Noise of many sizes under boxes, discs and lines: edges, flat parts and fine texture."""
    result = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 8):
        cells = (max(2**octave * width // max(width, height), 2), max(2**octave * height // max(width, height), 2))
        noise = rng.normal(size=(cells[1], cells[0], 3)).astype(np.float32)
        result += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.75**octave)
    result = 0.28 + 0.13 * result
    for number in range(90):
        colour = tuple(float(c) for c in rng.uniform(0.03, 0.8, 3))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        side = int(rng.integers(4, max(width // 14, 6)))
        shape = np.zeros((height, width), np.float32)
        if number % 3 == 0:
            cv2.rectangle(shape, (x, y), (x + side, y + int(side * rng.uniform(0.4, 2.0))), 1.0, -1)
        elif number % 3 == 1:
            cv2.circle(shape, (x, y), side // 2, 1.0, -1, cv2.LINE_AA)
        else:
            end = (x + int(rng.normal() * width / 8), y + int(rng.normal() * height / 8))
            cv2.line(shape, (x, y), end, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
        result += shape[..., None] * 0.75 * (np.array(colour, np.float32) - result)
    return np.asarray(np.clip(result, 0.01, 1.0), np.float32)


def person(width: int, height: int) -> Array:
    """Alpha of a standing figure."""
    alpha = np.zeros((height, width), np.float32)
    cv2.ellipse(alpha, (width // 2, height // 9), (width // 6, height // 9), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    cv2.ellipse(alpha, (width // 2, height * 2 // 5), (width // 3, height // 4), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    for side in (-1, 1):
        foot = (width // 2 + side * width // 4, height - 2)
        cv2.line(alpha, (width // 2 + side * width // 8, height // 2), foot, 1.0, max(width // 6, 2), cv2.LINE_AA)
    return alpha


def _covering(photograph: Array, width: int, height: int) -> Array:
    """Scaled and cut so that it covers the size."""
    scale = max(width / photograph.shape[1], height / photograph.shape[0])
    size = (max(round(photograph.shape[1] * scale), width), max(round(photograph.shape[0] * scale), height))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    big = np.clip(cv2.resize(photograph, size, interpolation=way), 0, 1)
    return np.asarray(big[:height, :width], np.float32)
