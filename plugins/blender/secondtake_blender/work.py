"""What a background Blender runs: `… work.py -- FOLDER SCRIPTS`. Opens the copy and carries out the order.

The modules beside it are imported under a name of their own, without the package's `__init__`: the add-on that is
registered in the artist's Blender has no business here.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
import types
from pathlib import Path

import bpy

PACKAGE = "secondtake_work"


def main() -> None:
    """Carry out the order in the folder that the command line names."""
    folder_text, scripts = sys.argv[sys.argv.index("--") + 1 :][:2]
    folder = Path(folder_text)
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules[PACKAGE] = package
    orders = importlib.import_module(f"{PACKAGE}.orders")
    background = importlib.import_module(f"{PACKAGE}.background")
    refusal = importlib.import_module(f"{PACKAGE}.refusal")
    carry_out = importlib.import_module(f"{PACKAGE}.work_order").carry_out
    order = orders.read_order(folder / "order.json")
    writer = background.Writer(folder, total=len(order.pairs))
    try:
        bpy.ops.wm.open_mainfile(filepath=str(folder / "copy.blend"), load_ui=False, use_scripts=json.loads(scripts))
        carry_out(order, folder, writer)
    except refusal.Refusal as problem:
        writer.problem(problem)
    except Exception as error:  # noqa: BLE001 — whatever it is, the artist is told
        # The artist reads one line, whoever mends it reads the log.
        traceback.print_exc()
        said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        writer.problem(refusal.Refusal(f"The background Blender failed: {said[0]}", remedy="Look at its log"))
    else:
        writer.whole()


main()
