"""The takes of a shot as a tree, one line a take: what stands on what, what it is called, what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from secondtake_daemon.cli.knowledge import knowledge_line
from secondtake_daemon.takes.notes import Notes
from secondtake_daemon.takes.registry import Entry

__all__ = ["HEADER", "Twig", "grow", "row"]

HEADER = ("TAKE", "SHOT", "NAME", "FRAMES", "WHAT", "PIXELS", "MADE", "FOLDER")
_MOST_CHARACTERS = 40


class Twig(NamedTuple):
    """A take and its place in the tree."""

    entry: Entry
    branch: str
    """What is drawn before its id."""


def grow(entries: Sequence[Entry]) -> Iterator[Twig]:
    """All takes, shot after shot, the one with the newest take first; below each take those made on it, oldest first.

    entries: newest first. A take whose parent is not among them begins a tree of its own.
    """
    known = {entry.take for entry in entries}
    children: dict[str, list[Entry]] = {}
    roots: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.parent in known and entry.parent != entry.take:
            children.setdefault(entry.parent, []).append(entry)
        else:
            roots.setdefault(entry.shot, []).append(entry)
    for shot in dict.fromkeys(entry.shot for entry in entries):
        for root in reversed(roots.get(shot, ())):
            yield from _below(root, children)


def _below(root: Entry, children: Mapping[str, Sequence[Entry]]) -> Iterator[Twig]:
    """A tree without recursion: lines may be longer than the interpreter's stack."""
    waiting = [(root, "", "")]
    while waiting:
        entry, branch, below = waiting.pop()
        yield Twig(entry, branch)
        newest_first = children.get(entry.take, ())
        for at, child in enumerate(newest_first):
            waiting.append((child, below + ("└ " if at == 0 else "├ "), below + ("  " if at == 0 else "│ ")))


def row(twig: Twig, notes: Notes) -> tuple[object, ...]:
    """The columns of HEADER."""
    entry = twig.entry
    star = " *" if notes.starred else ""
    pixels = knowledge_line(entry.knowledge, ()) if entry.knowledge is not None else ""
    folder = entry.folder if entry.is_there else "(gone)"
    what = _what(entry, is_cut_off=bool(entry.parent) and not twig.branch)
    name = f"{notes.name}: {notes.note}" if notes.note and notes.name else notes.name or notes.note
    take, made = twig.branch + entry.take + star, _minute(entry.made)
    return take, entry.shot, _short(name), entry.frames, what, pixels, made, folder


def _what(entry: Entry, *, is_cut_off: bool) -> str:
    """As `modify "make it darker", again for t3k9x0c, by temporal`. is_cut_off: its parent is not in the list."""
    said = f' "{_short(entry.instruction)}"' if entry.instruction else ""
    again = f", again for {entry.revises}" if entry.revises else ""
    on = f", on {entry.parent}" if is_cut_off else ""
    return f"{entry.operation}{said}{again}{on}, by {entry.engine}".lstrip(", ")


def _minute(made: str) -> str:
    """As 2026-11-21 10:03, where the reader is."""
    return datetime.fromisoformat(made).astimezone().strftime("%Y-%m-%d %H:%M") if made else ""


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1].rstrip() + "…"
