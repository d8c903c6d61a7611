"""Qwen-Image-Edit with a hole, at the plate's own size: known tokens stay the picture's, and the noise is ours.

The pipelines of diffusers take 8-bit pictures, bring each to a megapixel and return that size, and their child for
masks can't take noise. So only their parts are used here, in one loop: the picture's tokens stand beside the ones that
are made (Wu et al., Qwen-Image Technical Report, 2025), and after each step the tokens outside the hole are the
picture's own at that step's noise (Lugmayr et al., RePaint, CVPR 2022). What words mean is read together with the
picture, so it can't be read apart. The folder's `processor` is not loaded, because it can't be without torchvision:
its half for pictures is all that is needed.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPipeline, QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import (
    calculate_dimensions,
    calculate_shift,
    retrieve_timesteps,
)
from PIL.Image import Image, Resampling, fromarray
from torch import Tensor
from transformers import Qwen2VLImageProcessorPil

__all__ = ["QwenEdit", "QwenEditPlus"]

_SIGHT = "<|vision_start|><|image_pad|><|vision_end|>"
_PAD = "<|image_pad|>"
_TOKEN_PX = 16
_LOOK_PX = 1024 * 1024


class _Masked:
    """Mixed into a pipeline."""

    view_px: int
    """Area of a picture as the reader of words sees it."""

    @classmethod
    def from_pretrained(cls, folder: str, **given: Any) -> Any:
        """As the pipeline's, from a folder on disk."""
        pipe = super().from_pretrained(folder, processor=None, **given)  # type: ignore[misc]
        pipe.sight = Qwen2VLImageProcessorPil.from_pretrained(str(Path(folder) / "processor"), local_files_only=True)
        return pipe

    def __call__(
        self: Any,
        *,
        prompt: str,
        negative_prompt: str,
        picture: Tensor,
        mask: Tensor,
        looks: list[Image],
        noise: Tensor,
        steps: int,
        sigmas: list[float] | None,
        guidance: float,
        tokens: int,
    ) -> Any:
        """One edited picture, as `images`: (1, 3, H, W) in 0 … 1.

        picture: (1, 3, H, W) in 0 … 1. mask: (1, 1, H, W), 1 in the hole, in whole tokens. looks: pictures of what is
        wanted. noise: (1, C, H / 8, W / 8). tokens: of the words, at most.
        """
        height, width = picture.shape[-2:]
        looks = [_sized(each) for each in looks]
        views = [self._view(each) for each in (_as_image(picture), *looks)]
        said = [self._read(words, views, tokens) for words in (prompt, negative_prompt)[: 2 if guidance > 1 else 1]]
        plate, *shown = [self._tokens_of(each) for each in (picture, *map(_as_codes, looks))]
        sizes = [(height, width), (height, width), *((look.height, look.width) for look in looks)]
        free = mask[:, :, ::_TOKEN_PX, ::_TOKEN_PX].flatten(1)[..., None].to(plate)
        begun = self._packed(noise.to(plate))
        latents = begun
        self._set_steps(latents.shape[1], steps, sigmas)
        beside = torch.cat([plate, *shown], dim=1)
        for at, timestep in enumerate(self.scheduler.timesteps):
            velocity = self._velocity(latents, beside, timestep, said, sizes, guidance)
            latents = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
            level = self.scheduler.sigmas[at + 1].to(plate)
            latents = free * latents + (1 - free) * ((1 - level) * plate + level * begun)
        images = self._decoded(latents, height, width)
        self.maybe_free_model_hooks()
        return SimpleNamespace(images=images)

    def _view(self: Any, image: Image) -> Image:
        width, height = calculate_dimensions(self.view_px, image.width / image.height)[:2]
        return image.resize((width, height), Resampling.LANCZOS)

    def _read(self: Any, words: str, views: list[Image], tokens: int) -> Tensor:
        """(1, n, C): what the text encoder makes of words and pictures, without the part that is always the same."""
        device = self._execution_device
        cut = self.tokenizer(words).input_ids
        words = words if len(cut) <= tokens else self.tokenizer.decode(cut[:tokens])
        seen = self.sight(images=views, return_tensors="pt")
        text = self.prompt_template_encode.format(self._shown(len(views)) + words)
        for grid in seen["image_grid_thw"]:
            count = int(grid.prod()) // self.sight.merge_size**2
            text = text.replace(_PAD, "\0" * count, 1)
        said = self.tokenizer(text.replace("\0", _PAD), return_tensors="pt")
        states = self.text_encoder(
            input_ids=said["input_ids"].to(device),
            attention_mask=said["attention_mask"].to(device),
            pixel_values=seen["pixel_values"].to(device),
            image_grid_thw=seen["image_grid_thw"].to(device),
            output_hidden_states=True,
        ).hidden_states[-1]
        return torch.as_tensor(states[:, self.prompt_template_encode_start_idx :])

    def _shown(self, views: int) -> str:
        """What stands for pictures before the words, where the template has no place for them."""
        return ""

    def _tokens_of(self: Any, picture: Tensor) -> Tensor:
        """(1, tokens, 4 C) float32, as the denoiser sees a picture of (1, 3, h, w) in 0 … 1."""
        pixels = (picture * 2 - 1).to(self._execution_device, self.vae.dtype)[:, :, None]
        return torch.as_tensor(self._packed(self._encode_vae_image(pixels, None)[:, :, 0].float()))

    def _packed(self: Any, latents: Tensor) -> Tensor:
        count, channels, height, width = latents.shape
        return torch.as_tensor(self._pack_latents(latents, count, channels, height, width))

    def _set_steps(self: Any, tokens: int, steps: int, sigmas: list[float] | None) -> None:
        config = self.scheduler.config
        shift = calculate_shift(
            tokens,
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        levels = np.linspace(1.0, 1 / steps, steps) if sigmas is None else sigmas
        retrieve_timesteps(self.scheduler, steps, self._execution_device, sigmas=levels, mu=shift)
        self.scheduler.set_begin_index(0)

    def _velocity(
        self: Any,
        latents: Tensor,
        beside: Tensor,
        timestep: Tensor,
        said: list[Tensor],
        sizes: list[tuple[int, int]],
        guidance: float,
    ) -> Tensor:
        dtype, count = self.transformer.dtype, latents.shape[1]
        shapes = [[(1, height // _TOKEN_PX, width // _TOKEN_PX) for height, width in sizes]]
        found = []
        for words in said:
            made = self.transformer(
                hidden_states=torch.cat([latents, beside], dim=1).to(dtype),
                timestep=(timestep / 1000).expand(1).to(dtype),
                encoder_hidden_states=words.to(dtype),
                img_shapes=shapes,
                return_dict=False,
            )[0]
            found.append(made[:, :count].float())
        if len(found) == 1:
            return found[0]
        wanted, kept_away = found
        guided = kept_away + guidance * (wanted - kept_away)
        # As long as it was, so that guidance turns it and does not brighten the picture.
        return guided * (wanted.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True).clamp_min(1e-12))

    def _decoded(self: Any, latents: Tensor, height: int, width: int) -> Tensor:
        vae = self.vae
        planes = self._unpack_latents(latents, height, width, self.vae_scale_factor).to(vae.dtype)
        mean, deviation = (
            torch.tensor(values).view(1, -1, 1, 1, 1).to(planes)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        made = vae.decode(planes * deviation + mean, return_dict=False)[0][:, :, 0]
        return torch.as_tensor((made.float() / 2 + 0.5).clamp(0, 1))


class QwenEdit(_Masked, QwenImageEditPipeline):  # type: ignore[misc]
    """The first Qwen-Image-Edit: one picture, which the reader of words sees large."""

    view_px = 1024 * 1024


class QwenEditPlus(_Masked, QwenImageEditPlusPipeline):  # type: ignore[misc]
    """From 2509 on: more pictures, each named in the words."""

    view_px = 384 * 384

    def _shown(self, views: int) -> str:
        return "".join(f"Picture {at + 1}: {_SIGHT}" for at in range(views))


def _as_image(picture: Tensor) -> Image:
    values = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return fromarray(values)


def _sized(look: Image) -> Image:
    """Of a megapixel at most, in whole tokens."""
    scale = min(1.0, (_LOOK_PX / (look.width * look.height)) ** 0.5)
    width, height = (max(round(side * scale / 32), 1) * 32 for side in (look.width, look.height))
    return look.resize((width, height), Resampling.LANCZOS)


def _as_codes(look: Image) -> Tensor:
    values = np.asarray(look, np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1)[None]
