"""Noise keyed to the absolute frame: the same shot gets the same noise in whichever window a frame is rendered.

Latent j of a span stands for the k frames that end with its frame k·j, so its absolute index is (first + k·j) / k, and
the noise comes from a generator of that index and the seed. Latent 0 stands for one frame; its index is that of the
latent that would end there. Where a span repeats a frame at the shot's end, the index goes on counting.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["latent_noise", "reference_noise", "sound_noise"]


def latent_noise(
    *, seed: int, first: int, latents: int, channels: int, height: int, width: int, every: int
) -> NDArray[np.float32]:
    """(channels, latents, height, width) float32, standard normal.

    first: number of the span's first frame. every: frames of a latent.
    """
    start = -(-first // every)
    planes = [_normal(f"{seed}:{start + at}", (channels, height, width)) for at in range(latents)]
    return np.stack(planes, axis=1)


def reference_noise(*, seed: int, at: int, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """(channels, 1, height, width): of the at-th reference image."""
    return _normal(f"{seed}:reference {at}", (channels, height, width))[:, None]


def sound_noise(*, seed: int, first: int, tokens: int, features: int) -> NDArray[np.float32]:
    """(tokens, features): of the sound from its token `first` on, counted from the shot's frame 0."""
    return np.stack([_normal(f"{seed}:sound {first + at}", (features,)) for at in range(tokens)])


def _normal(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest, "little"))).standard_normal(shape, np.float32)
