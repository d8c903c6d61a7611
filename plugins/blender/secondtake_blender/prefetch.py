"""Blender's prefetch of strips, asked to pause before a tick alters strips.

From 5.0 on it is on by default. Whatever alters a strip waits for the frame that it is just making, which is 50 ms at
960 x 540 and more in 4K. Switched off a moment before, it ends by itself and nobody waits. The scene remembers that it
was switched off by us, so neither an undo nor a saved file loses the artist's setting.
"""

from __future__ import annotations

import time

import bpy

from .settings import settings_of
from .state import live

__all__ = ["end_tick", "is_quiet", "resume"]

_FRAME_S = 0.5
"""It has so long to end its frame; one that takes longer is waited for."""


def is_quiet(scene: bpy.types.Scene | None) -> bool:
    """True if strips of this scene can be altered at once; else it pauses now, and the next ticks ask again."""
    if scene is None or scene.sequence_editor is None:
        return True
    editor, settings = scene.sequence_editor, settings_of(scene)
    if not settings.is_prefetch_paused:
        if not editor.use_prefetch:
            return True
        editor.use_prefetch, settings.is_prefetch_paused = False, True
        live.paused_s[scene.name] = time.monotonic()
    if time.monotonic() - live.paused_s.get(scene.name, 0.0) > _FRAME_S:
        return True
    live.is_pause_wanted = True
    return False


def end_tick() -> None:
    """After each tick: what nobody waits for any more goes on."""
    if live.paused_s and not live.is_pause_wanted:
        resume()
    live.is_pause_wanted = False


def resume() -> None:
    """Let every scene prefetch again that was paused here, in this session or in the one that saved the .blend."""
    live.paused_s.clear()
    for scene in bpy.data.scenes:
        settings = settings_of(scene)
        if settings.is_prefetch_paused:
            settings.is_prefetch_paused = False
            if scene.sequence_editor is not None:
                scene.sequence_editor.use_prefetch = True
