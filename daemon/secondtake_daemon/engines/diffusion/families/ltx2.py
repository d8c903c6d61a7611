"""LTX-2: picture and sound in one model (Lightricks, LTX-2: Efficient Joint Audio-Visual Foundation Model, 2026).

Two families by what they were trained on: up to 2.3 ordinary video, from 2.5 also ACEScct. A folder of 2.5 has a
`duration_head`. Guidance is plain: the pipeline's defaults run three passes a step, and a 0 for the sound's would be
read as "the picture's".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from secondtake.messages import Operation
from secondtake_daemon.engines.card import EngineColour
from secondtake_daemon.engines.diffusion.family import Asked, Checkpoint, Family, Noise, Settings, Text

__all__ = ["LTX_2", "LTX_2_5", "arguments", "frames", "latents", "sound"]

_NOISE = Noise(channels=128, scale=32, every=8)
_LICENCE = "LTX-2 Community: free below 10 million US dollars of yearly revenue, by agreement above"


def arguments(run: Asked) -> dict[str, Any]:
    """What the pipeline is called with (`ltx2_edit.LTX2Edit`)."""
    guidance = run.settings.guidance
    heard = (run.settings.second_guidance or guidance) if guidance > 1 else guidance
    return {
        "prompt": run.prompt,
        "negative_prompt": run.negative_prompt,
        "plate": run.video(),
        "mask": run.mask(),
        "noise": run.noise(_NOISE),
        "sound_noise": run.sound_noise,
        "reference": _reference(run),
        "shows_green": run.settings.adapter == "inpaint",
        "strength": min(run.settings.strength, 1.0),
        "height": run.height,
        "width": run.width,
        "num_frames": run.length,
        "frame_rate": run.fps,
        "num_inference_steps": run.settings.step_count,
        "sigmas": list(run.settings.sigmas) or None,
        "max_sequence_length": run.settings.prompt_tokens,
        "guidance_scale": guidance,
        "stg_scale": 0.0,
        "modality_scale": 1.0,
        "guidance_rescale": 0.0,
        "audio_guidance_scale": heard,
        "audio_stg_scale": 0.0,
        "audio_modality_scale": 1.0,
        "audio_guidance_rescale": 0.0,
        "spatio_temporal_guidance_blocks": None,
        "output_type": "pt",
    }


def _reference(run: Asked) -> Any:
    """What its adapters were trained to be shown besides: the plate, or how a screen shows it; None without any."""
    if run.settings.shows_screen:
        return run.screen()
    return run.video() if run.settings.adapter == "inpaint" else None


def read(pipe: Any, words: str, tokens: int, device: str) -> dict[str, Any]:
    """What its text encoder makes of words, all its layers."""
    found, mask, _, _ = pipe.encode_prompt(
        words, do_classifier_free_guidance=False, max_sequence_length=tokens, device=device
    )
    return {"prompt_embeds": found, "prompt_attention_mask": mask}


def frames(output: Any) -> Any:
    """(F, H, W, 3) codes."""
    return output.frames[0].permute(0, 2, 3, 1).float().cpu().numpy()


def sound(output: Any, pipe: Any) -> tuple[Any, int]:
    """(channels, samples) and the rate of the vocoder."""
    return output.audio[0].float().cpu().numpy(), int(pipe.vocoder.config.output_sampling_rate)


def latents(denoised: Any, run: Asked) -> Any:
    """(C, T, h, w), of tokens (1, T · h · w + conditions, C)."""
    count, height, width = (run.length - 1) // _NOISE.every + 1, run.height // _NOISE.scale, run.width // _NOISE.scale
    return denoised[0, : count * height * width].T.reshape(-1, count, height, width)


LTX_2 = Family(
    name="ltx-2",
    pipeline="LTX2Pipeline",
    runs="secondtake_daemon.engines.diffusion.families.ltx2_edit:LTX2Edit",
    summary="LTX-2: invents what the instruction says, inside the matte, and makes sound",
    operations=frozenset(Operation),
    shaper="display",
    stride_px=32,
    every=8,
    longest=121,
    head=16,
    tail=9,
    fps=24.0,
    area_px=1216 * 704,
    final=Settings(steps=30, guidance=3.0, second_guidance=7.0, prompt_tokens=1024),
    draft=Settings(steps=12, guidance=3.0, second_guidance=7.0, prompt_tokens=1024),
    negative_prompt="blurred, overexposed, flat, washed out, jpeg artefacts, text, watermark, deformed hands",
    removal_prompt="Only the background, as it goes on behind: the same place, light and grain, and nobody there.",
    denoisers=("transformer",),
    token_px=32,
    activation_bytes=390_000,
    vae_px_bytes=0,
    vae_frame_bytes=190,
    text=Text(parts=("text_encoder",), read=read),
    checkpoints=(
        Checkpoint(hub="Lightricks/LTX-2", billions=18.9, licence=_LICENCE, is_free=False),
        Checkpoint(hub="diffusers/LTX-2.3-Diffusers", billions=22.0, licence=_LICENCE, is_free=False),
        Checkpoint(hub="diffusers/LTX-2.3-Distilled-Diffusers", billions=22.0, licence=_LICENCE, is_free=False),
    ),
    adapter_uses=frozenset({"inpaint", "hdr"}),
    adapter_names=(
        (r"^audio_patchify_proj\b", "audio_proj_in"),
        (r"^patchify_proj\b", "proj_in"),
        (r"\bav_ca_video_scale_shift_adaln_single\b", "av_cross_attn_video_scale_shift"),
        (r"\bav_ca_a2v_gate_adaln_single\b", "av_cross_attn_video_a2v_gate"),
        (r"\bav_ca_audio_scale_shift_adaln_single\b", "av_cross_attn_audio_scale_shift"),
        (r"\bav_ca_v2a_gate_adaln_single\b", "av_cross_attn_audio_v2a_gate"),
        (r"\baudio_prompt_adaln_single\b", "audio_prompt_adaln"),
        (r"\bprompt_adaln_single\b", "prompt_adaln"),
        (r"^audio_adaln_single\b", "audio_time_embed"),
        (r"^adaln_single\b", "time_embed"),
        (r"^text_embedding_projection\.aggregate_embed\b", "connectors.text_proj_in"),
    ),
    arguments=arguments,
    frames=frames,
    latents=latents,
    sound=sound,
)

LTX_2_5 = replace(
    LTX_2,
    name="ltx-2.5",
    parts=frozenset({"duration_head"}),
    summary="LTX-2.5: invents what the instruction says, inside the matte, in high dynamic range, and makes sound",
    shaper="acescct",
    adapter_uses=frozenset(),
    colour=EngineColour.LINEAR_AP1,
    checkpoints=(Checkpoint(hub="Lightricks/LTX-2.5-Diffusers", billions=22.0, licence=_LICENCE, is_free=False),),
)
