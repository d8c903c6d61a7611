"""Runs one check in a Blender, with an empty scene and no add-on: session.py MODULE CHECK FOLDER [ARGUMENTS]."""

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "plugins" / "blender")]

import bpy  # noqa: E402


def main() -> None:
    module, check, folder, *arguments = sys.argv[1:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    getattr(importlib.import_module(module), check)(Path(folder), *arguments)
    print("checked", check)


main()
