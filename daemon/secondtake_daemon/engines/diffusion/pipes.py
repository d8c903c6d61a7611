"""Pipelines in memory: loaded once, kept from job to job, one at a time. Only this file calls diffusers to load."""

from __future__ import annotations

import gc
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secondtake.errors import EngineFault, GpuMemory

__all__ = ["drop", "pipeline"]


@dataclass
class _Held:
    key: tuple[str, str] = ("", "")
    pipe: Any = None


_HELD = _Held()


def pipeline(*, folder: Path, name: str, digest: str) -> Any:
    """The pipeline of a model's folder, in memory from now on. Another one that was held is dropped first.

    name: its class in diffusers. digest: of the model's files; the same folder with other files is loaded anew.
    Raises EngineFault if diffusers can't load it, GpuMemory if the device has no room.
    """
    key = (str(folder), digest)
    if _HELD.key != key:
        drop()
        _HELD.pipe = _load(folder, name)
        _HELD.key = key
    return _HELD.pipe


def drop() -> None:
    """Give the memory back."""
    if _HELD.pipe is None:
        return
    _HELD.key, _HELD.pipe = ("", ""), None
    gc.collect()
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(folder: Path, name: str) -> Any:
    torch, diffusers = importlib.import_module("torch"), importlib.import_module("diffusers")
    has_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if has_gpu else torch.float32
    # The VAE stays in float32: in bfloat16 a pixel comes back up to 2 % off.
    kinds = {"default": dtype, "vae": torch.float32}
    try:
        pipe = getattr(diffusers, name).from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, torch_dtype=kinds
        )
        pipe.set_progress_bar_config(disable=True)
        return pipe.to("cuda") if has_gpu else pipe
    except torch.cuda.OutOfMemoryError as error:
        raise GpuMemory("The model does not fit into the GPU's memory", remedy="Use a smaller model") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise EngineFault(
            f"diffusers could not load the model ({type(error).__name__}: {error})",
            remedy="Check it with `secondtake models verify`, or get it again",
            path=folder,
        ) from error
