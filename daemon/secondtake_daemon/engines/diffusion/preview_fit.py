"""The map from a VAE's latents to colours, found once for each VAE and kept: pictures that we make ourselves are
encoded, and the map is what brings their latents nearest to them.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.contract import Job
from secondtake_daemon.engines.diffusion.family import Asked, Family
from secondtake_daemon.engines.diffusion.preview import Projection, Strip, fit_projection
from secondtake_daemon.engines.diffusion.shaper import SHAPERS
from secondtake_daemon.models.shelf import Model, file_list_digest
from secondtake_daemon.store.io import swap_file

__all__ = ["kept_projection", "normalised", "projection_of", "strip_of"]

_LOG = logging.getLogger(__name__)
_PICTURES, _CLIPS = 12, 2
"""Of so many pictures, the last are encoded as clips, for latents after a clip's first; the others alone. On a CPU a
call of LTX-2's VAE costs as much as fourteen more frames of this size, so there are two calls and no more."""
_CELLS = 4
"""Latents along a clip's side, at least."""

Floats = NDArray[np.float32]


@contextmanager
def strip_of(pipe: Any, model: Model, family: Family, run: Asked, job: Job) -> Iterator[Strip | None]:
    """The preview of a rendering; its last picture is written when the block ends. None if the family has none, or its
    VAE can't be asked."""
    layout = family.latents
    projection = None if layout is None else _projection(pipe, model, family, job)
    if layout is None or projection is None:
        yield None
        return
    strip = Strip(
        job.scratch / "preview.jpg",
        projection=projection,
        shaper=SHAPERS[family.shaper],
        planes=lambda latents: layout(latents, run),
    )
    try:
        yield strip
    finally:
        strip.close()


def _projection(pipe: Any, model: Model, family: Family, job: Job) -> Projection | None:
    name = file_list_digest([file for file in model.files if file.path.startswith("vae/")])
    try:
        return kept_projection(pipe.vae, name=name, every=family.every, cell_px=family.stride_px, kept=job.kept)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        _LOG.warning("no preview", extra={"fields": {"reason": str(error)}})
        return None


def kept_projection(vae: Any, *, name: str, every: int, cell_px: int, kept: Path | None) -> Projection:
    """From the folder, or found and put there. name: of the VAE, by its content. Raises what the VAE raises."""
    file = kept / f"{name}.projection.npy" if kept is not None else None
    if file is not None:
        with suppress(OSError, ValueError):
            matrix = np.load(file, allow_pickle=False)
            if matrix.ndim == 2 and matrix.shape[1] == 3 and matrix.dtype == np.float32 and np.isfinite(matrix).all():
                return Projection(matrix)
    found = projection_of(vae, every=every, cell_px=cell_px)
    if file is not None:
        held = io.BytesIO()
        np.save(held, found.matrix, allow_pickle=False)
        with suppress(OSError):  # it is found again next time
            file.parent.mkdir(parents=True, exist_ok=True)
            swap_file(file, lambda part: part.write_bytes(held.getvalue()))
    return found


def projection_of(vae: Any, *, every: int, cell_px: int) -> Projection:
    """every: frames of a latent. cell_px: side of a latent in pixels, or a multiple of it."""
    pictures = list(_pictures(_CELLS * cell_px))
    parts = [_encoded(vae, pictures[:-_CLIPS], length=1), _encoded(vae, pictures[-_CLIPS:], length=every + 1)]
    latents, codes = (np.concatenate(each) for each in zip(*parts, strict=True))
    return fit_projection(latents, codes)


def _encoded(vae: Any, pictures: Sequence[Floats], *, length: int) -> tuple[Floats, Floats]:
    """(n, C) latents of clips of so many frames that stand still, and (n, 3) what was shown there; all in one call."""
    import torch

    clips = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)[:, :, None].repeat(1, 1, length, 1, 1)
    with torch.no_grad():
        made = normalised(vae, vae.encode(clips.to(vae.device, vae.dtype) * 2 - 1).latent_dist.mode())
    count, height, width = made.shape[2:]
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    latents = made.float().cpu().permute(0, 2, 3, 4, 1).reshape(-1, made.shape[1]).numpy()
    return latents, np.concatenate([np.tile(each.reshape(-1, 3), (count, 1)) for each in small])


def normalised(vae: Any, latents: Any) -> Any:
    """(B, C, T, h, w) as the VAE gives them → as its denoiser sees them: (latents − mean) · scale / deviation."""
    import torch

    buffers = dict(vae.named_buffers(recurse=False))

    def each(name: str, without: float) -> Any:
        value = buffers.get(name, vae.config.get(name))
        value = torch.as_tensor(without if value is None else value, dtype=latents.dtype, device=latents.device)
        return value.reshape(1, -1, 1, 1, 1)

    return (latents - each("latents_mean", 0.0)) * each("scaling_factor", 1.0) / each("latents_std", 1.0)


def _pictures(side_px: int) -> Iterator[Floats]:
    """(side, side, 3) float32, 0 … 1: soft colour fields, from two patches a side to eight, of all contrasts."""
    rng = np.random.default_rng(0)
    for at in range(_PICTURES):
        patches = rng.random((2 + at % 4 * 2, 2 + at % 4 * 2, 3), np.float32)
        contrast = np.float32(0.4 + 1.2 * at / _PICTURES)
        field = cv2.resize(patches, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
        yield np.clip((field - 0.5) * contrast + 0.5, 0, 1).astype(np.float32)
