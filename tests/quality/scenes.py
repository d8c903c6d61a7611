"""Shots with a known truth, made from layers: a texture with alpha, and a 3×3 matrix for every moment.

Scene-linear, supersampled twice, with sub-frames over a shutter of a half. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from array_shots import ArrayShot
from numpy.typing import NDArray
from textures import draw, person, photograph

Array = NDArray[np.float32]
Motion = Callable[[float], NDArray[np.float64]]


@dataclass(frozen=True)
class Layer:
    """colour (h, w, 3) and alpha (h, w) of the texture; at(t) maps texture pixels to frame pixels."""

    colour: Array
    alpha: Array
    at: Motion


@dataclass(frozen=True)
class Look:
    """What the camera adds."""

    grain: float = 1.0
    exposure: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Size:
    width: int = 480
    height: int = 270
    frames: int = 32
    subframes: int = 3
    over: int = 2


def moved(x: float, y: float = 0.0, *, angle: float = 0.0, scale: float = 1.0) -> NDArray[np.float64]:
    """Rotation and scale about the origin, then a shift."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]], np.float64)


def about(matrix: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """The same motion about another point."""
    return moved(x, y) @ matrix @ moved(-x, -y)


def shake(rng: np.random.Generator, frames: int, size_px: float, smooth: float) -> Motion:
    """Smoothed noise with the given standard deviation in pixels; rotation comes with it."""
    noise = rng.normal(size=(frames + 40, 3))
    noise = np.stack([np.convolve(one, _bell(smooth), mode="same") for one in noise.T], axis=1)
    noise *= size_px / np.maximum(noise[:, :2].std(), 1e-9)

    def at(t: float) -> NDArray[np.float64]:
        x, y, r = (np.interp(t + 20, np.arange(len(noise)), one) for one in noise.T)
        return moved(float(x), float(y), angle=0.0006 * float(r))

    return at


def _bell(sigma: float) -> NDArray[np.float64]:
    x = np.arange(-round(3 * sigma), round(3 * sigma) + 1)
    kernel = np.exp(-0.5 * (x / max(sigma, 1e-3)) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float64)


def render(
    size: Size, behind: list[Layer], subject: list[Layer], look: Look, rng: np.random.Generator, *, matte_px: int = 2
) -> ArrayShot:
    """Plate = behind and subject with grain; clean = behind without grain; matte = the subject's alpha, dilated."""
    gains = look.exposure if look.exposure is not None else np.ones(size.frames)
    plates, mattes, cleans = [], [], []
    for frame in range(size.frames):
        clean, _ = _exposed(size, behind, frame)
        plate, alpha = _exposed(size, [*behind, *subject], frame, counted=len(behind))
        clean, plate = clean * np.float32(gains[frame]), plate * np.float32(gains[frame])
        matte = cv2.dilate(
            (alpha > 0.004).astype(np.float32),
            cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * matte_px + 1, 2 * matte_px + 1)),
        )
        plate = plate + grain(plate, rng) * np.float32(look.grain)
        outside = matte <= 0
        plates.append(plate)
        mattes.append(np.asarray(matte, np.float32))
        cleans.append(np.where(outside[..., None], plate, clean))
    return ArrayShot(np.stack(plates).astype(np.float32), np.stack(mattes), np.stack(cleans).astype(np.float32))


def grain(plate: Array, rng: np.random.Generator) -> Array:
    """Film-like: slightly soft, variance rising with brightness."""
    noise = cv2.GaussianBlur(rng.normal(size=plate.shape).astype(np.float32), (0, 0), 0.55)
    sigma = np.sqrt(6e-4 * np.maximum(plate, 0) + 1.5e-5)
    return np.asarray(noise / noise.std() * sigma, np.float32)


def _exposed(size: Size, layers: list[Layer], frame: int, *, counted: int = 0) -> tuple[Array, Array]:
    """Mean over the shutter; also the mean alpha of the layers from `counted` on."""
    wide, high = size.width * size.over, size.height * size.over
    total = np.zeros((high, wide, 3), np.float32)
    cover = np.zeros((high, wide), np.float32)
    up = np.diag([size.over, size.over, 1.0])
    for part in range(size.subframes):
        time = frame + 0.5 * (part + 0.5) / size.subframes - 0.25
        picture_now = np.zeros((high, wide, 3), np.float32)
        alpha_now = np.zeros((high, wide), np.float32)
        for place, layer in enumerate(layers):
            matrix = up @ layer.at(time)
            flags = cv2.INTER_LINEAR
            if np.linalg.det(matrix[:2, :2]) < 0.5:
                flags = cv2.INTER_AREA
            colour = cv2.warpPerspective(layer.colour, matrix, (wide, high), flags=flags, borderMode=cv2.BORDER_REFLECT)
            alpha = cv2.warpPerspective(layer.alpha, matrix, (wide, high), flags=flags)
            picture_now = picture_now * (1 - alpha[..., None]) + colour * alpha[..., None]
            if counted and place >= counted:
                alpha_now = alpha_now * (1 - alpha) + alpha
        total += picture_now / size.subframes
        cover += alpha_now / size.subframes
    small = (size.width, size.height)
    return (
        np.asarray(cv2.resize(total, small, interpolation=cv2.INTER_AREA), np.float32),
        np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_AREA), np.float32),
    )


# --- kinds ------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """What the kinds share: sizes, the backdrop's place, the walker."""

    size: Size
    rng: np.random.Generator
    look: Look
    drawn: bool

    def picture(self, width: int, height: int, *, index: int = 0) -> Array:
        """A photograph if wanted and there, else a drawing."""
        found = None if self.drawn else photograph(self.rng, width, height, index=index)
        return draw(self.rng, width, height) if found is None else found

    @property
    def k(self) -> float:
        """Lengths in the kinds are meant for 480 px of width."""
        return self.size.width / 480

    @property
    def pace(self) -> float:
        """Speeds are meant for 32 frames too: a shorter shot shows the same way in fewer frames."""
        return self.k * 32 / self.size.frames

    def backdrop(self, camera: Motion, *, index: int = 0) -> Layer:
        """A picture 1.9 frames wide, centred on the frame at the middle of the shot; opaque."""
        size = self.size
        colour = self.picture(int(1.9 * size.width), int(1.9 * size.height), index=index)
        alpha = np.ones(colour.shape[:2], np.float32)
        x, y = -0.45 * size.width, -0.45 * size.height
        return Layer(colour * np.float32(1.15), alpha, lambda t: camera(t) @ moved(x, y))

    def walker(self, speed_px: float, *, from_middle: bool = True) -> Layer:
        """A person shape, 20 % wide and 62 % high, swaying, that crosses the frame."""
        size = self.size
        wide, high = int(0.2 * size.width), int(0.62 * size.height)
        colour, alpha = self.picture(wide, high, index=2), person(wide, high)
        middle = size.frames / 2 if from_middle else 0.0

        def at(t: float) -> NDArray[np.float64]:
            x = 0.4 * size.width + speed_px * (t - middle)
            sway = 0.05 * np.sin(0.5 * t)
            return about(moved(0, 0, angle=sway), x + wide / 2, 0.9 * size.height) @ moved(x, 0.3 * size.height)

        return Layer(colour, alpha, at)

    def panning(self, speed_px: float, jitter_px: float, *, tilt: float = 0.0) -> Motion:
        """A pan with slight jitter and, with `tilt`, changing perspective."""
        jitter = shake(self.rng, self.size.frames, max(jitter_px, 1e-6), 1.2)
        middle = self.size.frames / 2

        def at(t: float) -> NDArray[np.float64]:
            lean = np.eye(3)
            lean[2, 0] = tilt * (t - middle) / self.size.width
            return about(lean, self.size.width / 2, self.size.height / 2) @ moved(-speed_px * (t - middle)) @ jitter(t)

        return at

    def flicker(self, share: float, ramp: float) -> NDArray[np.float64]:
        """Per-frame gain: random flicker times a ramp."""
        wobble = 1 + share * self.rng.normal(size=self.size.frames)
        return np.asarray(wobble * np.linspace(1, ramp, self.size.frames), np.float64)


def make(
    kind: str, *, seed: int = 0, size: Size | None = None, grain_share: float = 1.0, drawn: bool = True
) -> ArrayShot:
    """One shot of a kind: pan, shake, static, wire, parallax, dyn, rig, zoom, never, nonrigid or track."""
    stage = Stage(size or Size(), np.random.default_rng(seed), Look(grain=grain_share), drawn)
    return KINDS[kind](stage)


def _pan(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    camera = stage.panning(3.0 * pace, 0.5 * k, tilt=0.002)
    return render(stage.size, [stage.backdrop(camera)], [stage.walker(3.5 * pace)], stage.look, stage.rng)


def _shake(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    hand = shake(stage.rng, stage.size.frames, 5 * k, 1.2)
    pan = stage.panning(0.8 * pace, 0.0)
    return render(
        stage.size, [stage.backdrop(lambda t: hand(t) @ pan(t))], [stage.walker(4 * pace)], stage.look, stage.rng
    )


def _static(stage: Stage) -> ArrayShot:
    look = Look(stage.look.grain, stage.flicker(0.07, 1.35))
    return render(stage.size, [stage.backdrop(lambda t: np.eye(3))], [stage.walker(4 * stage.pace)], look, stage.rng)


def _wire(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    colour = np.full((stage.size.height, stage.size.width, 3), 0.02, np.float32)
    alpha = np.zeros(colour.shape[:2], np.float32)
    for top in (0.35, 0.6):
        start = (0, int(top * stage.size.height))
        end = (stage.size.width, int((top - 0.2) * stage.size.height))
        cv2.line(alpha, start, end, 1.0, max(round(3 * k), 2), cv2.LINE_AA)
    wires = Layer(colour, alpha, lambda t: moved(0, 1.2 * pace * (t - stage.size.frames / 2)))
    return render(stage.size, [stage.backdrop(stage.panning(2 * pace, 0.4 * k))], [wires], stage.look, stage.rng)


def _parallax(stage: Stage) -> ArrayShot:
    pace = stage.pace
    cameras = [stage.panning(2.5 * pace * depth, 0.0) for depth in (1.0, 1.9, 3.0)]
    layers = [stage.backdrop(cameras[0])]
    for place, shape in ((1, _blobs), (2, _bars)):
        base = stage.backdrop(cameras[place], index=place)
        layers.append(Layer(base.colour, shape(stage, base.alpha.shape), base.at))
    return render(stage.size, layers, [stage.walker(4 * pace)], stage.look, stage.rng)


def _blobs(stage: Stage, shape: tuple[int, ...]) -> Array:
    alpha = np.zeros(shape, np.float32)
    for _ in range(9):
        x, y = stage.rng.uniform(0, shape[1]), stage.rng.uniform(0.35, 0.75) * shape[0]
        radius = stage.rng.uniform(0.05, 0.1) * stage.size.width
        cv2.circle(alpha, (int(x), int(y)), int(radius), 1.0, -1, cv2.LINE_AA)
    return alpha


def _bars(stage: Stage, shape: tuple[int, ...]) -> Array:
    alpha = np.zeros(shape, np.float32)
    for x in np.arange(0.1, 1.0, 0.22) * shape[1]:
        cv2.rectangle(alpha, (int(x), 0), (int(x + 0.025 * stage.size.width), shape[0]), 1.0, -1)
    return alpha


def _dyn(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    other = stage.walker(-2.5 * pace)
    layers = [
        stage.backdrop(stage.panning(1.0 * pace, 0.3 * k)),
        Layer(stage.picture(*other.alpha.shape[::-1], index=3), other.alpha, other.at),
    ]
    look = Look(stage.look.grain, stage.flicker(0.07, 1.35))
    return render(stage.size, layers, [stage.walker(4 * pace)], look, stage.rng)


def _box(stage: Stage) -> Layer:
    wide, high = int(0.2 * stage.size.width), int(0.5 * stage.size.height)
    colour = stage.picture(wide, high, index=4)
    return Layer(
        colour, np.ones((high, wide), np.float32), lambda t: moved(0.42 * stage.size.width, 0.25 * stage.size.height)
    )


def _rig(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    look = Look(stage.look.grain, np.linspace(1, 0.7, stage.size.frames))
    return render(stage.size, [stage.backdrop(stage.panning(2.5 * pace, 0.6 * k))], [_box(stage)], look, stage.rng)


def _zoom(stage: Stage) -> ArrayShot:
    pace, size = stage.pace, stage.size

    def camera(t: float) -> NDArray[np.float64]:
        move = moved(-0.5 * pace * t, 0, angle=0.003 * t, scale=1.008**t)
        return about(move, size.width / 2, size.height / 2)

    return render(size, [stage.backdrop(camera)], [stage.walker(4 * pace)], stage.look, stage.rng)


def _never(stage: Stage) -> ArrayShot:
    return render(stage.size, [stage.backdrop(lambda t: np.eye(3))], [_box(stage)], stage.look, stage.rng)


def _track(stage: Stage) -> ArrayShot:
    k, pace = stage.k, stage.pace
    return render(
        stage.size,
        [stage.backdrop(stage.panning(6 * pace, 0.6 * k))],
        [stage.walker(0.4 * pace)],
        stage.look,
        stage.rng,
    )


def _nonrigid(stage: Stage) -> ArrayShot:
    """A locked camera on a rippling surface."""
    k, pace, size = stage.k, stage.pace, stage.size
    still = render(
        Size(size.width, size.height, 1, 1, size.over), [stage.backdrop(lambda t: np.eye(3))], [], Look(0.0), stage.rng
    ).plates[0]
    subject = render(
        size,
        [Layer(still * 0, np.zeros(still.shape[:2], np.float32), lambda t: np.eye(3))],
        [stage.walker(4 * pace)],
        Look(0.0),
        stage.rng,
    )
    rows, columns = np.mgrid[: size.height, : size.width].astype(np.float32)
    for t in range(size.frames):
        x, y = columns / k, rows / k
        right = 2.6 * np.sin(y / 23 + 0.35 * t) + 1.2 * np.sin(x / 31 - 0.22 * t)
        down = 1.8 * np.sin(x / 27 + 0.28 * t)
        clean = cv2.remap(
            still,
            columns + np.float32(k) * right.astype(np.float32),
            rows + np.float32(k) * down.astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        clean = np.maximum(clean, 0)
        hole = subject.holes[t] > 0
        plate = np.where(hole[..., None], subject.plates[t], clean)
        plate = plate + grain(plate, stage.rng) * np.float32(stage.look.grain)
        subject.plates[t] = plate
        assert subject.clean is not None
        subject.clean[t] = np.where(hole[..., None], clean, plate)
    return subject


KINDS: dict[str, Callable[[Stage], ArrayShot]] = {
    "pan": _pan,
    "shake": _shake,
    "static": _static,
    "wire": _wire,
    "parallax": _parallax,
    "dyn": _dyn,
    "rig": _rig,
    "zoom": _zoom,
    "never": _never,
    "nonrigid": _nonrigid,
    "track": _track,
}
