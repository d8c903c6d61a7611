"""What the daemon's store knows of the takes of this .blend: names, stars, pictures. Asked in the background."""

from __future__ import annotations

from . import connection, records, thumbnails
from .compat import Rna
from .host import Answer
from .state import live
from .words import error_line

__all__ = ["hear_notes", "refresh"]

_WIDTH_PX = 256


def refresh() -> None:
    """Ask for all of them. Raises Refusal if it cannot be asked."""
    for shot in sorted({_shot(record) for record in records.records() if record.take}):
        connection.ask("takes", _heard, shot=shot)


def hear_notes(answer: Answer) -> None:
    """The answer of `star`, `accept` and `rename`."""
    if answer.error is not None:
        live.say(error_line(answer.error))
        return
    said = answer.result or {}
    known = live.takes.setdefault(str(said["take"]), {})
    known.update(name=said["name"], starred=said["starred"])


def _shot(record: Rna) -> str:
    """Files are named `<shot>.<take>.<frame>.exr`."""
    return str(record.pattern.rsplit(f".{record.take}.", 1)[0])


def _heard(answer: Answer) -> None:
    if answer.error is not None:
        live.say(error_line(answer.error))
        return
    ours = {record.take for record in records.records() if record.take}
    for said in (answer.result or {})["takes"]:
        take = str(said["take"])
        live.takes[take] = said
        record = records.record_of_take(take)
        if record is not None and said["name"] and record.label != said["name"]:
            record.label = said["name"]
        if take in ours and not said["is_gone"] and not thumbnails.has(take):
            connection.ask("thumbnail", _heard_thumbnail, take=take, width_px=_WIDTH_PX)


def _heard_thumbnail(answer: Answer) -> None:
    if answer.result is not None:
        said = answer.result
        live.later.append(lambda: thumbnails.load(str(said["take"]), str(said["path"])))
