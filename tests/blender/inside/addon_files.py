"""Files opened and closed, and steps undone, while jobs are under way."""

from __future__ import annotations

import json
from pathlib import Path

import addon
import bpy
import extension
import numpy as np
import stage
from extension import press, settings, tick_until

from secondtake_blender import compat

SLOW = "frame_s=0.3"


def check_reload(folder: Path) -> None:
    """Closed in the middle, with another file open when it ends; opened again by another session, it has its take."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        settings().engine_options = SLOW
        press("fix")
        bpy.ops.wm.save_mainfile()
        tick_until(lambda: any(job.arrived for job in live.jobs.values()))
        bpy.ops.wm.read_homefile(use_empty=True, load_ui=False)
        tick_until(lambda: all(job.is_final for job in live.jobs.values()))
        editors = [scene.sequence_editor for scene in bpy.data.scenes if scene.sequence_editor]
        assert not any(len(compat.strips_of(editor)) for editor in editors), "it landed in another file"
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
        addon.finish(live)
        assert addon.strips() == ["plate", "plate take"]
    with extension.enabled() as live:
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
        assert addon.strips() == ["plate"] and len(live.jobs) == 1, "the saved file knows the job"
        assert live.bridge is None, "opening a file in the background started something"
        press("connect")
        record = addon.finish(live)
        assert addon.strips() == ["plate", "plate take"]
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
        assert [record.take for record in settings().takes] == [settings().takes[0].take] and record
        press("reject_take")
        press("show_take") if settings().takes else None
        assert addon.strips() == ["plate"]


def check_undo(folder: Path) -> None:
    """Undone in the middle, the job goes on and lands; undone later, the strip goes and the list finds it."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        settings().engine_options = SLOW
        bpy.ops.ed.undo_push(message="before")
        press("fix")
        bpy.ops.ed.undo_push(message="fix")
        tick_until(lambda: any(job.is_shown for job in live.jobs.values()))
        bpy.ops.ed.undo()
        assert addon.strips() == ["plate"] and not settings().takes
        record = addon.finish(live)
        assert addon.strips() == ["plate", "plate take"], addon.strips()
        plate = compat.strips_of(bpy.context.scene.sequence_editor)["plate"]
        assert plate["secondtake_uid"] == record.plate_uid
        bpy.ops.ed.undo()
        assert addon.strips() == ["plate"] and not settings().takes
        press("refresh_takes")
        assert len(settings().takes) == 1, "the session forgot its take"
        press("show_take")
        assert addon.strips() == ["plate", "plate take"]


def check_nothing_but_ids(folder: Path) -> None:
    """A .blend that was worked in has ids, paths and settings: no text, image, file or handler of ours."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        press("fix")
        addon.finish(live)
        kinds = ("images", "texts", "node_groups", "movieclips", "masks", "sounds")
        assert [len(getattr(bpy.data, kind)) for kind in kinds] == [0] * len(kinds)
        bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "shot.blend"))
    made = bpy.context.scene
    assert not hasattr(made, "secondtake")
    strip = compat.strips_of(made.sequence_editor)["plate take"]
    assert all(key.startswith("secondtake_") for key, _ in strip.items())
    print(json.dumps(strip.directory))


def check_background_plate(folder: Path) -> None:
    """A strip that is not just its files is rendered by another Blender, with progress; its take fits on it."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        settings().is_rendered = True
        press("fix")
        (job,) = live.jobs.values()
        assert job.is_being_made and "background Blender" in job.line, job.line
        tick_until(lambda: job.done > 0 or not job.is_being_made, timeout_s=60)
        record = addon.finish(live)
        assert addon.strips() == ["plate", "plate take"]
        manifest = json.loads((Path(record.folder) / "take.json").read_text())
        assert manifest["request"]["plate"].endswith("plate.####.exr")
        press("fix")
        (job,) = live.jobs.values()
        press("cancel", job=job.job)
        tick_until(lambda: not live.jobs)
        assert not job.work_folder.exists() and addon.strips() == ["plate", "plate take"]
        assert made.name == "Scene"


def check_camera_and_previz(folder: Path) -> None:
    """The scene as plate, and as previz with one painted frame: both land in the compositor, the .blend goes on."""
    with extension.enabled() as live:
        scene = bpy.context.scene
        scene.render.resolution_x, scene.render.resolution_y = 64, 48
        scene.frame_start, scene.frame_end = 1, 3
        scene.render.engine = "BLENDER_WORKBENCH"
        bpy.ops.mesh.primitive_cube_add()
        bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(1.5708, 0, 0))
        camera = bpy.context.object
        scene.camera = camera
        for frame in (0, 4):
            camera.location.x = frame * 0.1
            camera.keyframe_insert("location", frame=frame)
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
        scene = bpy.context.scene
        wanted = settings()
        wanted.matte, wanted.engine = "ALL", "standin"
        with extension.editor("VIEW_3D"):
            assert bpy.ops.secondtake.fix() == {"FINISHED"}
        record = finish_node(live)
        planes = stage.read_exr(Path(f"{record.folder}.render") / "plate" / "plate.0002.exr")
        picture = np.stack([planes[name] for name in "RGB"], axis=-1)
        picture[18:30, 26:38] = (0.6, 0.2, 0.1)
        painted = folder / "painted.exr"
        stage.write_exr(painted, picture)
        wanted.matte, wanted.box = "BOX", (24, 14, 42, 34)
        reference = wanted.references.add()
        reference.path, reference.is_painted, reference.frame = str(painted), True, 2
        wanted.engine, wanted.beauty, wanted.operation = "temporal", "workbench", "extend"
        with extension.editor("VIEW_3D"):
            assert bpy.ops.secondtake.previz() == {"FINISHED"}
        record = finish_node(live)
        request = json.loads((Path(record.folder) / "take.json").read_text())["request"]
        assert request["motion"].endswith("previz.####.exr") and request["operation"] == "modify", request


def finish_node(live: object) -> object:
    tick_until(lambda: not live.jobs or any(job.is_final for job in live.jobs.values()), timeout_s=80)
    record = addon.finish(live)
    tree = compat.compositor(bpy.context.scene)
    nodes = [node for node in tree.nodes if node.get("secondtake_take") == record.take]
    assert len(nodes) == 1 and nodes[0].image is not None, [node.name for node in tree.nodes]
    return record


def check_clip(folder: Path) -> None:
    """A movie clip as plate: the take is a clip of its own."""
    with extension.enabled() as live:
        names = stage.sequence(folder / "plate", addon.NUMBERS, suffix=".exr")
        clip = bpy.data.movieclips.load(str(folder / "plate" / names[0]))
        bpy.context.scene.frame_end = 6
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "clip.blend"))
        clip = bpy.data.movieclips[0]
        wanted = settings()
        wanted.matte, wanted.engine, wanted.handles = "ALL", "standin", 0
        with extension.editor("CLIP_EDITOR") as area:
            area.spaces.active.clip = clip
            assert bpy.ops.secondtake.fix() == {"FINISHED"}
        record = addon.finish(live)
        takes = [each for each in bpy.data.movieclips if each.get("secondtake_take") == record.take]
        assert len(takes) == 1 and takes[0].frame_duration == 6
        press("reject_take")
        assert [each.name for each in bpy.data.movieclips] == [clip.name]
