"""Wan VACE: masked edits, references and control in one model (Jiang et al., VACE, ICCV 2025; Apache-2.0).

The pipeline is given one exact form and nothing else: it refits, pads and renormalises whatever differs, without a
word. Video (1, F, 3, H, W) and mask (1, F, 1, H, W) float32 in 0 … 1, the mask exactly 0 or 1, sizes equal to
`height`, `width`, `num_frames`, and the noise of every latent given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.diffusion.noise import latent_noise, reference_noise
from secondtake_daemon.engines.diffusion.run import Run

__all__ = ["arguments", "frames"]

_GREY = 0.5
_EVERY, _SCALE, _CHANNELS = 4, 8, 16


def arguments(run: Run) -> dict[str, Any]:
    """What the pipeline is called with."""
    import torch

    video = np.where(run.holes[..., None], run.control if run.control is not None else _GREY, run.codes)
    given = {
        "prompt": run.prompt,
        "negative_prompt": run.negative_prompt,
        "video": _planes(torch, video),
        "mask": _planes(torch, run.holes.astype(np.float32)[..., None]),
        "reference_images": [_image(look) for look in run.looks] or None,
        "conditioning_scale": run.settings.strength,
        "height": run.canvas.height,
        "width": run.canvas.width,
        "num_frames": len(run.codes),
        "num_inference_steps": run.settings.steps,
        "guidance_scale": run.settings.guidance,
        "max_sequence_length": run.settings.prompt_tokens,
        "latents": torch.from_numpy(_noise(run)),
        "output_type": "pt",
    }
    if run.settings.second_guidance is not None:
        given["guidance_scale_2"] = run.settings.second_guidance
    return given


def frames(output: Any) -> NDArray[np.float32]:
    """(F, H, W, 3) codes."""
    pixels: NDArray[np.float32] = output.frames[0].permute(0, 2, 3, 1).float().cpu().numpy()
    return pixels


def _noise(run: Run) -> NDArray[np.float32]:
    """(1, 16, references + latents, H/8, W/8): the pipeline puts references first."""
    height, width = run.canvas.height // _SCALE, run.canvas.width // _SCALE
    size = {"channels": _CHANNELS, "height": height, "width": width}
    latents = (len(run.codes) - 1) // _EVERY + 1
    parts = [reference_noise(seed=run.seed, at=at, **size) for at in range(len(run.looks))]
    parts.append(latent_noise(seed=run.seed, first=run.first, latents=latents, every=_EVERY, **size))
    return np.concatenate(parts, axis=1)[None]


def _planes(torch: Any, frames: NDArray[np.float32]) -> Any:
    """(F, H, W, C) → (1, F, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)[None], np.float32))


def _image(look: NDArray[np.float32]) -> Any:
    """References are 8-bit pictures; the pipeline pads them on white."""
    from PIL import Image

    return Image.fromarray(np.rint(np.clip(look, 0, 1) * 255).astype(np.uint8))
