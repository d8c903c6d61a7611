"""A .blend with takes in it, rendered by a Blender that has the extension and by one that has not."""

from __future__ import annotations

from pathlib import Path

import addon
import addon_utils
import bpy
import extension
import numpy as np
import stage
from extension import press, settings

from secondtake_blender import compat

FRAMES = range(11, 17)


def check_with(folder: Path) -> None:
    """A take that is shown and one that was accepted, saved and rendered."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        for seed, box in ((1, (5, 5, 30, 20)), (2, (40, 20, 80, 44))):
            settings().seed, settings().box = seed, box
            press("fix")
            addon.finish(live)
            press("accept_take") if seed == 1 else None
        assert addon.strips() == ["plate", "plate take", "plate take.001"], addon.strips()
        bpy.ops.file.make_paths_relative()
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
        shown = render(folder)
        for each in compat.strips_of(bpy.context.scene.sequence_editor):
            each.mute = each.name != "plate"
        plates = render(folder)
    assert all((one != other).any() for one, other in zip(shown, plates, strict=True)), "no take is shown"
    np.save(folder / "shown.npy", shown)


def check_without(folder: Path) -> None:
    """The same file, another Blender: the same pixels, and nothing of ours that it would miss."""
    assert addon_utils.enable(extension.NAME) is None, "the extension is there"
    bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
    assert not hasattr(bpy.context.scene, "secondtake")
    assert np.array_equal(render(folder), np.load(folder / "shown.npy"))


def render(folder: Path) -> np.ndarray:
    """(frames, height, width, 4) float32: what the sequence shows."""
    return np.stack([stage.shown(bpy.context.scene, frame, folder) for frame in FRAMES])
