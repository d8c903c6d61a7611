"""A scene to a shot: carried, restyled, made new along its depth. A real Blender, bridge and daemon; no model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import addon
import addon_panel
import bpy
import extension
import stage
from extension import press, settings

from secondtake_blender import compat

SIZE = (96, 64)
FRAMES = (1, 3)
LENS_MM = 35.0
FLOOR_M = -1.3
WALL_TURN = 0.6


def scene(folder: Path) -> bpy.types.Scene:
    """A floor and a slanting wall, and a camera that moves sideways: distances that can be counted out."""
    made = bpy.context.scene
    made.render.resolution_x, made.render.resolution_y, made.render.resolution_percentage = *SIZE, 100
    made.render.fps, made.render.fps_base = 24, 1.001
    made.frame_start, made.frame_end = FRAMES
    made.render.engine = "BLENDER_WORKBENCH"
    bpy.ops.mesh.primitive_plane_add(size=200, location=(0, 0, FLOOR_M))
    bpy.ops.mesh.primitive_plane_add(size=200, location=(0, 9, 0), rotation=(math.pi / 2, 0, WALL_TURN))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens = LENS_MM
    made.collection.objects.link(camera)
    made.camera = camera
    camera.rotation_euler = (math.pi / 2, 0, 0)
    for frame in (0, 4):
        camera.location = (0.2 * frame, -2, 0)
        camera.keyframe_insert("location", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    return bpy.context.scene


def wish(**values: object) -> None:
    """Set what is wanted; the stand-in paints what it is led by."""
    settings().engine, settings().engine_options = "standin", "mode=followed"
    for name, value in values.items():
        setattr(settings(), name, value)


def connect(live: object) -> None:
    press("connect")
    extension.tick_until(lambda: live.engines)


def finished(live: object) -> tuple[object, dict[str, object]]:
    """The record of the take, and what was asked for it."""
    extension.tick_until(lambda: not live.jobs or any(job.is_final for job in live.jobs.values()), timeout_s=80)
    record = addon.finish(live)
    return record, json.loads((Path(record.folder) / "take.json").read_text())["request"]


def cameras(record: object) -> list[float]:
    """Where the camera stood in each frame, on its way to the right."""
    file = json.loads((Path(f"{record.folder}.render") / "previz" / "camera.json").read_text())
    return [file["frames"][str(frame)]["world_from_camera"][0][3] for frame in range(FRAMES[0], FRAMES[1] + 1)]


def check_generate(folder: Path) -> None:
    """From the Sequencer: no plate, the scene's depth, size and rate; the frames are a strip of the sequence."""
    with extension.enabled() as live:
        scene(folder)
        connect(live)
        wish(previz="generate", instruction="a harbour at dusk", matte="BOX")
        stage.write_png(folder / "look.png", stage.number_picture(5))
        settings().references.add().path = str(folder / "look.png")
        assert press("previz") == {"FINISHED"}
        record, request = finished(live)
        assert (request["operation"], request["plate"], request["matte"]) == ("generate", "", ""), request
        assert (request["width_px"], request["height_px"]) == SIZE and abs(request["fps"] - 24 / 1.001) < 1e-4
        assert request["control"].endswith("previz.####.exr") and request["control_kind"] == "depth"
        assert not request["motion"] and request["instruction"] == "a harbour at dusk"
        assert [(each["path"], each["frame"]) for each in request["references"]] == [(str(folder / "look.png"), None)]
        made = bpy.context.scene
        assert addon.strips() == ["camera take"], addon.strips()
        strip = compat.strips_of(made.sequence_editor)["camera take"]
        assert (compat.left_handle(strip), compat.right_handle(strip)) == (FRAMES[0], FRAMES[1] + 1)
        assert [each.filename for each in strip.elements] == [record.pattern % frame for frame in (1, 2, 3)]
        wish(seed=2)
        assert press("previz") == {"FINISHED"}
        again, _ = finished(live)
        assert again.take != record.take and addon.strips() == ["camera take"], "the next one replaces it"
        said = {"folder": record.folder, "control": request["control"], "cameras_m": cameras(record)}
        first, second = record.take, again.take
        assert press("previz") == {"FINISHED"}
        (job,) = live.jobs
        press("cancel", job=job)
        extension.tick_until(lambda: not live.jobs)
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
        assert [each.take for each in settings().takes] == [first, second] and shown_take() == second
        settings().take_index = 0
        press("show_take")
        assert shown_take() == first
        press("reject_take")
        assert addon.strips() == []
        print(json.dumps(said))


def shown_take() -> str:
    """Of the only strip there is."""
    (strip,) = compat.strips_of(bpy.context.scene.sequence_editor)
    return str(strip["secondtake_take"])


def check_restyle(folder: Path) -> None:
    """From the 3D View: the picture as plate, depth to follow, no matte; another look of it lands in the compositor."""
    with extension.enabled() as live:
        scene(folder)
        connect(live)
        wish(previz="restyle", instruction="rain", matte="ALL", beauty="workbench")
        with extension.editor("VIEW_3D"):
            assert bpy.ops.secondtake.previz() == {"FINISHED"}
        record, request = finished(live)
        assert (request["operation"], request["matte"], request["motion"]) == ("restyle", "", ""), request
        assert request["plate"].endswith("beauty.####.exr") and request["control"].endswith("previz.####.exr")
        assert request["control_kind"] == "depth" and request["width_px"] == 0
        tree = compat.compositor(bpy.context.scene)
        assert [node["secondtake_take"] for node in tree.nodes if "secondtake_take" in node] == [record.take]
        said = {"folder": record.folder, "control": request["control"], "cameras_m": cameras(record)}
        wish(follow="grey", matte="BOX", box=(10, 10, 60, 50))
        with extension.editor("VIEW_3D"):
            assert bpy.ops.secondtake.previz() == {"FINISHED"}
        _, request = finished(live)
        assert (request["control"], request["control_kind"]) == ("", "grey") and request["matte"], request
        print(json.dumps(said))


def check_offers(folder: Path) -> None:
    """Before Connect and after it: what an engine cannot do is grey, and the panel says why in one line."""
    with extension.enabled() as live:
        scene(folder)

        def why(**values: object) -> str:
            for name, value in values.items():
                setattr(settings(), name, value)
            layout = addon_panel.drawn("VIEW_3D")
            with extension.editor("VIEW_3D"):
                if bpy.ops.secondtake.previz.poll():
                    return ""
            said = addon_panel.grey("previz", "VIEW_3D")
            assert said in " ".join(layout.said), (said, layout.said)
            return said

        settings().matte = "ALL"
        assert why() == "Paint a frame first (References)"
        assert why(previz="restyle") == "Press Connect to see which engines can"
        connect(live)
        assert why(previz="carry") == "Paint a frame first (References), or choose Restyle or Generate"
        settings().previz = "restyle"
        assert why(engine="temporal") == "'temporal' cannot restyle without a painted frame. Use 'standin'"
        assert why(previz="generate") == "'temporal' cannot generate. Use 'standin'"
        assert why(engine="nobody") == "There is no engine 'nobody'. Choose one from the list"
        assert why(engine="standin", matte="BOX") == "", "to generate needs no matte"
        assert why(previz="restyle") == "Draw a box in the preview, or choose another matte"
        assert why(matte="ALL") == ""
        said = " ".join(addon_panel.drawn("VIEW_3D").said)
        assert "Sends the rendered picture, depth" in said, said
        settings().references.add().is_painted = True
        assert why(previz="carry", engine="temporal") == ""
        assert "exact motion, 1 reference" in " ".join(addon_panel.drawn("VIEW_3D").said)
        live.engines = tuple(each for each in live.engines if each.name == "temporal")
        assert why(previz="generate") == "'temporal' cannot generate. No installed engine can"
        assert not live.jobs and not settings().takes
