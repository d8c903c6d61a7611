"""Pipelines in memory: loaded once, kept from job to job, one at a time. Only this file calls diffusers to load."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secondtake.errors import EngineFault
from secondtake_daemon.engines.diffusion.fuse import fuse
from secondtake_daemon.engines.diffusion.memory import device
from secondtake_daemon.engines.diffusion.memory.placing import Layout, lay_out
from secondtake_daemon.engines.diffusion.whole import check_whole
from secondtake_daemon.models.shelf import Model

__all__ = ["Source", "borrowed", "drop", "pipeline", "tidy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a pipeline comes from."""

    folder: Path
    name: str
    """Its class in diffusers, or `package.module:Class`."""
    digest: str
    """Of the model's files; the same folder with other files is loaded anew."""
    denoisers: tuple[str, ...] = ()
    adapters: tuple[Model, ...] = ()
    """Put into its weights, in this order."""
    adapter_names: tuple[tuple[str, str], ...] = ()


@dataclass
class _Held:
    source: Source | None = None
    layout: Layout = field(default_factory=Layout)
    pipe: Any = None


_HELD = _Held()


def pipeline(source: Source, layout: Layout) -> Any:
    """The pipeline of a model's folder, in memory from now on. Another one that was held, or one that is laid out
    otherwise, is dropped first. Raises EngineFault if diffusers can't load it, and what torch raises where there is no
    room.
    """
    if (_HELD.source, _HELD.layout) != (source, layout):
        drop()
        _HELD.pipe = _load(source, layout)
        _HELD.source, _HELD.layout = source, layout
    return _HELD.pipe


@contextmanager
def borrowed(source: Source, layout: Layout) -> Iterator[Any]:
    """A pipeline for one use, beside the one that is held. Raises as `pipeline`."""
    pipe = _load(source, layout)
    try:
        yield pipe
    finally:
        pipe = None
        device.here().empty()


def tidy() -> None:
    """Give back what a run that was stopped left behind; the pipeline stays."""
    forget = getattr(getattr(_HELD.pipe, "vae", None), "clear_cache", None)
    if forget is not None:
        forget()
    device.here().empty()


def drop() -> None:
    """Give the memory back."""
    if _HELD.source is None:
        return
    _HELD.source, _HELD.pipe = None, None
    device.here().empty()


def _class(name: str) -> Any:
    """`package.module:Class`, or a class of diffusers."""
    module, _, inner = name.rpartition(":")
    return getattr(importlib.import_module(module or "diffusers"), inner)


def _load(source: Source, layout: Layout) -> Any:
    torch = importlib.import_module("torch")
    dtype = torch.float32 if layout.device == "cpu" else torch.bfloat16
    # The VAE stays in float32: in bfloat16 a pixel comes back up to 2 % off.
    kinds = {"default": dtype, "vae": torch.float32}
    try:
        pipe = _class(source.name).from_pretrained(
            str(source.folder),
            local_files_only=True,
            use_safetensors=True,
            dtype=kinds,
            **dict.fromkeys(layout.without),
        )
        pipe.set_progress_bar_config(disable=True)
        check_whole(pipe, source.folder)
        fuse(pipe, source.adapters, names=source.adapter_names)
        lay_out(pipe, layout, denoisers=_names(source.denoisers, pipe))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        if device.is_out_of_memory(error):
            raise
        raise EngineFault(
            f"diffusers could not load the model ({type(error).__name__}: {error})",
            remedy="Check it with `secondtake models verify`, or get it again",
            path=source.folder,
        ) from error
    return pipe


def _names(wanted: Collection[str], pipe: Any) -> list[str]:
    return [name for name in wanted if pipe.components.get(name) is not None]
