"""Makes everything known to Blender, and takes it away. Starts nothing."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import (
    connection,
    jobs,
    making,
    operators,
    panel_places,
    preferences,
    pump,
    records,
    settings,
    takes_known,
    thumbnails,
)
from .engines_menu import EnginesMenu
from .refusal import Refusal
from .state import SessionState, live
from .takes_list import TakesList
from .words import error_line

__all__ = ["register", "unregister"]

_CLASSES = (
    preferences.Preferences,
    *settings.CLASSES,
    TakesList,
    EnginesMenu,
    *operators.CLASSES,
    *panel_places.CLASSES,
)


def register() -> None:
    """Classes, the settings on scenes, and a look at each .blend that is opened."""
    for each in _CLASSES:
        bpy.utils.register_class(each)
    settings.add_properties()
    bpy.app.handlers.load_post.append(after_load)


def unregister() -> None:
    """Hang up, end what renders in the background, and leave nothing: no class, handler, timer or thread."""
    pump.stop()
    bpy.app.handlers.load_post.remove(after_load)
    connection.disconnect()
    for job in live.jobs.values():
        if job.is_being_made:
            making.stop(job)
    for chore in live.chores:
        chore.join()
    _forget_session()
    thumbnails.clear()
    settings.remove_properties()
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)


@persistent
def after_load(_path: str) -> None:
    """A .blend was opened: find its jobs and takes again."""
    live.finished.clear()
    jobs.reattach()
    live.line = None
    if not records.records():
        return
    pump.ensure()
    held = preferences.preferences()
    may_connect = held is not None and held.reconnect and not bpy.app.background and records.unfinished()
    if live.bridge is None and not may_connect:
        return
    try:
        connection.connect()
        jobs.watch_again()
        takes_known.refresh()
    except Refusal as refusal:
        live.say(error_line(refusal))


def _forget_session() -> None:
    fresh = SessionState()
    for name in SessionState.__slots__:
        setattr(live, name, getattr(fresh, name))
