"""Tiny pipelines with random weights, built from numbers: every shape rule of the real ones, no download."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    AutoencoderKLQwenImage,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipVisionConfig,
    UMT5Config,
    UMT5EncoderModel,
)

__all__ = [
    "byte_tokenizer", "klein", "ltx2", "qwen_edit", "save_klein", "save_ltx2", "save_qwen", "save_vace", "vace",
]  # fmt: skip

_CHAT = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"


def byte_tokenizer(
    *, pad: str, eos: str, unk: str, bos: str = "", length: int = 512, side: str = "right", chat: str = ""
) -> Any:
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
    fast = PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=length, padding_side=side, **names)
    if chat:
        fast.chat_template = chat
    return fast


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


def ltx2(*, modulated: bool = False) -> LTX2Pipeline:
    """LTX-2 with its true ratios: 32 in space, 8 in time, 128 channels, 25 tokens of sound a second.

    modulated: as from version 2.3 on.
    """
    tokenizer = byte_tokenizer(pad="<pad>", eos="<eos>", unk="<unk>", bos="<bos>", length=1024, side="left")
    return LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_seeded(_ltx2_vae),
        audio_vae=_seeded(_ltx2_audio_vae),
        text_encoder=_seeded(lambda: _gemma(tokenizer)),
        tokenizer=tokenizer,
        connectors=_seeded(_ltx2_connectors),
        transformer=_seeded(lambda: _ltx2_transformer(modulated)),
        vocoder=_seeded(_ltx2_vocoder),
        processor=None,
        prompt_enhancer=None,
        duration_head=None,
    )


def klein() -> Flux2KleinPipeline:
    """FLUX.2 klein with its true ratios: 16 in space with packing, 128 channels."""
    tokenizer = byte_tokenizer(pad="<pad>", eos="</s>", unk="<unk>", chat=_CHAT)
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_seeded(_flux2_vae),
        text_encoder=_seeded(lambda: _qwen(tokenizer)),
        tokenizer=tokenizer,
        transformer=_seeded(_flux2_transformer),
        is_distilled=True,
    )


def save_ltx2(folder: Path) -> Path:
    """The same as a folder on disk."""
    ltx2().save_pretrained(folder)
    return folder


def save_klein(folder: Path) -> Path:
    """The same as a folder on disk."""
    klein().save_pretrained(folder)
    return folder


def qwen_edit(*, plus: bool = True) -> Any:
    """Qwen-Image-Edit with its true ratios: 8 in space, tokens of 16, 16 channels; without its processor."""
    tokenizer = _qwen2_tokenizer()
    return (QwenImageEditPlusPipeline if plus else QwenImageEditPipeline)(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_seeded(_qwen_vae),
        text_encoder=_seeded(lambda: _qwen_sight(tokenizer)),
        tokenizer=tokenizer,
        processor=None,
        transformer=_seeded(_qwen_transformer),
    )


def save_qwen(folder: Path, *, plus: bool = True) -> Path:
    """The same as a folder on disk, with the half of its processor that is read."""
    qwen_edit(plus=plus).save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 16).save_pretrained(folder / "processor")
    index = json.loads((folder / "model_index.json").read_text())
    index["processor"] = ["transformers", "Qwen2VLProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _qwen2_tokenizer() -> Any:
    marks = ["im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad"]
    special = [f"<|{name}|>" for name in ("endoftext", *marks)]
    vocabulary = {token: at for at, token in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), *special])}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], additional_special_tokens=special[1:])


def _qwen_vae() -> Any:
    return AutoencoderKLQwenImage(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _qwen_transformer() -> Any:
    return QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip


def _qwen_sight(tokenizer: Any) -> Any:
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{mark}|>") for name, mark in (
        ("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end"),
    )}  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
                "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 4096,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
            },
            vision_config={
                "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
                "fullatt_block_indexes": [1],
            },
            **ids,
        )
    )  # fmt: skip


def _seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return make().eval()


def _ltx2_vae() -> Any:
    return AutoencoderKLLTX2Video(
        in_channels=3, out_channels=3, latent_channels=128, block_out_channels=(4, 8, 16, 32),
        decoder_block_out_channels=(8, 16, 32), layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 4,
        spatio_temporal_scaling=(True,) * 4, decoder_spatio_temporal_scaling=(True,) * 3,
        decoder_inject_noise=(False,) * 4, upsample_residual=(True,) * 3, upsample_factor=(2,) * 3,
        timestep_conditioning=False, patch_size=4, patch_size_t=1, encoder_causal=True, decoder_causal=False,
        spatial_compression_ratio=32, temporal_compression_ratio=8,
    )  # fmt: skip


def _ltx2_audio_vae() -> Any:
    return AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
        resolution=32, latent_channels=2, norm_type="pixel", causality_axis="height", dropout=0.0,
        mid_block_add_attention=False, sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    )  # fmt: skip


def _ltx2_connectors() -> Any:
    branch = {"num_attention_heads": 4, "attention_head_dim": 8, "num_layers": 1, "num_learnable_registers": None}
    both = {f"{kind}_connector_{name}": value for kind in ("video", "audio") for name, value in branch.items()}
    return LTX2TextConnectors(
        caption_channels=32, text_proj_in_factor=3, connector_rope_base_seq_len=32, rope_theta=10000.0,
        rope_double_precision=False, causal_temporal_positioning=False, rope_type="split", **both,
    )  # fmt: skip


def _ltx2_transformer(modulated: bool) -> Any:
    return LTX2VideoTransformer3DModel(
        in_channels=128, out_channels=128, patch_size=1, patch_size_t=1, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2,
        audio_attention_head_dim=4, audio_cross_attention_dim=8, num_layers=2, qk_norm="rms_norm_across_heads",
        caption_channels=32, rope_double_precision=False, rope_type="split", cross_attn_mod=modulated,
        audio_cross_attn_mod=modulated,
    )  # fmt: skip


def _ltx2_vocoder() -> Any:
    return LTX2Vocoder(
        in_channels=16, hidden_channels=32, out_channels=2, upsample_kernel_sizes=[20, 32], upsample_factors=[10, 16],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], leaky_relu_negative_slope=0.1,
        output_sampling_rate=16000,
    )  # fmt: skip


def _gemma(tokenizer: Any) -> Any:
    count = len(tokenizer)
    text = Gemma3TextConfig(
        vocab_size=count + 16, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=1024, sliding_window=512,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    vision = SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=text.to_dict(),
            vision_config=vision.to_dict(),
            mm_tokens_per_image=4,
            image_token_index=count + 1,
            boi_token_index=count + 2,
            eoi_token_index=count + 3,
        )
    )


def _flux2_vae() -> Any:
    return AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=32, norm_num_groups=4, sample_size=64,
        mid_block_add_attention=False,
    )  # fmt: skip


def _flux2_transformer() -> Any:
    return Flux2Transformer2DModel(
        patch_size=1, in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=32, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )  # fmt: skip


def _qwen(tokenizer: Any) -> Any:
    """27 layers and more, because the pipeline reads layers 9, 18 and 27."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=512,
        )
    )
