"""Has a background Blender carry out an order on a copy of the .blend. The artist's Blender only saves the copy."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy

from .background import Background
from .clearing import make_work_folder
from .orders import Order, write_order
from .refusal import Refusal

__all__ = ["start_rendering"]

COPY = "copy.blend"
ORDER = "order.json"
_WORK = Path(__file__).with_name("work.py")


def start_rendering(order: Order, folder: Path) -> Background:
    """Save a copy of the .blend to `folder`, which is made, and start on it. What is rendered lies there in the end.

    Saving takes as long as saving takes; the rest goes on in another process. Raises Refusal.
    """
    try:
        make_work_folder(folder)
        # The copy is somewhere else, so its relative paths are written anew; a .blend without a place has none.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(folder / COPY), copy=True, check_existing=False, relative_remap=bool(bpy.data.filepath)
        )
        write_order(folder / ORDER, order)
    except (OSError, RuntimeError) as error:
        raise Refusal(
            "The .blend could not be copied for the background Blender",
            remedy="Free some disk, or save it elsewhere",
            path=str(folder),
        ) from error
    return Background(_command(folder), folder=folder)


def _command(folder: Path) -> list[str]:
    # Scripts and drivers in the file run there if they run here.
    arguments = ["--", str(folder), json.dumps(not bpy.app.autoexec_fail)]
    if not bpy.app.binary_path:  # Blender as a Python module
        return [sys.executable, os.fspath(_WORK), *arguments]
    quiet = ["--background", "--factory-startup", "--offline-mode", "--python-exit-code", "1"]
    return [bpy.app.binary_path, *quiet, "--python", os.fspath(_WORK), *arguments]
