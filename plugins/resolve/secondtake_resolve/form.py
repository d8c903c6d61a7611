"""What the artist is asked before a fix, whichever window asks. Pure: a shot in, texts back, a wish out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .clip import Route, Shot
from .flow_fix import MatteKind, MatteWish, Reference, Wish, shot_words
from .masks import is_ours
from .refusal import Refusal

__all__ = ["Field", "Form", "make_form", "read_form"]

_OPERATIONS = ("remove", "replace", "modify", "restyle", "extend", "generate")
_ROUTES = {
    "Whatever goes": None,
    "The source, without the grade": Route.SOURCE,
    "What the timeline shows, with the grade": Route.RENDER,
}
_ALONE, _ALL = "This clip's track alone", "All tracks that are on"
_FILE, _OURS = "A file or a folder", "All Fusion masks named FIX_…"
_MASK, _TRACK = "Fusion mask ", "Luma of track V"
_HERE = "@here"


@dataclass(frozen=True)
class Field:
    """A line of the window. With choices it is a list, else text."""

    key: str
    label: str
    value: str = ""
    choices: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class Form:
    """The window's contents."""

    title: str
    lines: tuple[str, ...]
    fields: tuple[Field, ...]


def make_form(
    shot: Shot, *, odd: Sequence[str], tracks: Sequence[int], engines: Sequence[str], last: Mapping[str, str]
) -> Form:
    """The questions for a shot. odd: what the daemon says of its files; tracks: others with something over the clip;
    last: what was said last time.
    """
    masks = shot.clip.masks
    mattes = (
        *((_OURS,) if any(map(is_ours, masks)) else ()),
        *(f"{_MASK}{name}" for name in masks),
        *(f"{_TRACK}{track}" for track in tracks),
        _FILE,
    )
    fields = (
        Field("operation", "Do", "remove", _OPERATIONS),
        Field("instruction", "Instruction", hint="What shall be there"),
        Field("matte", "Matte", mattes[0], mattes),
        Field("matte_path", "Matte file", hint="roto.####.exr, roto.json, or a folder"),
        Field("references", "References", hint="Images, parted by ; — with @here it is the frame under the playhead"),
        Field("route", "Send", next(iter(_ROUTES)), tuple(_ROUTES)),
        Field("tracks", "If rendered", _ALONE, (_ALONE, _ALL)),
        Field("colourspace", "Colour space", hint="As the daemon calls it; empty: as the clip or the project says"),
        Field("handles", "Handles", "8"),
        Field("engine", "Engine", "", ("", *engines)),
        Field("quality", "Quality", "final", ("draft", "final")),
    )
    return Form(f"Fix {shot.clip.name}", (*shot_words(shot), *odd), tuple(_with_last(field, last) for field in fields))


def read_form(values: Mapping[str, str], shot: Shot) -> Wish:
    """What the artist wants. Raises Refusal for what is no answer."""
    said = {key: value.strip() for key, value in values.items()}
    if not said["handles"].isdigit():
        raise Refusal(f"'{said['handles']}' is no number of handles", remedy="Write a number such as 8")
    if said["operation"] not in _OPERATIONS or said["route"] not in _ROUTES:
        raise Refusal("This is none of the choices", remedy=f"Write one of {', '.join(_OPERATIONS)}")
    return Wish(
        operation=said["operation"],
        instruction=said["instruction"],
        matte=_matte(said["matte"], said["matte_path"], shot),
        references=tuple(_reference(text.strip(), shot) for text in said["references"].split(";") if text.strip()),
        route=_ROUTES[said["route"]],
        handles=int(said["handles"]),
        colourspace=said["colourspace"],
        engine=said["engine"],
        quality=said["quality"],
        is_solo=said["tracks"] != _ALL,
    )


def _matte(choice: str, path: str, shot: Shot) -> MatteWish:
    if choice == _OURS:
        return MatteWish(kind=MatteKind.MASKS, masks=tuple(name for name in shot.clip.masks if is_ours(name)))
    if choice.startswith(_MASK):
        return MatteWish(kind=MatteKind.MASKS, masks=(choice[len(_MASK) :],))
    if choice.startswith(_TRACK) and choice[len(_TRACK) :].isdigit():
        return MatteWish(kind=MatteKind.TRACK, track=int(choice[len(_TRACK) :]))
    return MatteWish(path=path)


def _reference(text: str, shot: Shot) -> Reference:
    if not text.endswith(_HERE):
        return Reference(text)
    if shot.playhead is None:
        raise Refusal("Resolve does not say where the playhead is", remedy=f"Leave out {_HERE}", path=text)
    return Reference(text[: -len(_HERE)].strip(), shot.playhead)


def _with_last(field: Field, last: Mapping[str, str]) -> Field:
    value = last.get(field.key, field.value)
    if field.key == "instruction" or (field.choices and value not in field.choices):
        return field
    return Field(field.key, field.label, value, field.choices, field.hint)
