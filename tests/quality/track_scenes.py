"""Shots for tracking a matte: a textured figure in front of a panning background, with its true soft alpha.

Scene-linear, supersampled twice, motion-blurred over a shutter of a half, with grain. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from array_shots import ArrayShot
from numpy.typing import NDArray
from scenes import Layer, Look, Motion, Size, Stage, about, grain, moved
from textures import person

Array = NDArray[np.float32]

SIZE = Size(width=480, height=270, frames=24)


@dataclass(frozen=True)
class TrackShot:
    """A plate, and what a perfect artist would have drawn on each frame."""

    plates: Array
    """(frames, h, w, 3)."""
    alphas: Array
    """(frames, h, w): the figure's coverage, also where something passes in front of it."""

    @property
    def shot(self) -> ArrayShot:
        """For the engine: nothing of it is a hole."""
        return ArrayShot(self.plates, np.zeros_like(self.alphas))


@dataclass(frozen=True)
class _Figure:
    """A layer that bends: bend(t) is how far, in texture pixels, each row is pushed sideways."""

    layer: Layer
    bend: Callable[[float, Array], Array] | None = None

    def at(self, time: float, shape: tuple[int, int], up: NDArray[np.float64]) -> tuple[Array, Array]:
        """Colour and alpha on the supersampled frame, (h, w, 3) and (h, w)."""
        colour, alpha = self.layer.colour, self.layer.alpha
        if self.bend is not None:
            rows, columns = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
            columns = columns + self.bend(time, rows / alpha.shape[0]).astype(np.float32)
            colour = cv2.remap(colour, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            alpha = cv2.remap(alpha, columns, rows, cv2.INTER_LINEAR)
        matrix = up @ self.layer.at(time)
        size = (shape[1], shape[0])
        return (
            np.asarray(cv2.warpPerspective(colour, matrix, size, borderMode=cv2.BORDER_REFLECT), np.float32),
            np.asarray(cv2.warpPerspective(alpha, matrix, size), np.float32),
        )


def make_track(kind: str, *, seed: int = 0, size: Size = SIZE) -> TrackShot:
    """One shot of a kind: walk, turn, grow, sway, limb, covered or leave."""
    stage = Stage(size, np.random.default_rng(seed), Look(), True)
    backdrop = stage.backdrop(stage.panning(1.5 * stage.pace, 0.4 * stage.k, tilt=0.001))
    figure, front = KINDS[kind](stage)
    return _render(stage, backdrop, figure, front)


def _render(stage: Stage, backdrop: Layer, figure: _Figure, front: list[Layer]) -> TrackShot:
    size = stage.size
    small, shape = (size.width, size.height), (size.height * size.over, size.width * size.over)
    up = np.diag([size.over, size.over, 1.0])
    plates, alphas = [], []
    for frame in range(size.frames):
        total, cover = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
        for part in range(size.subframes):
            time = frame + 0.5 * (part + 0.5) / size.subframes - 0.25
            picture, _ = _Figure(backdrop).at(time, shape, up)
            colour, alpha = figure.at(time, shape, up)
            picture = picture * (1 - alpha[..., None]) + colour * alpha[..., None]
            for layer in front:
                colour, over = _Figure(layer).at(time, shape, up)
                picture = picture * (1 - over[..., None]) + colour * over[..., None]
            total += picture / size.subframes
            cover += alpha / size.subframes
        plate = np.asarray(cv2.resize(total, small, interpolation=cv2.INTER_AREA), np.float32)
        plates.append(plate + grain(plate, stage.rng))
        alphas.append(np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_AREA), np.float32))
    return TrackShot(np.stack(plates).astype(np.float32), np.stack(alphas))


# --- kinds ------------------------------------------------------------------------------------------------------

_Parts = tuple[_Figure, list[Layer]]


def _figure(stage: Stage, motion: Callable[[float], NDArray[np.float64]], *, start: float = 0.4) -> Layer:
    """A figure 24 % wide and 66 % high. motion(t): about its own middle; t is 0 in the middle of the shot."""
    size = stage.size
    wide, high = int(0.24 * size.width), int(0.66 * size.height)
    colour, alpha = stage.picture(wide, high, index=2), person(wide, high)
    colour, alpha = cv2.copyMakeBorder(colour, 8, 8, 8, 8, cv2.BORDER_REFLECT), np.pad(alpha, 8)
    place = moved(start * size.width - 8, 0.2 * size.height - 8)
    middle = start * size.width + wide / 2, 0.2 * size.height + high / 2

    def at(t: float) -> NDArray[np.float64]:
        return about(motion(t - size.frames / 2), *middle) @ place

    return Layer(np.asarray(colour, np.float32), np.asarray(alpha, np.float32), at)


def _walk(stage: Stage) -> _Parts:
    return _Figure(_figure(stage, lambda t: moved(4 * stage.pace * t, 2 * stage.k * np.sin(0.8 * t)))), []


def _turn(stage: Stage) -> _Parts:
    turn = np.radians(25) / (stage.size.frames / 2)
    return _Figure(_figure(stage, lambda t: moved(2 * stage.pace * t, 0, angle=turn * t))), []


def _grow(stage: Stage) -> _Parts:
    rate = np.log(1.2) / (stage.size.frames / 2)
    return _Figure(_figure(stage, lambda t: moved(1.5 * stage.pace * t, 0, scale=float(np.exp(rate * t))))), []


def _sway(stage: Stage) -> _Parts:
    layer = _figure(stage, lambda t: moved(2.5 * stage.pace * t, 0, angle=0.05 * np.sin(0.4 * t)))
    deep = 7 * stage.k

    def bend(t: float, down: Array) -> Array:
        return np.asarray(deep * np.sin(2.2 * down + 0.35 * t) - deep * np.sin(2.2 * down), np.float32)

    return _Figure(layer, bend), []


def _limb(stage: Stage) -> _Parts:
    """The legs swing, the body stays."""
    layer = _figure(stage, lambda t: moved(2 * stage.pace * t))

    def bend(t: float, down: Array) -> Array:
        return np.asarray(14 * stage.k * np.sin(0.3 * t) * np.maximum(down - 0.5, 0) / 0.5, np.float32)

    return _Figure(layer, bend), []


def _covered(stage: Stage) -> _Parts:
    """A post, as wide as half the figure, passes in front."""
    size = stage.size
    wide = int(0.08 * size.width)
    colour = stage.picture(wide, size.height, index=3)
    middle = size.frames / 2

    def at(t: float) -> NDArray[np.float64]:
        return moved(0.75 * size.width - 9 * stage.pace * (t - middle * 0.7))

    post = Layer(colour, np.ones(colour.shape[:2], np.float32), at)
    return _Figure(_figure(stage, lambda t: moved(2 * stage.pace * t))), [post]


def _leave(stage: Stage) -> _Parts:
    """Walks out of the picture towards the end."""
    return _Figure(_figure(stage, lambda t: moved(9 * stage.pace * t), start=0.55)), []


KINDS: dict[str, Callable[[Stage], _Parts]] = {
    "walk": _walk,
    "turn": _turn,
    "grow": _grow,
    "sway": _sway,
    "limb": _limb,
    "covered": _covered,
    "leave": _leave,
}


# --- scores -----------------------------------------------------------------------------------------------------


def overlap(found: Array, true: Array) -> float:
    """Mean over the frames of the intersection over union of coverage above a half; frames without the figure: left
    out if nothing was found there, 0 if something was."""
    shares = []
    for one, other in zip(found > 0.5, true > 0.5, strict=True):
        either = int((one | other).sum())
        if either:
            shares.append(int((one & other).sum()) / either)
    return float(np.mean(shares))


def band_error(found: Array, true: Array, *, reach_px: int = 4) -> float:
    """Mean absolute difference of coverage within a few pixels of the true outline."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach_px + 1, 2 * reach_px + 1))
    errors = []
    for one, other in zip(found, true, strict=True):
        inside = (other > 0.5).astype(np.uint8)
        band = cv2.dilate(inside, kernel) != cv2.erode(inside, kernel, borderType=cv2.BORDER_REPLICATE)
        if band.any():
            errors.append(float(np.abs(one - other)[band].mean()))
    return float(np.mean(errors))


def edge_width(alpha: Array) -> float:
    """How wide the soft edge is: soft pixels over the length of the outline."""
    outlines, _ = cv2.findContours((alpha > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    length = sum(cv2.arcLength(outline, True) for outline in outlines)
    return float(((alpha > 0.05) & (alpha < 0.95)).sum() / max(length, 1.0))


def held(shot: TrackShot, drawn: int) -> Array:
    """The baseline of those who do nothing: the drawn matte stands still."""
    return np.repeat(shot.alphas[drawn][None], len(shot.alphas), axis=0)


__all__ = ["KINDS", "SIZE", "Motion", "TrackShot", "band_error", "edge_width", "held", "make_track", "overlap"]
