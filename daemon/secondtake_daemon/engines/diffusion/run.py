"""One rendering of a model, as numbers: what a family turns into its pipeline's arguments, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import EngineFault
from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.family import Noise, Settings
from secondtake_daemon.engines.diffusion.noise import latent_noise, reference_noise, sound_noise
from secondtake_daemon.engines.diffusion.shaper import DISPLAY, SHAPERS

__all__ = ["Heard", "Made", "Run"]

Codes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Pixels are in the model's codes, 0 … 1, on its canvas. `family.Asked` is what a family sees of it."""

    canvas: Canvas
    codes: Codes
    """(F, H, W, 3): the plate, and accepted frames of other windows inside the hole."""
    holes: NDArray[np.bool_]
    """(F, H, W): where the model makes pixels. False in accepted frames."""
    control: Codes | None = None
    """(F, H, W, 3): depth, pose, lines … to be followed inside the hole; None leaves it free."""
    looks: tuple[Codes, ...] = ()
    """(h, w, 3) each: pictures of what is wanted."""
    prompt: str
    negative_prompt: str = ""
    seed: int
    first: int
    """Number of the first frame; noise is keyed to it."""
    shaper: str = DISPLAY.name
    """Whose codes these are."""
    fps: float = 24.0
    settings: Settings

    def __post_init__(self) -> None:
        """Raises EngineFault for pixels of another size than the canvas: pipelines would refit them without a word."""
        frames = len(self.codes)
        for name, shape in (("codes", self.codes.shape[:3]), ("holes", self.holes.shape)):
            if shape != (frames, self.height, self.width):
                raise EngineFault(
                    f"The {name} of a rendering have the size {shape}, and the canvas {self.width} x {self.height}",
                    remedy="Nothing was written; please report this",
                )

    @property
    def width(self) -> int:
        """Of the canvas."""
        return self.canvas.width

    @property
    def height(self) -> int:
        """Of the canvas."""
        return self.canvas.height

    @property
    def length(self) -> int:
        """Frames."""
        return len(self.codes)

    def video(self, *, grey: float | None = None) -> Any:
        """(1, F, 3, H, W) float32 tensor in 0 … 1: the plate; with grey, in the hole the control picture, or that grey
        where there is none.

        Clamped whatever is in it: pipelines take a clip with one negative sample for normalised already.
        """
        shown = self.codes
        if grey is not None:
            inside = self.control if self.control is not None else np.float32(grey)
            shown = np.where(self.holes[..., None], inside, self.codes)
        return _planes(np.clip(np.nan_to_num(shown, nan=0.5), 0, 1))

    def screen(self) -> Any:
        """(1, F, 3, H, W) float32 tensor in 0 … 1: the plate as a screen shows it, in codes of the display curve."""
        light = SHAPERS[self.shaper].decode(np.nan_to_num(self.codes, nan=0.5))
        return _planes(DISPLAY.encode(light))

    def mask(self, *, whole_px: int = 1) -> Any:
        """(1, F, 1, H, W) float32 tensor: exactly 1 in the hole, 0 elsewhere; in whole squares of that many pixels."""
        squares = self.holes.reshape(self.length, self.height // whole_px, whole_px, self.width // whole_px, whole_px)
        touched = squares.any(axis=(2, 4))
        return _planes(touched.repeat(whole_px, axis=1).repeat(whole_px, axis=2)[..., None])

    def pictures(self) -> list[Any]:
        """The looks, as 8-bit PIL images."""
        from PIL import Image

        return [Image.fromarray(np.rint(np.clip(look, 0, 1) * 255).astype(np.uint8)) for look in self.looks]

    def noise(self, noise: Noise, *, pictures: int = 0, still: bool = False) -> Any:
        """(1, channels, pictures + latents, H / scale, W / scale) float32 tensor; that of the pictures first.

        still: the same for every frame of the shot, for models that make one frame at a time.
        """
        import torch

        height, width = self.height // noise.scale, self.width // noise.scale
        size = {"channels": noise.channels, "height": height, "width": width}
        parts = [reference_noise(seed=self.seed, at=at, **size) for at in range(pictures)]
        latents = (self.length - 1) // noise.every + 1
        first = 0 if still else self.first
        parts.append(latent_noise(seed=self.seed, first=first, latents=latents, every=noise.every, **size))
        return torch.from_numpy(np.concatenate(parts, axis=1)[None])

    def sound_noise(self, tokens: int, features: int) -> Any:
        """(1, tokens, features) float32 tensor: keyed to absolute time, at the rate of so many tokens for this run."""
        import torch

        first = round(self.first * tokens / self.length)
        return torch.from_numpy(sound_noise(seed=self.seed, first=first, tokens=tokens, features=features)[None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Sound of a rendering, from its first frame on."""

    samples: NDArray[np.float32]
    """(channels, n), -1 … 1."""
    rate_hz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a model made of a run."""

    codes: Codes
    """(F, H, W, 3)."""
    sound: Heard | None = None


def _planes(frames: NDArray[Any]) -> Any:
    """(F, H, W, C) → (1, F, C, H, W) float32 tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)[None], np.float32))
