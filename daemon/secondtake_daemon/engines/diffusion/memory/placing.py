"""How a loaded pipeline is laid out on its device, as the plan says."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from secondtake_daemon.engines.diffusion.memory.plan import FP8, FULL, Way

__all__ = ["Layout", "cut_in_tiles", "lay_out", "strides"]

_OVERLAP_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a pipeline in memory is like; with another one it is loaded anew."""

    device: str = "cpu"
    way: Way = Way.RESIDENT
    storage: str = FULL
    without: tuple[str, ...] = ()
    """Components that are not loaded."""


def lay_out(pipe: Any, layout: Layout, *, denoisers: Iterable[str]) -> None:
    """Once, after loading. Raises what torch raises when there is no room."""
    parts = [getattr(pipe, name, None) for name in denoisers]
    parts = [part for part in parts if part is not None]
    if layout.storage == FP8:
        for part in parts:
            _store_in_eight_bits(part)
    if layout.way is Way.STREAM:
        for part in parts:
            _stream(part, layout.device)
        for name, component in pipe.components.items():
            if name not in set(denoisers) and _is_module(component):
                _place_rest(component, name, layout.device)
    elif layout.way is Way.OFFLOAD and layout.device != "cpu":
        pipe.enable_model_cpu_offload(device=layout.device)
    else:
        pipe.to(layout.device)


def cut_in_tiles(pipe: Any, tile_px: int, *, width: int, height: int) -> None:
    """For a rendering: the VAE works on tiles of this side, or on the canvas whole (0)."""
    vae = pipe.vae
    if not tile_px:
        vae.disable_tiling()
        return
    unit = int(vae.spatial_compression_ratio)
    down, across = (strides(side, tile_px, unit) for side in (height, width))
    vae.enable_tiling(
        tile_sample_min_height=tile_px,
        tile_sample_min_width=tile_px,
        tile_sample_stride_height=down,
        tile_sample_stride_width=across,
    )


def strides(side_px: int, tile_px: int, unit_px: int) -> int:
    """From tile to tile, for a side: with an overlap of a few latents, and no tile that is one latent thin at the end,
    which a decoder that mirrors its edges can't do."""
    side, tile = side_px // unit_px, tile_px // unit_px
    stride = max(tile - max(_OVERLAP_PX // unit_px, 2), 1)
    while stride > 1 and side > tile and (side - 1) % stride == 0:
        stride -= 1
    return stride * unit_px


def _store_in_eight_bits(part: Any) -> None:
    """Numbers lie in memory as float8 and are widened block by block; embeddings and norms keep theirs."""
    torch = importlib.import_module("torch")
    part.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=part.dtype)


def _stream(part: Any, device: str) -> None:
    hooks = importlib.import_module("diffusers.hooks")
    torch = importlib.import_module("torch")
    hooks.apply_group_offloading(
        part,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device != "cpu",
    )


def _place_rest(component: Any, name: str, device: str) -> None:
    """Text encoders are large and used once: they are streamed too, leaf by leaf, as theirs are no plain lists."""
    if not name.startswith("text_encoder"):
        component.to(device)
        return
    hooks = importlib.import_module("diffusers.hooks")
    torch = importlib.import_module("torch")
    hooks.apply_group_offloading(
        component,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=device != "cpu",
    )


def _is_module(component: Any) -> bool:
    return isinstance(component, importlib.import_module("torch").nn.Module)
