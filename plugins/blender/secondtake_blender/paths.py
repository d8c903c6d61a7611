"""Paths as Blender writes them (`//` is the folder of the .blend), made absolute for the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from .compat import Rna
from .refusal import Refusal

__all__ = ["absolute_media", "render_size", "require_saved_media"]


def absolute_media(path: str, *, owner: Rna = None) -> str:
    """Absolute path of a file or folder; `owner` is the datablock that names it, for those of a linked library.

    Raises Refusal for an empty path, and for a relative one while the .blend has no place of its own.
    """
    if not path:
        raise Refusal("It names no file", remedy="Choose its file in Blender first")
    library = getattr(owner, "library", None)
    if path.startswith("//") and not (library or bpy.data.filepath):
        raise Refusal("Its files are named relative to a .blend that is not saved yet", remedy="Save the .blend first")
    absolute = bpy.path.abspath(path, library=library)
    return os.path.normpath(Path(absolute).expanduser())


def require_saved_media() -> None:
    """Refuse a .blend without a place that names files relative to it: its copy would not find them. Raises Refusal."""
    if bpy.data.filepath:
        return
    for kind in (bpy.data.images, bpy.data.movieclips, bpy.data.cache_files, bpy.data.libraries, bpy.data.fonts):
        for each in kind:
            if each.filepath.startswith("//") and getattr(each, "packed_file", None) is None:
                absolute_media(each.filepath)


def render_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """Width and height that the scene renders."""
    render = scene.render
    # Blender truncates, as C does.
    return (
        int(render.resolution_x * render.resolution_percentage / 100),
        int(render.resolution_y * render.resolution_percentage / 100),
    )
