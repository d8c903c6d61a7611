"""FLUX.2 klein: edits one picture by an instruction, inside a mask (Black Forest Labs, 2025).

It sees the picture whole, also what the mask covers, and puts the picture's own latents back around it. The mask is
read at one place in each token, so it is handed over in whole tokens. Pictures above a megapixel would be made
smaller, without a word.
"""

from __future__ import annotations

from typing import Any

from secondtake.messages import Operation
from secondtake_daemon.engines.diffusion.family import Asked, Checkpoint, Family, Noise, Settings, Text

__all__ = ["FAMILY", "arguments", "frames"]

_NOISE = Noise(channels=128, scale=16, every=1)


def arguments(run: Asked) -> dict[str, Any]:
    """What the pipeline is called with."""
    pictures = run.pictures()
    return {
        "prompt": run.prompt,
        "image": run.video()[:, 0],
        "mask_image": run.mask(whole_px=_NOISE.scale)[:, 0],
        "image_reference": pictures or None,
        "strength": 1.0,  # below it, noise that is given is taken for the noised picture
        "height": run.height,
        "width": run.width,
        "num_inference_steps": run.settings.steps,
        "guidance_scale": run.settings.guidance,
        "max_sequence_length": run.settings.prompt_tokens,
        "latents": run.noise(_NOISE, still=True)[:, :, 0],
        "output_type": "pt",
    }


def read(pipe: Any, words: str, tokens: int, device: str) -> dict[str, Any]:
    """What its text encoder makes of words."""
    found, _ = pipe.encode_prompt(words, device=device, max_sequence_length=tokens)
    return {"prompt_embeds": found}


def frames(output: Any) -> Any:
    """(1, H, W, 3) codes."""
    return output.images.permute(0, 2, 3, 1).float().cpu().numpy()


FAMILY = Family(
    name="flux2-klein",
    pipeline="Flux2KleinPipeline",
    runs="diffusers:Flux2KleinInpaintPipeline",
    summary="FLUX.2 klein: edits frames by an instruction, each for itself; for stills, and to paint one frame that is "
    "carried through the shot",
    operations=frozenset({Operation.REMOVE, Operation.REPLACE, Operation.MODIFY, Operation.RESTYLE}),
    looks=1,
    shaper="display",
    stride_px=16,
    every=1,
    longest=1,
    head=0,
    tail=0,
    fps=24.0,
    area_px=1024 * 1024,
    final=Settings(steps=4, guidance=1.0),
    draft=Settings(steps=4, guidance=1.0),
    removal_prompt="Remove what stands in the foreground and show only the background behind it.",
    denoisers=("transformer",),
    token_px=16,
    activation_bytes=170_000,
    vae_px_bytes=3_400,
    has_tiles=False,
    text=Text(parts=("text_encoder", "tokenizer"), read=read, has_negative=False),
    checkpoints=(
        Checkpoint(
            hub="black-forest-labs/FLUX.2-klein-4B",
            billions=4.0,
            licence="Apache-2.0: free for any use",
            is_free=True,
        ),
        Checkpoint(
            hub="black-forest-labs/FLUX.2-klein-9B",
            billions=9.0,
            licence="FLUX non-commercial: not for paid work",
            is_free=False,
        ),
    ),
    arguments=arguments,
    frames=frames,
)
