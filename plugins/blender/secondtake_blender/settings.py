"""What the artist sets, and which takes a scene has: saved with the .blend, undone with it. Ids and settings only."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .compat import Rna

BLEND_RELATIVE = (
    {"PATH_SUPPORTS_BLEND_RELATIVE"}
    if "is_path_supports_blend_relative" in bpy.types.Property.bl_rna.properties
    else set()
)
"""Says of a path that it may begin with //; Blender 4.5 and later want to know."""

__all__ = [
    "BLEND_RELATIVE",
    "CLASSES",
    "Record",
    "Reference",
    "Settings",
    "add_properties",
    "remove_properties",
    "settings_of",
]

OPERATIONS = (
    ("auto", "As Needed", "Modify if a frame is painted, else remove"),
    ("remove", "Remove", "Take away what is in the matte"),
    ("replace", "Replace", "Put something else there"),
    ("modify", "Modify", "Change what is there"),
    ("restyle", "Restyle", "Give it another look"),
    ("extend", "Extend", "Make new frames before or after the shot"),
)
MATTES = (
    ("BOX", "Box", "A box drawn in the preview"),
    ("ALL", "Whole Frame", "Everything may change"),
    ("MASK", "Mask", "A Mask datablock with its keys, tracks and feather"),
    ("OBJECTS", "Selected Objects", "Selected objects as the scene's camera sees them"),
    ("MATERIAL", "Material", "Whatever has this material, as the scene's camera sees it"),
    ("INDEX", "Object Index", "Objects with this pass index"),
    ("PAINTED", "Painted Image", "An image that was painted in the Image editor"),
    ("STRIP", "Strip", "Another strip, its red channel as coverage"),
    ("FILE", "File", "A sequence, one image, or keyed shapes"),
)
BASES = (
    ("PLATE", "Plate", "Make a take of the plate"),
    ("ON", "On Top", "Make an edit on top of a take"),
    ("REVISE", "Revise", "Say a take's own edit again, with more words"),
)


WAYS = (
    ("carry", "Carry", "Carry a painted frame through the camera's move, by the scene's exact motion"),
    ("restyle", "Restyle", "Give the rendered picture another look, along the scene's depth"),
    ("generate", "Generate", "Make a new shot along the scene's depth, without its picture"),
)
FOLLOWS = (
    ("auto", "As Needed", "Depth, if the engine can follow it"),
    ("depth", "Depth", "Distances from the camera, from the scene itself"),
    ("scribble", "Lines", "Lines of the rendered picture"),
    ("grey", "Brightness", "Brightness of the rendered picture, without its colours"),
)


class Reference(bpy.types.PropertyGroup):
    """An image to follow; with a frame, that frame as it was painted."""

    path: StringProperty(name="Image", description="The image's file", subtype="FILE_PATH", options=BLEND_RELATIVE)
    is_painted: BoolProperty(name="Painted Frame", description="It is a frame of this plate that was painted on")
    frame: IntProperty(name="Frame", description="The timeline's frame that was painted on", default=1)


class Record(bpy.types.PropertyGroup):
    """One take of this scene, or a job that will be one."""

    job: StringProperty()
    take: StringProperty()
    plate_uid: StringProperty()
    target: StringProperty(default="strip")
    folder: StringProperty()
    pattern: StringProperty()
    choice: StringProperty()
    before: StringProperty()
    label: StringProperty(name="Name")
    instruction: StringProperty()
    operation: StringProperty()
    engine: StringProperty()


class Settings(bpy.types.PropertyGroup):
    """Second Take in a scene."""

    source: EnumProperty(
        name="Plate",
        description="What is fixed",
        items=(
            ("AUTO", "This Editor's", "The active strip, the open clip, the selected Image node, or the camera"),
            ("CAMERA", "Camera", "The scene through its camera, rendered"),
        ),
    )
    is_rendered: BoolProperty(
        name="As It Shows", description="Render what the strip shows instead of reading its files"
    )
    handles: IntProperty(
        name="Handles",
        description="Frames before and after what shows, where the media has them",
        default=8,
        min=0,
        max=1000,
    )
    matte: EnumProperty(name="Matte", description="Where the shot may change", items=MATTES)
    mask: PointerProperty(name="Mask", type=bpy.types.Mask)
    material: PointerProperty(name="Material", type=bpy.types.Material)
    painted: PointerProperty(name="Image", type=bpy.types.Image)
    pass_index: IntProperty(name="Index", description="Pass index of the objects", default=1, min=1)
    matte_strip: StringProperty(name="Strip", description="The strip whose picture is the matte")
    matte_path: StringProperty(
        name="File",
        description="matte.####.exr, one image, or shapes.json",
        subtype="FILE_PATH",
        options=BLEND_RELATIVE,
    )
    box: FloatVectorProperty(
        name="Box",
        description="Left, bottom, right, top in the scene's frame, in pixels",
        size=4,
        default=(0, 0, 0, 0),
        subtype="NONE",
    )
    grow_px: IntProperty(
        name="Grow",
        description="Make the matte larger; negative: smaller",
        subtype="PIXEL",
        soft_min=-100,
        soft_max=100,
    )
    feather_px: IntProperty(name="Feather", description="Soften its edge, inward", subtype="PIXEL", min=0, soft_max=100)
    instruction: StringProperty(name="Instruction", description="What you want, in words")
    operation: EnumProperty(name="Operation", description="What is done in the matte", items=OPERATIONS)
    frames_before: IntProperty(name="Before", description="New frames before the shot", min=0, soft_max=240)
    frames_after: IntProperty(name="After", description="New frames after the shot", default=24, min=0, soft_max=240)
    engine: StringProperty(name="Engine", description="Who does it; empty is the built-in one")
    engine_options: StringProperty(
        name="Options", description="Switches of the engine: name=value, more with spaces between"
    )
    quality: EnumProperty(
        name="Quality", items=(("final", "Final", "As good as it gets"), ("draft", "Draft", "Sooner, to look at"))
    )
    seed: IntProperty(name="Seed", description="The same request with the same seed gives the same picture", min=0)
    references: CollectionProperty(type=Reference)
    reference_index: IntProperty()
    folder: StringProperty(
        name="Takes",
        description="Where takes go; empty: as in the Preferences",
        subtype="DIR_PATH",
        options=BLEND_RELATIVE,
    )
    shot: StringProperty(name="Shot", description="First part of the file names; empty: after the plate")
    base: EnumProperty(name="Based On", items=BASES)
    base_take: StringProperty(name="Take", description="The take to go on from")
    is_prefetch_paused: BoolProperty(options={"HIDDEN"})
    takes: CollectionProperty(type=Record)
    take_index: IntProperty(name="Take")
    are_all_shown: BoolProperty(name="All Plates", description="List the takes of all plates of the scene")
    previz: EnumProperty(name="Previz", description="What is made of the scene", items=WAYS)
    follow: EnumProperty(name="Follow", description="What of the scene the new picture follows", items=FOLLOWS)
    beauty: EnumProperty(
        name="Picture",
        description="What makes the picture of a previz",
        items=(
            ("scene", "Scene's Engine", "Render it with the scene's own engine"),
            ("workbench", "Workbench", "Render it with Workbench, in a moment"),
        ),
    )


CLASSES = (Reference, Record, Settings)


def settings_of(scene: bpy.types.Scene) -> Rna:
    """Second Take's settings of a scene."""
    return scene.secondtake  # type: ignore[attr-defined]


def add_properties() -> None:
    """Hang the settings on scenes, after the classes are registered."""
    bpy.types.Scene.secondtake = PointerProperty(type=Settings)  # type: ignore[attr-defined, func-returns-value]


def remove_properties() -> None:
    """Take them away again; what a .blend has stays in it."""
    del bpy.types.Scene.secondtake  # type: ignore[attr-defined]
