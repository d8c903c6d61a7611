"""Takes in the compositor and as clips, and plates that are clips, images and cameras."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import stage

from secondtake_blender import compat, ours
from secondtake_blender.compat import Rna
from secondtake_blender.landing_clip import accept_clip, clip_frame_arrived, land_clip, reject_clip, show_behind
from secondtake_blender.landing_node import accept_node, land_node, node_frame_arrived, reject_node
from secondtake_blender.matte_choose import matte_of_objects
from secondtake_blender.media_size import image_size
from secondtake_blender.orders import Beauty
from secondtake_blender.plate import PlateChoice
from secondtake_blender.plate_camera import choose_camera
from secondtake_blender.plate_clip import choose_clip
from secondtake_blender.plate_image import choose_image
from secondtake_blender.previz import choose_previz
from secondtake_blender.refusal import Refusal
from secondtake_blender.take import Take

PLATE_UID = "a" * 32


def take_files(folder: Path, choice: PlateChoice, name: str, *, add: int, count: int = 99) -> Take:
    """A take whose frames show their number + `add`; the first `count` of them are there."""
    target = folder / name
    target.mkdir()
    numbers = sorted({pair.number for pair in choice.pairs})
    names = {number: f"sh.{name}.{number:04d}.exr" for number in numbers}
    for number in numbers[:count]:
        stage.write_exr(target / names[number], stage.number_picture(number + add))
    return Take(take=name, folder=str(target), names=names)


def compositor_shows(scene: bpy.types.Scene, node: Rna, frame: int, folder: Path) -> int:
    """The number in a render of what this node gives."""
    tree = compat.compositor(scene)
    ends = [each for each in tree.nodes if each.bl_idname in ("NodeGroupOutput", "CompositorNodeComposite")]
    end = ends[0] if ends else compat.group_output(tree)
    tree.links.new(node.outputs[0], end.inputs[0])
    scene.render.use_sequencer, scene.render.use_compositing = False, True
    return stage.shown_number(scene, frame, folder)


def image_node(scene: bpy.types.Scene, first: Path, *, count: int, start: int) -> Rna:
    image = bpy.data.images.load(str(first))
    image.source = "SEQUENCE"
    node = compat.compositor(scene, make=True).nodes.new("CompositorNodeImage")
    node.image = image
    node.frame_start, node.frame_duration = start, count
    node.frame_offset = int(first.name.split(".")[1]) - 1
    return node


def empty_compositor() -> bpy.types.Scene:
    scene = stage.scene(first=1, last=20)
    compat.clear_compositor(scene)
    return scene


def check_image_plate(folder: Path) -> None:
    """The numbers named are the numbers that the node shows."""
    scene = empty_compositor()
    stage.sequence(folder / "plate", list(range(31, 41)), suffix=".exr")
    node = image_node(scene, folder / "plate" / "sh010.0031.exr", count=8, start=5)
    choice = choose_image(scene, node.image, node)
    assert (choice.first, choice.last) == (5, 12) and choice.path == str(folder / "plate" / "sh010.####.exr"), choice
    choice.require_media()
    for frame in (5, 8, 12):
        assert compositor_shows(scene, node, frame, folder) == choice.number_at(frame)
    still = bpy.data.images.load(str(folder / "plate" / "sh010.0033.exr"))
    held = choose_image(scene, still)
    assert held.stands_alone and held.frames == "" and (held.first, held.last) == (1, 20)
    refused("not a file", lambda: choose_image(scene, bpy.data.images.new("painted", 8, 8)))
    refused("No image", lambda: choose_image(scene, None))
    refused("which frames", lambda: choose_image(scene, node.image))


def check_node(folder: Path) -> None:
    """A take lands beside the artist's nodes, is replaced, accepted and rejected; his nodes stay as they are."""
    scene = empty_compositor()
    stage.sequence(folder / "plate", list(range(31, 41)), suffix=".exr")
    plate_node = image_node(scene, folder / "plate" / "sh010.0031.exr", count=8, start=5)
    choice = choose_image(scene, plate_node.image, plate_node)
    tree = compat.compositor(scene)

    def others() -> list[tuple[object, ...]]:
        images = [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage" and ours.UID not in node]
        return [(node.name, bpy.path.abspath(node.image.filepath), tuple(node.location)) for node in images]

    before = others()
    uid = land_node(take_files(folder, choice, "ta", add=100, count=2), choice, scene=scene, plate_uid=PLATE_UID)
    assert others() == before, (others(), before)
    node = ours.find_marked(tree.nodes, ours.UID, uid)[0]
    assert compositor_shows(scene, node, 6, folder) == 132
    stage.write_exr(folder / "ta" / "sh.ta.0034.exr", stage.number_picture(134))
    node_frame_arrived(uid)
    assert compositor_shows(scene, node, 8, folder) == 134
    links = len(tree.links)
    assert land_node(take_files(folder, choice, "tb", add=200), choice, scene=scene, plate_uid=PLATE_UID) == uid
    assert len(tree.links) == links and compositor_shows(scene, node, 12, folder) == 238
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "a.blend"))
    scene = bpy.context.scene
    tree = compat.compositor(scene)
    node = ours.find_marked(tree.nodes, ours.UID, uid)[0]
    assert compositor_shows(scene, node, 7, folder) == 233
    accept_node(uid)
    refused("accepted", lambda: reject_node(uid))
    second = land_node(take_files(folder, choice, "tc", add=300), choice, scene=scene, plate_uid=PLATE_UID)
    assert second != uid
    reject_node(second)
    assert not ours.find_marked(tree.nodes, ours.UID, second) and ours.find_marked(tree.nodes, ours.UID, uid)
    assert others() == before, (others(), before)


def check_clip(folder: Path) -> None:
    """Clips as plates and as takes: mapping, growing, in front of and behind the camera."""
    scene = stage.scene(first=1, last=60)
    stage.sequence(folder / "plate", list(range(101, 121)), suffix=".exr")
    clip = bpy.data.movieclips.load(str(folder / "plate" / "sh010.0101.exr"))
    clip.frame_start, clip.frame_offset = 11, 3
    scene.frame_end = 22
    choice = choose_clip(scene, clip, handles=2)
    assert (choice.first, choice.last) == (8, 22) and choice.handles == (0, 2) and choice.size == (88, 48), choice
    choice.require_media()
    strips = compat.strips_of(scene.sequence_editor)
    tree_frames = (8, 12, 22)
    node = compat.clear_compositor(scene).nodes.new("CompositorNodeMovieClip")
    node.clip = clip
    for frame in tree_frames:
        assert compositor_shows(scene, node, frame, folder) == choice.number_at(frame), frame
    assert len(strips) == 0
    take = take_files(folder, choice, "ta", add=500, count=4)
    uid = land_clip(take, choice, plate_uid=PLATE_UID)
    landed = ours.find_marked(bpy.data.movieclips, ours.UID, uid)[0]
    assert landed.frame_duration == 4 and landed.colorspace_settings.name == clip.colorspace_settings.name
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    show_behind(uid, camera)
    show_behind(uid, camera)
    for number, name in take.names.items():
        stage.write_exr(folder / "ta" / name, stage.number_picture(number + 500))
    clip_frame_arrived(uid)
    landed = ours.find_marked(bpy.data.movieclips, ours.UID, uid)[0]
    assert landed.frame_duration == len(take.names) and landed[ours.TAKE] == "ta"
    assert [each.clip.name for each in camera.data.background_images] == [landed.name]
    node.clip = landed
    for frame in tree_frames:
        assert compositor_shows(scene, node, frame, folder) == choice.number_at(frame) + 500, frame
    assert land_clip(take_files(folder, choice, "tb", add=300), choice, plate_uid=PLATE_UID) == uid
    assert compositor_shows(scene, node, 12, folder) == choice.number_at(12) + 300
    assert len(bpy.data.movieclips) == 2
    accept_clip(uid)
    refused("accepted", lambda: reject_clip(uid))
    other = land_clip(take_files(folder, choice, "tc", add=400), choice, plate_uid=PLATE_UID)
    reject_clip(other)
    assert len(bpy.data.movieclips) == 2 and clip.name in bpy.data.movieclips
    clip.frame_start = 500
    refused("no frame in the scene", lambda: choose_clip(scene, clip))
    refused("No movie clip", lambda: choose_clip(scene, None))


def camera_scene() -> bpy.types.Scene:
    """A textured block that moves in front of a wall, and a camera that moves."""
    scene = stage.scene(first=1, last=3)
    scene.render.engine = "BLENDER_WORKBENCH"
    bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 4, 0), rotation=(np.pi / 2, 0, 0))
    bpy.context.object.name = "wall"
    bpy.ops.mesh.primitive_cube_add(size=1.5)
    cube = bpy.context.object
    cube.data.materials.append(bpy.data.materials.new("red"))
    cube.data.materials[0].diffuse_color = (0.8, 0.05, 0.02, 1)
    for frame in range(5):
        cube.location.x = -1 + 0.2 * frame
        cube.keyframe_insert("location", frame=frame)
    for curve in curves(cube):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0, -8, 0), (np.pi / 2, 0, 0)
    scene.camera = camera
    return scene


def curves(thing: Rna) -> Rna:
    action = thing.animation_data.action
    if hasattr(action, "fcurves"):
        return action.fcurves
    return action.layers[0].strips[0].channelbags[0].fcurves


def check_camera_plate(folder: Path) -> None:
    scene = camera_scene()
    tree = compat.clear_compositor(scene)
    output = tree.nodes.new("CompositorNodeOutputFile")
    setattr(output, "directory" if hasattr(output, "directory") else "base_path", str(folder / "precious"))
    scene.render.use_compositing = False
    choice = choose_camera(scene)
    assert choice.size == (88, 48) and choice.frames == "1-3" and choice.order is not None
    target = stage.rendered(choice.order, folder)
    files = sorted(target.glob("plate.*.exr"))
    assert [file.name for file in files] == ["plate.0001.exr", "plate.0002.exr", "plate.0003.exr"]
    assert {image_size(file) for file in files} == {(88, 48)}
    assert not (folder / "precious").exists()
    first, last = (stage.read_exr(file)["G"] for file in (files[0], files[-1]))
    assert np.abs(first - last).max() > 0.05, "the block moves"
    scene.camera = None
    refused("no camera", lambda: choose_camera(scene))


def passes(path: Path) -> dict[str, np.ndarray]:
    """Channels by what follows the view layer's name."""
    return {name.split(".", 1)[1]: pixels for name, pixels in stage.read_exr(path).items() if "." in name}


def check_previz(folder: Path) -> None:
    """All passes, numbers as they are known: 4 px a frame for the block, 12 m to the wall, and the camera."""
    scene = camera_scene()
    scene.render.use_motion_blur = True
    choice = choose_previz(scene, beauty=Beauty.WORKBENCH, samples=4)
    assert any("Motion blur" in text for _, text in choice.words())
    target = stage.rendered(choice.order, folder)
    found = passes(target / "previz.0002.exr")
    for name in ("Combined.R", "Depth.Z", "Normal.X", "Vector.X", "Vector.W", "CryptoObject00.r", "CryptoMaterial00.r"):
        assert name in found, (name, sorted(found))
    assert abs(found["Depth.Z"][2, 2] - 12) < 0.01
    # The front face of the block is 7.25 m away.
    expected_px = 0.2 * 88 * scene.camera.data.lens / scene.camera.data.sensor_width / 7.25
    middle = found["Vector.X"][24, 38], found["Vector.Z"][24, 38]
    assert np.allclose(np.abs(middle), expected_px, atol=0.02), (middle, expected_px)
    assert middle[0] < 0 and middle[1] < 0, "previous = p + (X, Y), next = p − (Z, W)"
    assert np.abs(found["Normal.Y"][24, 38] + 1) < 0.01
    assert sorted(file.name for file in target.glob("beauty.*")) == [f"beauty.000{n}.exr" for n in (1, 2, 3)]
    assert choice.plate_in(str(target)).path == str(target / "beauty.####.exr")
    assert choice.motion_in(str(target)) == str(target / "previz.####.exr")
    camera = json.loads((target / "camera.json").read_text())
    assert camera["size"] == [88, 48] and sorted(camera["frames"]) == ["1", "2", "3"]
    assert camera["frames"]["2"]["world_from_camera"][1][3] == -8 and camera["frames"]["2"]["lens_mm"] == 50


def check_cancel(folder: Path) -> None:
    """A background Blender that is cancelled ends, within seconds, and says so."""
    scene = camera_scene()
    scene.frame_end = 2000
    job = stage.start_rendering(choose_previz(scene).order, folder / "job")
    end = stage.time.monotonic() + 60
    while job.poll().done < 1:
        assert stage.time.monotonic() < end
        stage.time.sleep(0.02)
    asked = stage.time.monotonic()
    job.cancel()
    while job.poll().state is stage.State.RUNNING:
        stage.time.sleep(0.02)
    assert job.poll().state is stage.State.CANCELLED and stage.time.monotonic() - asked < 10
    whole = sorted((folder / "job").glob("previz.*.exr"))
    assert whole and passes(whole[-1])
    broken = stage.start_rendering(replace(choose_previz(scene).order, scene="nowhere"), folder / "broken")
    while broken.poll().state is stage.State.RUNNING:
        stage.time.sleep(0.02)
    assert "no scene 'nowhere'" in str(broken.poll().problem)


def render_shot_to_carry(folder: Path) -> None:
    """For the parent: a previz of a shot, and the same shot after somebody painted a board in it."""
    scene = stage.scene(first=1, last=9)
    scene.render.resolution_x, scene.render.resolution_y = 128, 72
    scene.render.engine = "CYCLES"
    scene.world = bpy.data.worlds.new("world")
    light = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    scene.collection.objects.link(light)
    light.rotation_euler = (0.6, 0.3, 0)
    bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 6, 0), rotation=(np.pi / 2, 0, 0))
    bpy.context.object.data.materials.append(shaded("wall", noise_scale=2.5))
    bpy.ops.mesh.primitive_cube_add(size=2.6, rotation=(0, 0, 0.5))
    board = bpy.context.object
    board.name = "board"
    board.data.materials.append(shaded("board", noise_scale=0))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    for frame in range(11):
        camera.location = (-0.9 + 0.18 * frame, -9 + 0.05 * frame, 0.4)
        camera.rotation_euler = (np.pi / 2 - 0.02, 0.006 * frame, 0.03 - 0.006 * frame)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    scene.cycles.device, scene.cycles.samples, scene.cycles.max_bounces = "CPU", 24, 0
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    choice = choose_previz(scene)
    stage.rendered(choice.order, folder).rename(folder / "previz")
    matte = matte_of_objects(scene, [board], choice.plate, size=(128, 72))
    stage.rendered(matte.order, folder).rename(folder / "matte")
    paint(board.data.materials[0])
    stage.rendered(choose_camera(scene).order, folder).rename(folder / "painted")


def shaded(name: str, *, noise_scale: float) -> bpy.types.Material:
    """Diffuse grey, with noise if asked for."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    diffuse, output = nodes.new("ShaderNodeBsdfDiffuse"), nodes.new("ShaderNodeOutputMaterial")
    links.new(diffuse.outputs[0], output.inputs[0])
    diffuse.inputs[0].default_value = (0.4, 0.38, 0.36, 1)
    if noise_scale:
        noise = nodes.new("ShaderNodeTexNoise")
        noise.inputs["Scale"].default_value = noise_scale
        links.new(noise.outputs["Color"], diffuse.inputs[0])
    return material


def paint(material: bpy.types.Material) -> None:
    """Broad coloured blotches, fixed to the surface."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    noise, place = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeTexCoord")
    noise.inputs["Scale"].default_value = 1.6
    links.new(place.outputs["Object"], noise.inputs["Vector"])
    diffuse = next(node for node in nodes if node.bl_idname == "ShaderNodeBsdfDiffuse")
    links.new(noise.outputs["Color"], diffuse.inputs[0])


def refused(words: str, act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal as refusal:
        assert words in str(refusal), refusal
    else:
        raise AssertionError(f"not refused: {words}")
