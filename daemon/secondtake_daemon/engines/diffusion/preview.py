"""A small picture of what is being denoised: five frames of the predicted result, side by side, in the job's folder.

The prediction is x0 = x_t − σ·v (flow matching, Lipman et al., ICLR 2023); of it, a linear map from latents to colours
is shown, which is rough and costs next to nothing. Only five latent frames are looked at. They leave the GPU by an
asynchronous copy, and all else happens in a thread, so sampling waits for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.diffusion.shaper import Shaper
from secondtake_daemon.store.io import swap_file

__all__ = ["Projection", "Strip", "fit_projection", "picks"]

_LOG = logging.getLogger(__name__)
_PANELS = 5
_PANEL_HEIGHT_PX = 160
_GAP_PX = 4
_JPEG_QUALITY = 88
_RIDGE = 1e-3

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Projection:
    """(C + 1, 3) float32: codes = latents · matrix[:-1] + matrix[-1]."""

    matrix: Floats

    def codes(self, latents: Floats) -> Floats:
        """(C, T, h, w) → (T, h, w, 3), the model's codes, not clamped."""
        return np.asarray(np.tensordot(latents, self.matrix[:-1], axes=(0, 0)) + self.matrix[-1], np.float32)


def fit_projection(latents: Floats, codes: Floats) -> Projection:
    """The map that brings (n, C) latents nearest to (n, 3) codes: least squares, with a little ridge so that channels
    that say nothing get no weight."""
    mean, middle = latents.mean(axis=0, dtype=np.float64), codes.mean(axis=0, dtype=np.float64)
    x, y = latents - mean, codes - middle
    square = x.T @ x
    weights = np.linalg.solve(
        square + np.eye(len(square)) * (_RIDGE * max(np.trace(square) / len(square), 1e-12)), x.T @ y
    )
    return Projection(np.vstack([weights, middle - mean @ weights]).astype(np.float32))


def picks(count: int) -> list[int]:
    """Which of so many latent frames are shown: the middle one and four others, ends included; all of a few."""
    return sorted({round(at * (count - 1) / (_PANELS - 1)) for at in range(_PANELS)})


class Strip:
    """The picture of one rendering. Used from the thread that denoises."""

    def __init__(self, file: Path, *, projection: Projection, shaper: Shaper, planes: Callable[[Any], Any]) -> None:
        """planes: latents as the scheduler has them → (C, T, h, w), of the frames that are made."""
        self._file, self._projection, self._shaper, self._planes = file, projection, shaper, planes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._pending: Future[None] | None = None
        self._is_there = False

    @property
    def path(self) -> str:
        """Of the picture; "" before there is one."""
        return str(self._file) if self._is_there else ""

    def offer(self, velocity: Any, sample: Any, sigma: float) -> None:
        """Draw these latents, unless the last ones are still being drawn. Returns at once."""
        if self._pending is not None and not self._pending.done():
            return
        latents, moving = self._planes(sample), self._planes(velocity)
        shown = picks(latents.shape[1])
        x0 = latents[:, shown].float() - sigma * moving[:, shown].float()
        self._pending = self._thread.submit(self._draw, _leaving(x0))

    def close(self) -> None:
        """Wait until the last picture is written."""
        self._thread.shutdown(wait=True)

    def _draw(self, arrived: Callable[[], Floats]) -> None:
        try:
            picture = drawn(self._projection.codes(arrived()), self._shaper)
            _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            swap_file(self._file, lambda part: part.write_bytes(data.tobytes()))
            self._is_there = True
        except (OSError, RuntimeError, ValueError, cv2.error) as error:
            _LOG.warning("no preview", extra={"fields": {"reason": str(error)}})


def drawn(codes: Floats, shaper: Shaper) -> NDArray[np.uint8]:
    """(T, h, w, 3) codes → one (height, width, 3) sRGB picture, frames from left to right."""
    light = np.clip(shaper.decode(np.clip(np.nan_to_num(codes), 0, 1)), 0, 1)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    panels = [_panel(np.rint(frame * 255).astype(np.uint8)) for frame in shown]
    gap = np.zeros((panels[0].shape[0], _GAP_PX, 3), np.uint8)
    return np.concatenate([piece for panel in panels for piece in (gap, panel)][1:], axis=1)


def _panel(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = _PANEL_HEIGHT_PX / height
    size = (max(round(width * scale), 1), _PANEL_HEIGHT_PX)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _leaving(tensor: Any) -> Callable[[], Floats]:
    """Begin the way to the CPU; what is returned waits for its end."""
    import torch

    if not tensor.is_cuda:
        return lambda: np.asarray(tensor.numpy(), np.float32)
    host = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event(blocking=True)
    copied.record()

    def arrived() -> Floats:
        copied.synchronize()
        return np.asarray(host.numpy(), np.float32)

    return arrived
