"""What holds for all files: where Second Take lives, where takes go, whether to connect by itself."""

import bpy
from bpy.props import BoolProperty, StringProperty

from .compat import Rna
from .settings import BLEND_RELATIVE

__all__ = ["Preferences", "home", "preferences"]


class Preferences(bpy.types.AddonPreferences):
    """In Blender's Preferences, Add-ons."""

    bl_idname = str(__package__)

    home: StringProperty(
        name="Home",
        description="Root of Second Take's folders, as SECONDTAKE_HOME; empty is the user's own",
        subtype="DIR_PATH",
        options=BLEND_RELATIVE,
    )
    takes_folder: StringProperty(
        name="Takes",
        description="Where takes go if the scene does not say; // is the folder of the .blend",
        default="//takes",
        subtype="DIR_PATH",
        options=BLEND_RELATIVE,
    )
    reconnect: BoolProperty(
        name="Reconnect",
        description="Connect by itself when a .blend with unfinished jobs is opened",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Blender calls it."""
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for name in ("home", "takes_folder", "reconnect"):
            column.prop(self, name)


def preferences() -> Rna:
    """The preferences, or None while the add-on is not enabled."""
    addon = bpy.context.preferences.addons.get(str(__package__))
    return addon.preferences if addon is not None else None


def home() -> str:
    """Root of Second Take's folders; "" is the default."""
    found = preferences()
    return bpy.path.abspath(found.home) if found is not None and found.home else ""
