"""What a shot's table may say, in an edit file as in the metadata of a timeline, and how it becomes a value.

The keys are the options of `fix`. Every mistake is one sentence that begins with whose table it is in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec

from secondtake.errors import BadInput, SecondTakeError, UsageError
from secondtake.frames import FrameRange, FrameSet
from secondtake.messages import ControlKind, Operation, Quality, Reference
from secondtake_daemon.edits.edit import WHOLE_FRAMES, EditShot
from secondtake_daemon.edits.longer import parse_size

__all__ = ["NAME", "Origin", "ReferenceTable", "ShotTable", "is_utf8", "reason", "reference_from", "shot_from"]

NAME = re.compile(r"\w(?:[\w .-]{0,98}\w)?")
"""Names of shots and edits: files are named after them."""

_FRAME = re.compile(r"-?[0-9]{1,9}")
_WITHOUT_MATTE = frozenset({"name", "plate", "frames", "colorspace"})
_KINDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "text",
}

_MOST = (1 << 63) - 1
_Integer = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]
_Length = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class ReferenceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference, written at length."""

    path: str
    frame: _Integer | None = None
    colorspace: str = ""


class ShotTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A `[[shot]]`."""

    name: str
    plate: str | None = None
    matte: str = ""
    operation: Operation | None = None
    instruction: str = ""
    references: tuple[str | ReferenceTable, ...] = ()
    motion: str = ""
    control: str = ""
    control_kind: ControlKind = ControlKind.NONE
    frames: int | str = ""
    extend: _Integer | tuple[_Integer, ...] = ()
    size: str = ""
    fps: float = 0.0
    colorspace: str = ""
    matte_channel: str = ""
    engine: str = "temporal"
    engine_options: dict[str, str | int | float | bool] = {}
    quality: Quality = Quality.FINAL
    seed: _Integer = 0
    grow: _Integer = 0
    feather: _Length = 0
    aovs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a table stands, for paths and for sentences."""

    file: Path
    label: str
    """As `Shot 'sh010' (line 12)`."""

    def refuse(self, message: str, remedy: str) -> NoReturn:
        """Raise BadInput: whose table, what is wrong, what to do, which file."""
        raise BadInput(f"{self.label}: {message}", remedy=remedy, path=self.file)

    def absolute(self, path: str) -> str:
        """A path as the file means it: it counts from the file's folder. Raises BadInput if it can be none.

        Links stay: the artist knows that name.
        """
        # Not Path's: it raises for a home that nobody has, where this leaves the name alone.
        found = os.path.abspath(self.file.parent / os.path.expanduser(path))  # noqa: PTH100, PTH111
        if not path or "\0" in found or not is_utf8(found):
            self.refuse(f"{path!a} is no path", "Write it anew, without characters that are no text")
        return found


def is_utf8(text: str) -> bool:
    """True if a message can carry it: names on disk may hold any bytes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shot_from(
    table: ShotTable,
    *,
    shared: Mapping[str, Reference],
    colourspace: str,
    rate: Fraction,
    origin: Origin,
    gap_frames: int = 0,
) -> EditShot:
    """Check a table and make it a value. shared: the edit's references by name. rate: the edit's. Raises BadInput."""
    if not NAME.fullmatch(table.name):
        origin.refuse(f"'{table.name[:100]}' cannot be a shot's name", "Use letters, digits, '_', '-', '.' and spaces")
    references = tuple(reference_from(text, shared=shared, origin=origin) for text in table.references)
    operation = _operation(table, references)
    frames = _range(str(table.frames), origin)
    is_new = operation is Operation.GENERATE
    _check_plate(table, origin, is_new=is_new)
    _check_length(table, operation, origin)
    _check_matte(table, operation, origin)
    return EditShot(
        name=table.name,
        plate=origin.absolute(table.plate) if table.plate else "",
        matte=origin.absolute(table.matte) if table.matte else "",
        operation=operation,
        instruction=table.instruction,
        references=references,
        motion=origin.absolute(table.motion) if table.motion else "",
        control=origin.absolute(table.control) if table.control else "",
        control_kind=table.control_kind,
        frames=frames,
        extend=_counts(table),
        size=_size(table.size, origin) if is_new else (0, 0),
        fps=table.fps or float(rate) if is_new else 0.0,
        colourspace=table.colorspace or colourspace,
        matte_channel=table.matte_channel,
        engine=table.engine,
        engine_options={name: _text(value) for name, value in table.engine_options.items()},
        quality=table.quality,
        seed=table.seed,
        grow_px=table.grow,
        feather_px=table.feather,
        aovs=tuple(dict.fromkeys(table.aovs)),
        gap_frames=gap_frames,
    )


def reference_from(value: str | ReferenceTable, *, shared: Mapping[str, Reference], origin: Origin) -> Reference:
    """A shared reference by its name, `NAME@FRAME`, IMAGE[@FRAME], or a table. Raises BadInput."""
    if isinstance(value, str):
        return _named_reference(value, shared, origin)
    return Reference(path=origin.absolute(value.path), frame=value.frame, colourspace=value.colorspace)


def reason(error: msgspec.ValidationError, keys: tuple[str, ...] = ()) -> tuple[str, str]:
    """(what is wrong, what to do) of a table that does not fit its type. keys: those that it may have."""
    text, _, place = str(error).partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    unknown, missing = re.search(r"unknown field `(.*)`", text), re.search(r"missing required field `(.*)`", text)
    if unknown:
        return f"there is no key '{unknown[1]}'", f"The keys are {', '.join(keys)}" if keys else "Leave it out"
    if missing:
        return f"the key '{missing[1]}' is missing", "Add it"
    kinds = re.fullmatch(r"Expected `(.*)`, got `(.*)`", text)
    if kinds:
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds[1].split(" | ") if kind != "null")
        return f"'{key}' is {_KINDS.get(kinds[2], kinds[2])}, not {wanted}", "Correct its value"
    text = text[:1].lower() + text[1:].replace("`", "")
    return (f"'{key}' cannot be used ({text})" if key else text), "Correct its value"


def _named_reference(text: str, shared: Mapping[str, Reference], origin: Origin) -> Reference:
    named = shared.get(text)
    if named is not None:
        return named
    image, at, frame = text.rpartition("@")
    # A file of exactly this name comes first; a name that is too long is no error here, it is not there.
    is_painted = bool(at) and bool(_FRAME.fullmatch(frame)) and not os.path.exists(origin.absolute(text))  # noqa: PTH110
    path = image if is_painted else text
    number = int(frame) if is_painted else None
    if path in shared:
        return msgspec.structs.replace(shared[path], frame=number)
    if not path:
        origin.refuse("a reference is empty", "Write it as IMAGE, IMAGE@FRAME or the name of a shared one")
    if "." not in path and "/" not in path and "\\" not in path:
        known = ", ".join(shared) or "none"
        origin.refuse(f"there is no reference '{path}'", f"The shared references are: {known}; a file has a suffix")
    return Reference(path=origin.absolute(path), frame=number)


def _operation(table: ShotTable, references: Sequence[Reference]) -> Operation:
    """What is meant if nobody says: more frames, or what was painted carried, or something removed."""
    if table.operation is not None:
        return table.operation
    if _counts(table):
        return Operation.EXTEND
    return Operation.MODIFY if any(one.frame is not None for one in references) else Operation.REMOVE


def _counts(table: ShotTable) -> tuple[int, ...]:
    return table.extend if isinstance(table.extend, tuple) else (table.extend,)


def _size(text: str, origin: Origin) -> tuple[int, int]:
    try:
        return parse_size(text)
    except UsageError as error:
        origin.refuse(error.message, 'Write size as "832x480"')


def _check_plate(table: ShotTable, origin: Origin, *, is_new: bool) -> None:
    if is_new:
        if table.plate:
            origin.refuse(
                "it has a plate, and generates a shot without one", "Leave out plate, or restyle or extend it"
            )
        if not table.frames:
            origin.refuse("it does not say which frames to generate", "Write frames as 1001-1048")
        if not table.size:
            origin.refuse("it does not say how large its frames are", 'Write size as "832x480"')
        return
    if table.plate is None:
        origin.refuse("the key 'plate' is missing", "Add it")
    if not table.plate:
        origin.refuse("its plate is empty", "Name the frames, as sh010.####.exr")
    for name in ("size", "fps"):
        if getattr(table, name):
            origin.refuse(f"it has '{name}', which the plate says", f"Leave out {name}, or generate the shot")


def _check_length(table: ShotTable, operation: Operation, origin: Origin) -> None:
    counts = _counts(table)
    if operation is not Operation.EXTEND:
        if counts:
            origin.refuse(f"it has 'extend' and is to {operation.value}", "Leave one of them out")
        return
    if 0 in counts:
        origin.refuse("it is extended by no frame", "Write extend as 12 for frames after the plate, -12 before it")
    if not counts and not table.frames:
        origin.refuse("it does not say by how much it is extended", "Write extend as 12, or [-12, 24]")


def _check_matte(table: ShotTable, operation: Operation, origin: Origin) -> None:
    """Refuse a table that wants a change and does not say where, or says where for what changes nothing there."""
    if table.matte:
        if operation in (Operation.EXTEND, Operation.GENERATE):
            origin.refuse(f"it has a matte, and to {operation.value} makes whole frames", "Leave out matte")
        return
    if operation in WHOLE_FRAMES:
        return
    wishes = [name for name in msgspec.to_builtins(table) if name not in _WITHOUT_MATTE]
    if wishes:
        origin.refuse(
            f"it has '{wishes[0]}' but no matte, so nothing may change",
            "Name a matte; without one, leave out all but name, plate, frames and colorspace",
        )


def _range(text: str, origin: Origin) -> FrameRange | None:
    if not text:
        return None
    try:
        runs = FrameSet.parse(text).ranges()
    except SecondTakeError as error:
        origin.refuse(error.message[:1].lower() + error.message[1:], error.remedy)
    if len(runs) != 1:
        origin.refuse(f"it plays frames '{text}', which are not one range", "Write frames as 1001-1048")
    return runs[0]


def _text(value: str | float | bool) -> str:
    """An engine's switch, as `fix --engine-option` would have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
