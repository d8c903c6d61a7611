"""Remedies of the daemon, which name options of the command line, in the words of the panel. Nothing but text.

The daemon writes for everybody who asks it. An artist in Blender has no `--frames`, but a strip that can be trimmed.
What stands between backticks is a command to be typed elsewhere, and stays.
"""

from __future__ import annotations

import re

__all__ = ["in_panel_words"]

_PHRASES = (
    (r"give --frames (?:inside )?(?=\d)", "trim the strip to its files "),
    (r"give --frames as one range", "give one range of frames"),
    (r"change --frames", "trim the strip otherwise"),
    (r"delete those first, or all together with --with-children", "delete those first"),
    (r"use fewer --frames", "send fewer frames"),
    (r"leave it out with --frames", "trim the strip so that it is left out"),
    (r"give --out another folder", "choose another folder under More, Takes"),
    (r"give --out a folder", "choose a folder under More, Takes"),
    (r"name (?:it|(?:the|its) colour space) with --colorspace(?:, as '[^']*')?", "set its colour space in Blender"),
    (r"name its colour space with --reference-colorspace", "save the picture as an EXR that says its colour space"),
    (
        r"give --reference IMAGE@FRAME with that frame as you painted it",
        "paint a frame with References, Paint This Frame",
    ),
    (r"give the number of one of them after the @", "correct the frame of the reference"),
    (r"use --grow", "set Grow to"),
    (r"say it with --instruction, or show it with --reference", "say it in the instruction, or add a reference"),
    (r"give --instruction", "write an instruction"),
    (r"say with --matte what", "say under Matte what"),
    (r"leave out --shot", "leave More, Shot empty"),
)
_KNOWN = tuple((re.compile(f"({said[0]}|{said[0].upper()}){said[1:]}"), panel) for said, panel in _PHRASES)
_OPTION = re.compile(r"(?<![\w/\\.-])--([a-z][a-z-]*)")
_COMMAND = re.compile(r"(`[^`]*`)")


def in_panel_words(text: str) -> str:
    """The text without options; one that has no place in the panel becomes its plain name: `Control Kind`."""
    parts = _COMMAND.split(text)
    return "".join(part if part.startswith("`") else _translated(part) for part in parts)


def _translated(text: str) -> str:
    for known, panel in _KNOWN:
        text = known.sub(lambda found, panel=panel: _as_begun(panel, found[0]), text)  # type: ignore[misc]
    return _OPTION.sub(lambda found: found[1].replace("-", " ").title(), text)


def _as_begun(words: str, begun: str) -> str:
    return words[0].upper() + words[1:] if begun[0].isupper() else words
