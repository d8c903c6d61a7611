"""Wan VACE at its real sizes, from configuration values: random weights, nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from secondtake_daemon.engines.diffusion.memory.plan import Weights
from secondtake_daemon.engines.diffusion.memory.reading import vace_token_bytes

__all__ = ["MODELS", "Size", "save", "weights_of"]

_TEXT = 4096
_VAE_BYTES = 508_000_000
_UMT5_BYTES = 13_460_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One checkpoint's."""

    title: str
    heads: int
    feed_forward: int
    layers: int
    hints: tuple[int, ...]
    head: int = 128
    text: int = _TEXT
    vae: dict[str, Any]
    """What its VAE has otherwise than the real one."""

    def transformer(self) -> WanVACETransformer3DModel:
        """On the default device, in the default type."""
        return WanVACETransformer3DModel(
            num_attention_heads=self.heads, attention_head_dim=self.head, ffn_dim=self.feed_forward,
            num_layers=self.layers, vace_layers=list(self.hints), text_dim=self.text,
        )  # fmt: skip

    @property
    def width(self) -> int:
        """Of a token."""
        return self.heads * self.head


MODELS = {
    "tiny": Size(title="VACE, tiny", heads=2, head=12, feed_forward=32, layers=3, hints=(0, 2), text=32,
                 vae={"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}),
    "1.3b": Size(title="VACE-1.3B", heads=12, feed_forward=8960, layers=30, hints=tuple(range(0, 30, 2)), vae={}),
    "14b": Size(title="VACE-14B", heads=40, feed_forward=13824, layers=40, hints=tuple(range(0, 40, 5)), vae={}),
}  # fmt: skip


def weights_of(size: Size) -> Weights:
    """What the plan counts with, as if its folder were there and ran on a GPU, with the real text encoder."""
    with torch.device("meta"):
        count = sum(each.numel() for each in size.transformer().parameters())
    return Weights(
        denoisers=(2 * count,), rest=_VAE_BYTES, text=_UMT5_BYTES, width_bytes=2, parameters=count,
        attention=(size.layers + len(size.hints)) * size.width,
        token_bytes=vace_token_bytes(width=size.width, ffn=size.feed_forward, hints=len(size.hints)),
        vae_px_bytes=21_000, token_px=16, every=4, stride_px=16,
        head=8, tail=9,
    )  # fmt: skip


def save(folder: Path, size: Size, *, tokenizer: Callable[[], Any]) -> None:
    """As diffusers writes a folder. The text encoder is one layer deep: its output's width is all that counts."""
    words = tokenizer()
    config = UMT5Config(
        vocab_size=len(words), d_model=size.text, d_kv=64, d_ff=64, num_layers=1, num_heads=4,
        relative_attention_num_buckets=8, decoder_start_token_id=0, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    torch.manual_seed(0)
    dtype = torch.float32 if size.width < 100 else torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            empty = size.transformer()
        transformer = _filled(empty)
    finally:
        torch.set_default_dtype(before)
    vae = AutoencoderKLWan(z_dim=16, temperal_downsample=[False, True, True], **size.vae)
    pipe = WanVACEPipeline(
        tokenizer=words,
        text_encoder=UMT5EncoderModel(config).eval(),
        vae=vae.eval(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, num_train_timesteps=1000
        ),
        transformer=transformer.eval(),
    )
    pipe.save_pretrained(folder)


def _filled(model: torch.nn.Module) -> torch.nn.Module:
    """Small random weights, made where they lie. Tables of angles are not saved, and made anew when it is loaded."""
    real = model.to_empty(device="cpu")
    for each in real.parameters():
        if each.dim() > 1:
            torch.nn.init.normal_(each, std=0.02)
        else:
            torch.nn.init.ones_(each)
    return real
