"""What all buttons have in common."""

from __future__ import annotations

from typing import Literal

import bpy

from .. import pump
from ..compat import Rna
from ..refusal import Refusal
from ..state import live
from ..words import error_line

__all__ = ["INTERNAL", "UNDOABLE", "Action", "Ended"]

UNDOABLE: Rna = {"REGISTER", "UNDO"}
"""For operators that change the .blend."""
INTERNAL: Rna = {"INTERNAL"}
"""For those that change nothing in it."""

Ended = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
"""What an operator returns."""


class Action:
    """Mixed into an operator: grey with a reason, and a refusal is one line in the panel and nothing else."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Blender asks whether the button works, and shows why it does not."""
        why = cls._why_grey(context)
        if why:
            cls.poll_message_set(why)  # type: ignore[attr-defined]
        return not why

    def execute(self, context: bpy.types.Context) -> Ended:
        """Blender calls it."""
        try:
            said = self._run(context)
        except Refusal as refusal:
            live.say(error_line(refusal))
            self.report({"WARNING"}, error_line(refusal))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        live.line = None
        if said:
            live.say(said, is_problem=False)
            self.report({"INFO"}, said)  # type: ignore[attr-defined]
        pump.ensure()
        return {"FINISHED"}

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        """Why it cannot be pressed; "" if it can."""
        return ""

    def _run(self, context: bpy.types.Context) -> Rna:
        """Do it. Returns what to say, or None. Raises Refusal, and then nothing was altered."""
        raise NotImplementedError
