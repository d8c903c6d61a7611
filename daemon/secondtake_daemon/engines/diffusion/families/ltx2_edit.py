"""LTX-2 with a hole: the known tokens of a clip stay clean while the others are made, and the noise is ours.

LTX-2 runs every token at a timestep of its own: its frame conditions are tokens at timestep 0, which every step pins
to their clean latents (Lightricks, LTX-2, 2026; `VideoConditionByLatentIndex`). Here the whole clip is one condition,
and only the tokens that the hole touches are let go. So the model sees the boundary, at any place and in any frame.
A latent stands for eight frames: a single known frame among new ones, which has no latent of its own, is shown as
tokens of its own moment besides (`VideoConditionByKeyframeIndex`).

Conditions are pixels of 0 … 255 and references 0 … 1, in the same call; an index counts latents; `crf` of a single
picture must be 0, or it is put through H.264 first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import LTX2InContextPipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from torch.nn.functional import max_pool3d, pad

__all__ = ["LTX2Edit", "hole_tokens", "keyframes"]

_GREEN = (0x66 / 255, 1.0, 0.0)
"""What the in- and outpainting adapter of LTX-2.3 was shown in place of what it has to make."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """What one call works with, besides what the pipeline passes on."""

    free: torch.Tensor
    """(1, tokens) bool: those that are made."""
    places: Iterator[int]
    """Frames that the keyframes stand at, in their order."""
    noise: torch.Tensor
    """(1, C, T, h, w)."""
    sound_noise: Callable[[int, int], torch.Tensor]


def hole_tokens(mask: torch.Tensor, *, every: int, scale: int) -> torch.Tensor:
    """(1, T · h · w) bool, true for tokens that the hole touches. mask: (1, F, 1, H, W) of 0 and 1, F = every·m + 1.

    The first latent stands for one frame, the others for `every`.
    """
    planes = mask.transpose(1, 2)
    planes = pad(planes, (0, 0, 0, 0, every - 1, 0))
    return max_pool3d(planes, (every, scale, scale)).flatten(1) > 0


def keyframes(mask: torch.Tensor, *, every: int) -> list[int]:
    """Known frames that no latent holds: whole ones whose latent also stands for frames with a hole. Of a row of them
    those next to such a frame, because each costs as many tokens as a latent. mask: as of `hole_tokens`."""
    known = (mask[0].flatten(1).amax(dim=1) == 0).tolist()
    found = []
    for first in range(1, len(known), every):
        group = range(first, first + every)
        found += [
            frame
            for frame in group
            if known[frame] and any(near in group and not known[near] for near in _beside(frame))
        ]
    return found


def _beside(frame: int) -> tuple[int, int]:
    return frame - 1, frame + 1


class LTX2Edit(LTX2InContextPipeline):  # type: ignore[misc]
    """Made from any folder of LTX-2: `from_pretrained` as the class it is a child of."""

    _edit: _Edit | None = None

    def __call__(
        self,
        *,
        plate: torch.Tensor,
        mask: torch.Tensor,
        noise: torch.Tensor,
        sound_noise: Callable[[int, int], torch.Tensor],
        reference: torch.Tensor | None,
        shows_green: bool,
        strength: float,
        **given: Any,
    ) -> Any:
        """As the pipeline, for one clip.

        plate: (1, F, 3, H, W) in 0 … 1. mask: (1, F, 1, H, W), 1 in the hole. noise: (1, C, T, h, w). sound_noise:
        (tokens, features) → (1, tokens, features). reference: (1, F, 3, H, W) in 0 … 1, also shown, as a reference of
        this strength; with shows_green its hole is painted green.
        """
        size = {"every": self.vae_temporal_compression_ratio, "scale": self.vae_spatial_compression_ratio}
        free = hole_tokens(mask, **size)
        places = keyframes(mask, every=self.vae_temporal_compression_ratio)
        self._edit = _Edit(free, iter(places), noise, sound_noise)
        hole = mask if shows_green else torch.zeros_like(mask)
        pixels = plate[0] * 255.0
        shown = [] if bool(free.all()) else [LTX2VideoCondition(frames=pixels, index=0, crf=0)]
        shown += [LTX2VideoCondition(frames=pixels[at : at + 1], index=1, crf=0) for at in places]
        try:
            return super().__call__(
                conditions=shown or None,
                reference_conditions=None if reference is None else [_shown(reference, hole, strength)],
                generator=torch.Generator().manual_seed(0),
                use_cross_timestep=bool(self.transformer.prompt_modulation),  # from 2.3 on; another one is not refused
                **given,
            )
        finally:
            self._edit = None

    def prepare_latents(self, *, noise_scale: float = 1.0, **given: Any) -> tuple[Any, ...]:
        """The clip's clean latents, and noise where something is to be made. Arguments and results as the parent's."""
        edit = self._edit
        if edit is None:
            return tuple(super().prepare_latents(noise_scale=noise_scale, **given))
        clean, known, pinned, *rest = super().prepare_latents(noise_scale=0.0, **given)
        base = edit.free.shape[1]
        known[:, :base][edit.free.to(known.device)] = 0.0
        noise = torch.zeros_like(clean)
        noise[:, :base] = self._pack_latents(
            edit.noise.to(clean), self.transformer_spatial_patch_size, self.transformer_temporal_patch_size
        )
        share = (1.0 - known) * noise_scale
        return (noise * share + clean * (1.0 - share), known, pinned, *rest)

    def _prepare_keyframe_coords(self, *, pixel_frame_idx: int, **given: Any) -> torch.Tensor:
        """Where a keyframe stands. Its index in the parent counts latents; here it is the frame itself."""
        place = pixel_frame_idx if self._edit is None else next(self._edit.places)
        coords: torch.Tensor = super()._prepare_keyframe_coords(pixel_frame_idx=place, **given)
        return coords

    def prepare_audio_latents(self, *args: Any, **given: Any) -> torch.Tensor:
        """Noise for the sound. Arguments and result as the parent's."""
        drawn: torch.Tensor = super().prepare_audio_latents(*args, **given)
        if self._edit is None or given.get("latents") is not None:
            return drawn
        return self._edit.sound_noise(drawn.shape[1], drawn.shape[2]).to(drawn)


def _shown(reference: torch.Tensor, hole: torch.Tensor, strength: float) -> Any:
    colour = torch.tensor(_GREEN, dtype=reference.dtype).view(1, 1, 3, 1, 1)
    return LTX2ReferenceCondition(frames=torch.where(hole > 0, colour, reference), strength=strength)
