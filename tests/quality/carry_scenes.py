"""Shots for carrying a painted frame: a photograph on a moving surface, edited on the surface, with its true motion.

Scene-linear, supersampled twice. Plate and edited frames share their grain. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from array_shots import ArrayShot
from numpy.typing import NDArray
from scenes import about, moved
from textures import draw, photograph

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]

OVER = 2
FIRST = 1001


@dataclass(frozen=True)
class CarrySize:
    width: int = 480
    height: int = 270
    frames: int = 32


@dataclass(frozen=True)
class CarryShot:
    """A plate, the same shot as if the edit were real, and where the edit is."""

    plates: Array
    """(frames, h, w, 3)."""
    edited: Array
    """(frames, h, w, 3), with the plate's grain: a painted frame is one of these."""
    clean: Array
    """The same without grain."""
    mattes: Array
    """(frames, h, w)."""
    inside: NDArray[np.bool_]
    """(frames, h, w): where the edit shows; nothing stands in front."""
    front: NDArray[np.bool_]
    """(frames, h, w): pixels of the matte where something does."""
    vectors: Array
    """(frames, h, w, 4), as `Shot.motion`."""

    def shot(self, *painted: int, vectors: bool = False) -> ArrayShot:
        """For the engine, with these frames (counted from 0) painted."""
        references = {FIRST + place: self.edited[place] for place in painted}
        given = self.vectors if vectors else None
        return ArrayShot(self.plates, self.mattes, first=FIRST, painted=references, vectors=given)


@dataclass(frozen=True)
class _Scene:
    """What moves and how it is lit. Places in pixels of the frame, times in frames."""

    size: CarrySize
    surface: Array
    backdrop: Array
    at: Callable[[float], Doubles]
    """Surface pixels to frame pixels."""
    camera: Callable[[float], Doubles]
    bend: Callable[[Array, float], Array]
    """(…, 2) surface pixels → how far they are pushed."""
    light: Callable[[Array, float], Array]
    """(h, w, 2) frame pixels → (h, w) factor."""
    post: tuple[Array, Callable[[float], Doubles]] | None = None


def make_carry(
    motion: str, edit: str, *, seed: int = 0, size: CarrySize | None = None, grain: float = 1.0, drawn: bool = False
) -> CarryShot:
    """motion: rigid, deform, lit, hard or covered; edit: paint, grade, blemish or logo."""
    size = size or CarrySize()
    rng = np.random.default_rng(seed)
    scene = _scene(motion, size, rng, drawn)
    before, after, alpha = EDITS[edit](scene.surface, rng, drawn)
    noise = np.stack([_noise(rng, size) for _ in range(size.frames)]) * np.float32(grain)
    plates, edited, clean, mattes, insides, fronts, vectors = [], [], [], [], [], [], []
    for frame in range(size.frames):
        plate, real, cover, over = _rendered(scene, frame, before, after, alpha)
        plates.append(plate + noise[frame] * _sigma(plate))
        edited.append(real + noise[frame] * _sigma(real))
        clean.append(real)
        matte = cv2.dilate((cover > 0.002).astype(np.float32), np.ones((5, 5), np.uint8))
        mattes.append(matte)
        insides.append((cover > 0.002) & (over < 0.002))
        fronts.append((matte > 0) & (over > 0.998))
        vectors.append(_vectors(scene, frame))
    return CarryShot(
        np.stack(plates).astype(np.float32),
        np.stack(edited).astype(np.float32),
        np.stack(clean).astype(np.float32),
        np.stack(mattes).astype(np.float32),
        np.stack(insides),
        np.stack(fronts),
        np.stack(vectors).astype(np.float32),
    )


def _scene(motion: str, size: CarrySize, rng: np.random.Generator, drawn: bool) -> _Scene:
    wide, high = int(0.8 * size.width), int(0.9 * size.height)
    k, middle = size.width / 480, size.frames / 2
    surface = _picture(rng, wide, high, 0, drawn)
    backdrop = _picture(rng, int(1.3 * size.width), int(1.3 * size.height), 1, drawn)

    def at(t: float) -> Doubles:
        x = 0.1 * size.width + 1.6 * k * (t - middle)
        y = 0.05 * size.height + 0.3 * k * (t - middle)
        turn = about(moved(0, 0, angle=0.004 * (t - middle)), x + wide / 2, y + high / 2)
        return np.asarray(turn @ moved(x, y), np.float64)

    def camera(t: float) -> Doubles:
        return moved(-0.15 * size.width - 0.4 * k * (t - middle), -0.15 * size.height)

    post = None
    if motion == "covered":
        colour = _picture(rng, int(0.09 * size.width), size.height, 3, drawn)

        def passing(t: float) -> Doubles:
            return moved(0.5 * size.width + 7.0 * k * 32 / size.frames * (t - 0.62 * size.frames), 0)

        post = (colour, passing)
    return _Scene(size, surface, backdrop, at, camera, _bend(motion, k), _light(motion, size), post)


def _bend(motion: str, k: float) -> Callable[[Array, float], Array]:
    def still(place: Array, t: float) -> Array:
        return np.zeros_like(place)

    def rippling(place: Array, t: float) -> Array:
        x, y = place[..., 0] / k, place[..., 1] / k
        right = 3.0 * np.sin(y / 40 + 0.21 * t)
        down = 2.2 * np.sin(x / 53 - 0.17 * t)
        return np.asarray(k * np.stack([right, down], axis=-1), np.float32)

    return rippling if motion == "deform" else still


def _light(motion: str, size: CarrySize) -> Callable[[Array, float], Array]:
    """A shadow's edge that crosses the frame down to 0.4, with flicker; `hard` is a sharper one without."""
    steep = {"lit": 14.0, "hard": 90.0}.get(motion)

    def even(place: Array, t: float) -> Array:
        return np.ones(place.shape[:2], np.float32)

    def shadowed(place: Array, t: float) -> Array:
        x = place[..., 0] / size.width
        edge = 0.2 + 0.018 * t * 32 / size.frames
        flicker = 1 + 0.08 * np.sin(2.1 * t) if motion == "lit" else 1.0
        return np.asarray(flicker * (1 - 0.6 / (1 + np.exp(-np.float32(steep or 0.0) * (x - edge)))), np.float32)

    return even if steep is None else shadowed


def _rendered(
    scene: _Scene, frame: int, before: Array, after: Array, alpha: Array
) -> tuple[Array, Array, Array, Array]:
    """Plate, edited plate, coverage of the edit on the surface, coverage of what stands in front."""
    size = scene.size
    high, wide = size.height * OVER, size.width * OVER
    rows, columns = np.mgrid[:high, :wide].astype(np.float32)
    place = np.stack([(columns + 0.5) / OVER - 0.5, (rows + 0.5) / OVER - 0.5], axis=2)
    on = _on_surface(scene, place, frame)
    there = _into(np.linalg.inv(scene.camera(frame)), place)
    inside = _sampled(np.ones(alpha.shape, np.float32), on)
    behind = _sampled(scene.backdrop, there)
    light = scene.light(place, frame)[..., None]
    results = []
    for picture in (before, after):
        shown = cv2.remap(picture, on[..., 0], on[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        mixed = behind * (1 - inside[..., None]) + np.maximum(shown, 0.0) * inside[..., None]
        results.append(mixed * light)
    cover, over = _sampled(alpha, on), np.zeros((high, wide), np.float32)
    if scene.post is not None:
        colour, passing = scene.post
        where = _into(np.linalg.inv(passing(frame)), place)
        over = _sampled(np.ones(colour.shape[:2], np.float32), where)
        post = cv2.remap(colour, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        results = [one * (1 - over[..., None]) + post * over[..., None] for one in results]
    plate, real, cover, over = (
        np.asarray(cv2.resize(one, (size.width, size.height), interpolation=cv2.INTER_AREA), np.float32)
        for one in (*results, cover, over)
    )
    return plate, real, cover, over


def _on_surface(scene: _Scene, place: Array, t: float) -> Array:
    """Frame pixels → surface pixels: the bend is undone by iteration."""
    flat = _into(np.linalg.inv(scene.at(t)), place)
    on = flat
    for _ in range(6):
        on = flat - scene.bend(on, t)
    return on


def _vectors(scene: _Scene, frame: int) -> Array:
    """From each pixel to its point in the frame before and in the next."""
    rows, columns = np.mgrid[: scene.size.height, : scene.size.width].astype(np.float32)
    place = np.stack([columns, rows], axis=2)
    on = _on_surface(scene, place, frame)
    high, wide = scene.surface.shape[:2]
    inside = (on[..., 0] >= 0) & (on[..., 1] >= 0) & (on[..., 0] <= wide - 1) & (on[..., 1] <= high - 1)
    far = _into(np.linalg.inv(scene.camera(frame)), place)
    found = []
    for other in (frame - 1, frame + 1):
        moved_on = _into(scene.at(other), on + scene.bend(on, other))
        to = np.where(inside[..., None], moved_on, _into(scene.camera(other), far))
        if scene.post is not None:
            colour, passing = scene.post
            where = _into(np.linalg.inv(passing(frame)), place)
            over = (where[..., 0] >= 0) & (where[..., 0] <= colour.shape[1] - 1)
            to = np.where(over[..., None], _into(passing(other), where), to)
        found.append(to - place)
    return np.concatenate(found, axis=2).astype(np.float32)


def _into(matrix: Doubles, place: Array) -> Array:
    mapped = cv2.perspectiveTransform(place.reshape(1, -1, 2).astype(np.float64), matrix)
    return np.asarray(mapped, np.float32).reshape(place.shape)


def _sampled(picture: Array, at: Array) -> Array:
    border = cv2.BORDER_CONSTANT if picture.ndim == 2 else cv2.BORDER_REFLECT
    return np.asarray(cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=border), np.float32)


def _picture(rng: np.random.Generator, width: int, height: int, index: int, drawn: bool) -> Array:
    """The index-th picture of a scene: no two are the same photograph."""
    fixed = np.random.default_rng(int(rng.bit_generator.seed_seq.entropy))  # type: ignore[attr-defined]
    found = None if drawn else photograph(fixed, width, height, index=index)
    return draw(rng, width, height) if found is None else np.maximum(found, 0.004).astype(np.float32)


def _noise(rng: np.random.Generator, size: CarrySize) -> Array:
    """Unit grain, slightly soft."""
    noise = cv2.GaussianBlur(rng.normal(size=(size.height, size.width, 3)).astype(np.float32), (0, 0), 0.55)
    return np.asarray(noise / noise.std(), np.float32)


def _sigma(plate: Array) -> Array:
    return np.asarray(np.sqrt(6e-4 * np.maximum(plate, 0) + 1.5e-5), np.float32)


# --- edits: surface → before, after, alpha ------------------------------------------------------------------------

_Edit = Callable[[Array, np.random.Generator, bool], tuple[Array, Array, Array]]


def _ellipse(shape: tuple[int, ...], x: float, y: float, wide: float, high: float, soft: float) -> Array:
    """Alpha, about `soft` pixels wide at its edge."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across = (columns - x * shape[1]) / (wide * shape[1])
    down = (rows - y * shape[0]) / (high * shape[0])
    away = (np.hypot(across, down) - 1) * min(wide * shape[1], high * shape[0])
    return np.asarray(np.clip(0.5 - away / soft, 0, 1), np.float32)


def _paint(surface: Array, rng: np.random.Generator, drawn: bool) -> tuple[Array, Array, Array]:
    alpha = _ellipse(surface.shape, 0.5, 0.5, 0.24, 0.3, 1.5)
    other = _picture(rng, surface.shape[1], surface.shape[0], 2, drawn)
    return surface, _mixed(surface, other, alpha), alpha


def _grade(surface: Array, rng: np.random.Generator, drawn: bool) -> tuple[Array, Array, Array]:
    alpha = _ellipse(surface.shape, 0.5, 0.5, 0.26, 0.34, 24.0 * surface.shape[1] / 384)
    graded = surface * np.array([0.45, 1.1, 1.6], np.float32)
    return surface, _mixed(surface, graded, alpha), alpha


def _blemish(surface: Array, rng: np.random.Generator, drawn: bool) -> tuple[Array, Array, Array]:
    alpha = _ellipse(surface.shape, 0.45, 0.5, 0.07, 0.1, 6.0 * surface.shape[1] / 384)
    return _mixed(surface, surface * np.float32(0.25), alpha), surface, alpha


def _logo(surface: Array, rng: np.random.Generator, drawn: bool) -> tuple[Array, Array, Array]:
    """Letters and line art with hard edges; its matte is the box around it."""
    high, wide = surface.shape[:2]
    ink = np.zeros((high, wide), np.uint8)
    unit = wide / 384
    origin = (int(0.27 * wide), int(0.55 * high))
    cv2.putText(ink, "Take 2", origin, cv2.FONT_HERSHEY_DUPLEX, 1.5 * unit, 255, max(round(3 * unit), 1), cv2.LINE_AA)
    cv2.circle(ink, (int(0.72 * wide), int(0.44 * high)), int(22 * unit), 255, max(round(2 * unit), 1), cv2.LINE_AA)
    cv2.rectangle(ink, (int(0.26 * wide), int(0.6 * high)), (int(0.72 * wide), int(0.62 * high)), 255, -1)
    colour = np.broadcast_to(np.array([0.75, 0.08, 0.05], np.float32), surface.shape)
    alpha = (ink / 255).astype(np.float32)
    return surface, _mixed(surface, colour, alpha), alpha


def _mixed(one: Array, other: Array, alpha: Array) -> Array:
    return np.asarray(one * (1 - alpha[..., None]) + other * alpha[..., None], np.float32)


EDITS: dict[str, _Edit] = {"paint": _paint, "grade": _grade, "blemish": _blemish, "logo": _logo}
