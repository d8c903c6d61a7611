"""Second Take for Blender: fix a shot, or previsualise a scene, and get the result back as a take.

Importing this package does nothing, and `register` starts nothing: the first button pressed does.
"""

bl_info = {
    "name": "Second Take",
    "author": "The Second Take authors",
    "version": (0, 1, 0),
    "blender": (4, 2, 0),
    "location": "Sidebar of Sequencer, Movie Clip Editor, Compositor and 3D View",
    "description": "Keep the shot, change one thing",
    "category": "Sequencer",
}
"""For Blender's older way to find add-ons; an extension's manifest goes before it."""


def register() -> None:
    """Make panels, operators and properties known."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Take them away, hang up, and end what was started."""
    from . import registration

    registration.unregister()
