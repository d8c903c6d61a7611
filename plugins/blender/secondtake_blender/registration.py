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
    prefetch,
    pump,
    records,
    settings,
    takes_known,
    thumbnails,
)
from .compat import Rna
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
    for handlers in _pauses_end():
        handlers.append(resume_prefetch)


def unregister() -> None:
    """Hang up, end what renders in the background, and leave nothing: no class, handler or timer."""
    pump.stop()
    bpy.app.handlers.load_post.remove(after_load)
    for handlers in _pauses_end():
        handlers.remove(resume_prefetch)
    prefetch.resume()
    connection.disconnect()
    for job in live.jobs.values():
        if job.is_being_made:
            making.stop(job)
    for chore in live.chores:
        chore.finish()
    _forget_session()
    thumbnails.clear()
    settings.remove_properties()
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)


@persistent
def after_load(_path: str) -> None:
    """A .blend was opened: find its jobs and takes again."""
    live.finished.clear()
    prefetch.resume()
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


@persistent
def resume_prefetch(_scene: object) -> None:
    """Before a .blend is saved, and after a step of undo: the artist's setting is as it was."""
    prefetch.resume()


def _pauses_end() -> tuple[Rna, ...]:
    handlers = bpy.app.handlers
    return handlers.save_pre, handlers.undo_post, handlers.redo_post


def _forget_session() -> None:
    fresh = SessionState()
    for name in SessionState.__slots__:
        setattr(live, name, getattr(fresh, name))
