"""Takes that land while Blender prefetches: no setting is lost, and only what is looked at is read again."""

from __future__ import annotations

from pathlib import Path

import addon
import bpy
import extension
import stage
from extension import press, settings, tick_until


def begun(folder: Path, *, is_on: bool) -> bpy.types.Scene:
    """A job under way, slow enough to look at."""
    made = addon.shot(folder, engine="standin")
    made.sequence_editor.use_prefetch = is_on
    settings().engine_options = "frame_s=0.3"
    press("fix")
    return made


def prefetches() -> bool:
    return bool(bpy.context.scene.sequence_editor.use_prefetch)


def paused() -> bool:
    return bool(settings().is_prefetch_paused)


def check_setting_is_kept(folder: Path) -> None:
    """Paused while a take lands; saved, undone and afterwards it is what the artist set."""
    with extension.enabled() as live:
        begun(folder, is_on=True)
        assert prefetches(), "pressing the button altered it"
        tick_until(paused)
        assert not prefetches() and addon.strips() == ["plate"], "it is paused before strips are altered"
        bpy.ops.ed.undo_push(message="the artist does something")
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "saved.blend"), copy=True)
        assert prefetches() and not paused()
        tick_until(lambda: len(addon.strips()) == 2)
        addon.finish(live)
        tick_until(lambda: not paused())
        assert prefetches()
        while bpy.ops.ed.undo.poll():
            bpy.ops.ed.undo()
            assert prefetches() and not paused()
        bpy.ops.wm.open_mainfile(filepath=str(folder / "saved.blend"))
        assert prefetches() and not paused()


def check_off_stays_off(folder: Path) -> None:
    with extension.enabled() as live:
        begun(folder, is_on=False)
        for _ in range(2):
            addon.finish(live)
            assert not prefetches() and not paused()
            press("fix")
        addon.finish(live)


def check_cancel_while_paused(folder: Path) -> None:
    """The add-on is switched off, or its job is gone, before the take landed."""
    with extension.enabled() as live:
        begun(folder, is_on=True)
        tick_until(paused)
        press("cancel", job=next(iter(live.jobs)))
        tick_until(lambda: not live.jobs)
        tick_until(lambda: not paused())
        assert prefetches() and addon.strips() == ["plate"]
        press("fix")
        tick_until(paused)
    assert prefetches()


def check_only_what_is_looked_at(folder: Path) -> None:
    """The frame under the playhead comes up as soon as it is there; the others wait for the last one."""
    addon.NUMBERS[:] = range(1001, 1015)
    with extension.enabled() as live:
        made = begun(folder, is_on=True)
        made.frame_set(18)
        show, again = extension.part("show"), []
        arrived = show.arrived
        job = next(iter(live.jobs.values()))
        show.arrived = lambda place: (again.append(sorted(job.arrived)), arrived(place))
        try:
            tick_until(lambda: 1008 in job.arrived)
            assert job.is_shown and not again, again
            tick_until(lambda: again)
            assert not job.is_final, "it was shown with all others at the end only"
            seen = stage.shown(made, 18, folder)
            file = stage.read_exr(Path(job.folder) / (job.pattern % 1008))
            assert abs(seen[..., 0] - file["R"]).max() < 1e-4
            addon.finish(live)
        finally:
            show.arrived = arrived
        assert len(again) == 2 and len(again[-1]) == len(addon.NUMBERS), again
