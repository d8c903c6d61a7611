"""The connection to the daemon."""

import bpy

from .. import connection, jobs, takes_known
from ..host import State
from ..state import live
from .action import INTERNAL, Action

__all__ = ["CLASSES"]


class Connect(Action, bpy.types.Operator):
    """Start Second Take's bridge and daemon if they do not run, and find jobs and takes of this .blend again"""

    bl_idname = "secondtake.connect"
    bl_label = "Connect"
    bl_options = INTERNAL

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        is_well = live.bridge is not None and live.bridge.state is State.READY and live.daemon == "running"
        return "It is connected" if is_well else ""

    def _run(self, _context: bpy.types.Context) -> None:
        connection.connect()
        jobs.reattach()
        jobs.watch_again()
        takes_known.refresh()


class Disconnect(Action, bpy.types.Operator):
    """Hang up. Jobs go on in the daemon, and are found again"""

    bl_idname = "secondtake.disconnect"
    bl_label = "Disconnect"
    bl_options = INTERNAL

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        return "" if live.bridge is not None else "It is not connected"

    def _run(self, _context: bpy.types.Context) -> str:
        connection.disconnect()
        return "Disconnected"


CLASSES = (Connect, Disconnect)
