"""An edit from a file: `edit.toml` here, an OpenTimelineIO file by `timeline_in`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import msgspec

from secondtake.errors import BadInput
from secondtake.messages import Reference
from secondtake_daemon.edits.edit import Edit, EditShot, parse_rate
from secondtake_daemon.edits.tables import (
    NAME,
    Origin,
    ReferenceTable,
    ShotTable,
    is_utf8,
    reason,
    reference_from,
    shot_from,
)

__all__ = ["DEFAULT_OUT", "load_edit", "require_unique"]

DEFAULT_OUT = "takes"
"""Folder beside the file, if nobody names another."""

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*shot[ \t]*\]\]", re.MULTILINE)
_TIMELINE = ".otio"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shot: list[dict[str, Any]]
    name: str = ""
    fps: int | float | str = 24
    out: str = DEFAULT_OUT
    colorspace: str = ""
    sound: str = ""
    timeline: Literal["sequences", "listed"] = "sequences"
    references: dict[str, str | ReferenceTable] = {}


def load_edit(file: Path, *, out: Path | None = None) -> Edit:
    """Read and check an edit; nothing else is opened but the sound is looked for. out: instead of the file's own.

    Raises BadInput with the shot and its line.
    """
    file = Path(os.path.abspath(os.path.expanduser(file)))  # noqa: PTH100, PTH111 — as in `Origin.absolute`
    for path in (file, out or file):
        if not is_utf8(str(path)):
            raise BadInput("A path holds bytes that are no UTF-8", remedy="Rename it", path=path)
    if file.suffix.lower() == _TIMELINE:
        from secondtake_daemon.edits.timeline_in import read_timeline

        return read_timeline(file, out=out)
    text = _read(file)
    parsed = _parse(text, file)
    whole = Origin(file=file, label="The edit")
    name = parsed.name or file.stem
    if not NAME.fullmatch(name):
        whole.refuse(f"'{name[:100]}' cannot be its name, because files are named after it", "Give it another `name`")
    rate = parse_rate(parsed.fps, path=file)
    return Edit(
        name=name,
        file=file,
        rate=rate,
        out=out or Path(whole.absolute(parsed.out)),
        shots=_shots(parsed, text, file, rate),
        sound=_sound(parsed.sound, whole),
        lists_frames=parsed.timeline == "listed",
    )


def require_unique(shots: tuple[EditShot, ...], *, file: Path) -> None:
    """Raise BadInput if two shots have one name, or there is no shot."""
    if not shots:
        raise BadInput("The edit has no shots", remedy="Add one, as docs/edit.md shows", path=file)
    name, count = Counter(shot.name for shot in shots).most_common(1)[0]
    if count > 1:
        raise BadInput(f"{count} shots are called '{name}'", remedy="Give each shot a name of its own", path=file)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"The edit cannot be read ({why})", remedy="Check its name", path=file) from error


def _parse(text: str, file: Path) -> _File:
    try:
        return msgspec.convert(msgspec.toml.decode(text), _File)
    except msgspec.ValidationError as error:
        what, remedy = reason(error, _File.__struct_fields__)
        if "'shot' is missing" in what:
            what, remedy = "it has no shots", "Begin each with a line [[shot]]"
        raise BadInput(f"The edit: {what}", remedy=remedy, path=file) from error
    except msgspec.DecodeError as error:
        raise BadInput(f"The edit is no TOML ({error})", remedy="Correct that line", path=file) from error


def _shots(parsed: _File, text: str, file: Path, rate: Fraction) -> tuple[EditShot, ...]:
    lines = [text.count("\n", 0, header.start()) + 1 for header in _HEADER.finditer(text)]
    if len(lines) != len(parsed.shot):  # written as inline tables, or a header inside a long text
        lines = [0] * len(parsed.shot)
    shared = _shared(parsed.references, Origin(file=file, label="[references]"))
    shots = tuple(
        _shot(table, shared, colourspace=parsed.colorspace, rate=rate, origin=_origin(table, number, line, file))
        for number, (table, line) in enumerate(zip(parsed.shot, lines, strict=True), start=1)
    )
    require_unique(shots, file=file)
    return shots


def _origin(table: Mapping[str, Any], number: int, line: int, file: Path) -> Origin:
    name = table.get("name")
    label = f"Shot '{name[:100]}'" if isinstance(name, str) and name else f"Shot {number}"
    return Origin(file=file, label=f"{label} (line {line})" if line else label)


def _shot(
    table: Mapping[str, Any], shared: Mapping[str, Reference], *, colourspace: str, rate: Fraction, origin: Origin
) -> EditShot:
    try:
        checked = msgspec.convert(table, ShotTable)
    except msgspec.ValidationError as error:
        origin.refuse(*reason(error, ShotTable.__struct_fields__))
    return shot_from(checked, shared=shared, colourspace=colourspace, rate=rate, origin=origin)


def _shared(tables: Mapping[str, str | ReferenceTable], origin: Origin) -> dict[str, Reference]:
    return {name: reference_from(table, shared={}, origin=origin) for name, table in tables.items()}


def _sound(name: str, origin: Origin) -> Path | None:
    if not name:
        return None
    path = Path(origin.absolute(name))
    if not path.is_file():
        raise BadInput("There is no such sound file", remedy="Correct `sound` in the edit", path=path)
    return path
