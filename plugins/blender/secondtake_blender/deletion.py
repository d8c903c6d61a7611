"""A take that goes for good: its files through the daemon's side, then what the .blend has of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import bpy

from . import compat, connection, jobs, ours, records, show
from .clearing import clear_beside, rendered_folders
from .compat import Rna
from .host import Answer
from .refusal import Refusal
from .settings import settings_of
from .state import live
from .words import error_line

__all__ = ["delete"]


def delete(record: Rna) -> None:
    """Have a take's files deleted; its entry and its strip follow when they are gone. Raises Refusal.

    Refused for a take that was accepted and is in use: the artist's own strip would lose its files. The daemon's side
    refuses a take that others stand on, or that a job works on.
    """
    if _is_the_artists(record.take):
        raise Refusal("You accepted this take, and it is in use", remedy="Delete its strip, clip or node first")
    connection.connect()
    take = str(record.take)
    connection.ask("show", partial(_shown, take, record.job, record.folder), take=take)


def _shown(take: str, job: str, folder: str, answer: Answer) -> None:
    """Now it is known what it was made from; one whose files are gone can still be taken off the daemon's list."""
    request = (answer.result or {}).get("request", {})
    used = rendered_folders(str(request.get(name, "")) for name in ("plate", "matte", "motion"))
    connection.ask("delete", partial(_heard, job, folder, used), take=take)


def _heard(job: str, folder: str, used: list[str], answer: Answer) -> None:
    if answer.error is not None:
        live.say(error_line(answer.error))
        return
    live.later.append(partial(_forget, job, folder, used))


def _forget(job: str, folder: str, used: list[str]) -> None:
    """In a tick: nothing of it stays in the .blend that is open."""
    live.finished.pop(job, None)
    record = records.find_record(job)
    if record is not None:
        take, label = str(record.take), str(record.label or record.take)
        place = records.place_in(record)
        if show.shown_take(place) == take:
            show.reject(place)
        records.remove(job)
        _go_on_from_the_plate(take)
        jobs.push_undo(f"Second Take: {label} deleted")
        live.say(f"{label} is deleted", is_problem=False)
    others = [str(each.folder) for each in records.records()]
    live.chores.append(clear_beside(folder, used=used, others=others))


def _go_on_from_the_plate(take: str) -> None:
    for scene in bpy.data.scenes:
        settings = settings_of(scene)
        if settings.base_take == take:
            settings.base, settings.base_take = "PLATE", ""


def _is_the_artists(take: str) -> bool:
    """True if something that was accepted shows it."""
    strips = [place.strip for place in ours.strips_with(ours.TAKE, take)]
    clips: list[Any] = ours.find_marked(bpy.data.movieclips, ours.TAKE, take)
    trees = [tree for scene in bpy.data.scenes if (tree := compat.compositor(scene)) is not None]
    nodes = [node for tree in trees for node in ours.find_marked(tree.nodes, ours.TAKE, take)]
    return any(each.get(ours.ACCEPTED) for each in (*strips, *clips, *nodes))
