"""Wan VACE: masked edits, references and control in one model (Jiang et al., VACE, ICCV 2025; Apache-2.0).

The pipeline is given one exact form and nothing else: it refits, pads and renormalises whatever differs, without a
word. Video (1, F, 3, H, W) and mask (1, F, 1, H, W) float32 in 0 … 1, the mask exactly 0 or 1, sizes equal to
`height`, `width`, `num_frames`, and the noise of every latent given.
"""

from __future__ import annotations

from typing import Any

from secondtake.messages import ControlKind, Operation
from secondtake_daemon.engines.diffusion.family import Asked, Checkpoint, Family, Noise, Settings, Text

__all__ = ["FAMILY", "arguments", "frames", "latents"]

_GREY = 0.5
_NOISE = Noise(channels=16, scale=8, every=4)


def arguments(run: Asked) -> dict[str, Any]:
    """What the pipeline is called with."""
    pictures = run.pictures()
    return {
        "prompt": run.prompt,
        "negative_prompt": run.negative_prompt,
        "video": run.video(grey=_GREY),
        "mask": run.mask(),
        "reference_images": pictures or None,
        "conditioning_scale": run.settings.strength,
        "height": run.height,
        "width": run.width,
        "num_frames": run.length,
        "num_inference_steps": run.settings.steps,
        "guidance_scale": run.settings.guidance,
        "guidance_scale_2": run.settings.second_guidance,
        "max_sequence_length": run.settings.prompt_tokens,
        "latents": run.noise(_NOISE, pictures=len(pictures)),
        "output_type": "pt",
    }


def read(pipe: Any, words: str, tokens: int, device: str) -> dict[str, Any]:
    """What its text encoder makes of words."""
    found, _ = pipe.encode_prompt(words, do_classifier_free_guidance=False, max_sequence_length=tokens, device=device)
    return {"prompt_embeds": found}


def frames(output: Any) -> Any:
    """(F, H, W, 3) codes."""
    return output.frames[0].permute(0, 2, 3, 1).float().cpu().numpy()


def latents(denoised: Any, run: Asked) -> Any:
    """(C, T, h, w); those of the pictures stand first."""
    return denoised[0, :, -((run.length - 1) // _NOISE.every + 1) :]


FAMILY = Family(
    name="wan-vace",
    pipeline="WanVACEPipeline",
    summary="Wan VACE: invents what the instruction says, inside the matte",
    operations=frozenset(Operation),
    controls=frozenset(ControlKind) - {ControlKind.NONE},
    looks=3,
    shaper="display",
    stride_px=16,
    every=4,
    longest=81,
    head=8,
    tail=9,
    fps=16.0,
    area_px=832 * 480,
    final=Settings(steps=30, guidance=5.0),
    draft=Settings(steps=12, guidance=5.0),
    negative_prompt="blurred, overexposed, flat, washed out, jpeg artefacts, noise, text, subtitles, watermark, "
    "deformed hands, extra fingers, a frozen picture",
    removal_prompt="Only the background, as it goes on behind: the same place, light and grain, and nobody there.",
    denoisers=("transformer", "transformer_2"),
    token_px=16,
    activation_bytes=220_000,
    text=Text(parts=("text_encoder", "tokenizer"), read=read),
    checkpoints=(
        Checkpoint(
            hub="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
            billions=2.15,
            licence="Apache-2.0: free for any use",
            is_free=True,
        ),
        Checkpoint(
            hub="Wan-AI/Wan2.1-VACE-14B-diffusers",
            billions=17.34,
            licence="Apache-2.0: free for any use",
            is_free=True,
        ),
    ),
    adapter_names=(
        (r"\bself_attn\.([qkv])$", r"attn1.to_\1"),
        (r"\bself_attn\.o$", "attn1.to_out.0"),
        (r"\bcross_attn\.([qkv])$", r"attn2.to_\1"),
        (r"\bcross_attn\.o$", "attn2.to_out.0"),
        (r"\bself_attn\.norm_([qk])$", r"attn1.norm_\1"),
        (r"\bcross_attn\.norm_([qk])$", r"attn2.norm_\1"),
        (r"\bnorm3$", "norm2"),
        (r"\bffn\.0$", "ffn.net.0.proj"),
        (r"\bffn\.2$", "ffn.net.2"),
        (r"\bbefore_proj$", "proj_in"),
        (r"\bafter_proj$", "proj_out"),
        (r"^time_projection\.1$", "condition_embedder.time_proj"),
        (r"^time_embedding\.0$", "condition_embedder.time_embedder.linear_1"),
        (r"^time_embedding\.2$", "condition_embedder.time_embedder.linear_2"),
        (r"^text_embedding\.0$", "condition_embedder.text_embedder.linear_1"),
        (r"^text_embedding\.2$", "condition_embedder.text_embedder.linear_2"),
        (r"^head\.head$", "proj_out"),
    ),
    arguments=arguments,
    frames=frames,
    latents=latents,
)
