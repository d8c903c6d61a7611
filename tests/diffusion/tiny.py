"""Tiny pipelines with random weights, built from numbers: every shape rule of the real ones, no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

__all__ = ["byte_tokenizer", "save_vace", "vace"]


def byte_tokenizer(*, pad: str, eos: str, unk: str, bos: str = "", length: int = 512) -> Any:
    """Any text, no files: one token for each byte."""
    special = list(dict.fromkeys(filter(None, (pad, eos, bos, unk))))
    vocabulary = {token: at for at, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=unk))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    template = f"{bos} $A {eos}" if bos else f"$A {eos}"
    made.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(token, vocabulary[token]) for token in special]
    )
    names = {"pad_token": pad, "eos_token": eos, "unk_token": unk, "bos_token": bos or None}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=length, padding_side="right", **names)


def vace(*, stages: int = 1) -> WanVACEPipeline:
    """Wan VACE with its true ratios: 8 in space, 4 in time, 16 channels."""
    tokenizer = byte_tokenizer(pad="<pad>", eos="</s>", unk="<unk>")
    torch.manual_seed(0)
    config = UMT5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4,
        relative_attention_num_buckets=8, decoder_start_token_id=0, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return WanVACEPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(config).eval(),
        vae=_wan_vae(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, num_train_timesteps=1000
        ),
        transformer=_vace_transformer(0),
        transformer_2=_vace_transformer(1) if stages == 2 else None,
        boundary_ratio=0.875 if stages == 2 else None,
    )


def save_vace(folder: Path, *, stages: int = 1) -> Path:
    """The same as a folder on disk."""
    vace(stages=stages).save_pretrained(folder)
    return folder


def _wan_vae() -> Any:
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    ).eval()


def _vace_transformer(seed: int) -> Any:
    torch.manual_seed(seed)
    return WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=32, freq_dim=256, ffn_dim=32, num_layers=3, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=64, vace_layers=[0, 2], vace_in_channels=96,
    ).eval()  # fmt: skip
