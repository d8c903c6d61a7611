"""Qwen-Image-Edit: edits one picture by an instruction (Wu et al., Qwen-Image Technical Report, 2025; Apache-2.0).

Two families by what their text encoder is shown: the first model sees one picture, from 2509 on it sees several, each
with its number. Each sees the picture whole, also what the mask covers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from secondtake.messages import Operation
from secondtake_daemon.engines.diffusion.family import Asked, Checkpoint, Family, Noise, Settings

__all__ = ["QWEN_EDIT", "QWEN_EDIT_PLUS", "arguments", "frames"]

_NOISE = Noise(channels=16, scale=8, every=1)
_TOKEN_PX = 16
_LICENCE = "Apache-2.0: free for any use"


def arguments(run: Asked) -> dict[str, Any]:
    """What the pipeline is called with (`qwen_masked`)."""
    return {
        "prompt": run.prompt,
        "negative_prompt": run.negative_prompt or " ",
        "picture": run.video()[:, 0],
        "mask": run.mask(whole_px=_TOKEN_PX)[:, 0],
        "looks": run.pictures(),
        "noise": run.noise(_NOISE, still=True)[:, :, 0],
        "steps": run.settings.step_count,
        "sigmas": list(run.settings.sigmas) or None,
        "guidance": run.settings.guidance,
        "tokens": run.settings.prompt_tokens,
    }


def frames(output: Any) -> Any:
    """(1, H, W, 3) codes."""
    return output.images.permute(0, 2, 3, 1).float().cpu().numpy()


QWEN_EDIT_PLUS = Family(
    name="qwen-image-edit-plus",
    pipeline="QwenImageEditPlusPipeline",
    runs="secondtake_daemon.engines.diffusion.families.qwen_masked:QwenEditPlus",
    summary="Qwen-Image-Edit: edits frames by an instruction, each for itself; for stills, and to paint one frame that "
    "is carried through the shot",
    operations=frozenset({Operation.REMOVE, Operation.REPLACE, Operation.MODIFY, Operation.RESTYLE}),
    looks=2,
    shaper="display",
    stride_px=16,
    every=1,
    longest=1,
    head=0,
    tail=0,
    fps=24.0,
    area_px=1024 * 1024,
    final=Settings(steps=40, guidance=4.0, prompt_tokens=512),
    draft=Settings(steps=16, guidance=4.0, prompt_tokens=512),
    removal_prompt="Remove what stands in the foreground and show only the background behind it.",
    denoisers=("transformer",),
    token_px=_TOKEN_PX,
    # Of a token 8 states of 3072 and two of a feed-forward layer, in 16 bits; four, with the picture's and two looks'.
    activation_bytes=4 * 2 * (8 * 3072 + 2 * 12_288),
    checkpoints=(
        Checkpoint(hub="Qwen/Qwen-Image-Edit-2509", billions=20.43, licence=_LICENCE, is_free=True),
        Checkpoint(hub="Qwen/Qwen-Image-Edit-2511", billions=20.43, licence=_LICENCE, is_free=True),
    ),
    arguments=arguments,
    frames=frames,
)

QWEN_EDIT = replace(
    QWEN_EDIT_PLUS,
    name="qwen-image-edit",
    pipeline="QwenImageEditPipeline",
    runs="secondtake_daemon.engines.diffusion.families.qwen_masked:QwenEdit",
    looks=0,
    activation_bytes=2 * 2 * (8 * 3072 + 2 * 12_288),
    checkpoints=(Checkpoint(hub="Qwen/Qwen-Image-Edit", billions=20.43, licence=_LICENCE, is_free=True),),
)
