"""From what a host asks for to a request: on a plate, on a take, or a take said again. As the command line does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from blake3 import blake3
from msgspec.structs import replace

from secondtake.endpoint import write_private
from secondtake.errors import BadInput, DiskError, UsageError
from secondtake.frames import FrameSet
from secondtake.home import Home, private_folder
from secondtake.messages import FixRequest, Operation, Reference
from secondtake_daemon.bridge.questions import Survey
from secondtake_daemon.images.sequences import shot_name
from secondtake_daemon.takes import recipe, registry
from secondtake_daemon.takes.drawn_shapes import SHAPES
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load

__all__ = ["plain_path", "request_of", "with_handles"]

_HANDED_ON = (
    "operation", "engine", "engine_options", "quality", "seed", "grow_px", "feather_px", "matte_channel",
    "control_kind", "fps",
)  # fmt: skip
_MOST_HANDLES = 10_000


def request_of(asked: Survey, home: Home) -> FixRequest:
    """The request, without handles and new frames. Raises UsageError, and BadInput of the kind that fits for the take
    it names."""
    named = [name for name in ("plate", "on", "revise") if getattr(asked, name)]
    if "on" in named and "revise" in named:
        raise UsageError(
            "'on' and 'revise' name two things to go on from", remedy="Give a plate, or the take to go on from"
        )
    operation = _operation(asked)
    if operation is Operation.GENERATE and {"plate", "on"} & set(named):
        raise UsageError("To generate takes no plate", remedy="Leave 'plate' and 'on' out, or restyle")
    if not named and operation is not Operation.GENERATE:
        raise UsageError("There is no plate", remedy="Give a plate, or the take to go on from")
    if not named:
        base = _new_shot(asked)
    elif asked.revise:
        base = _revising(asked, home)
    elif asked.on:
        base = _on_take(asked, home)
    else:
        base = _on_plate(asked)
    out = plain_path("out", asked.out) if asked.out else ""
    return replace(base, job=asked.job, out=out, **_given(asked, home))


def with_handles(frames: FrameSet, present: FrameSet, handles: tuple[int, int]) -> FrameSet:
    """The frames, and so many before the first and after the last as the plate has, up to the asked number."""
    first, last = frames.ranges()[0].first, frames.ranges()[-1].last
    near = range(first - handles[0], first), range(last + 1, last + 1 + handles[1])
    there = set(present)
    return FrameSet([*frames, *(frame for run in near for frame in run if frame in there)])


def plain_path(what: str, path: str) -> str:
    """A path as it can travel. Raises UsageError unless it is absolute."""
    if not os.path.isabs(path) or "\0" in path:  # noqa: PTH117 — Path() would take away what makes it absolute
        raise UsageError(f"'{what}' is no absolute path", remedy="Give it from the root", path=path)
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"'{what}' holds bytes that are no UTF-8", remedy="Rename it") from None
    return os.path.normpath(path)


def _on_plate(asked: Survey) -> FixRequest:
    plate = plain_path("plate", asked.plate)
    return FixRequest(
        job="",
        shot=asked.shot or shot_name(plate),
        plate=plate,
        matte="",
        out="",
        operation=_usual(asked),
        frames=_frames(asked),
        colourspace=asked.colourspace,
        ocio=_ocio(asked),
    )


def _new_shot(asked: Survey) -> FixRequest:
    """A shot without a plate; whether it says enough is seen later."""
    return FixRequest(
        job="",
        shot=asked.shot or (shot_name(plain_path("out", asked.out) + "/####.exr") if asked.out else "shot"),
        plate="",
        matte="",
        out="",
        operation=Operation.GENERATE,
        frames=_frames(asked),
        colourspace=asked.colourspace,
        ocio=_ocio(asked),
    )


def _on_take(asked: Survey, home: Home) -> FixRequest:
    parent, folder = _take(asked.on, asked, home)
    if _operation(asked) is Operation.EXTEND:  # which goes beyond the parent's
        return replace(recipe.on_take(parent, folder), frames=_frames(asked))
    return replace(recipe.on_take(parent, folder, frames=_frames(asked)), operation=_usual(asked))


def _revising(asked: Survey, home: Home) -> FixRequest:
    revised, _ = _take(asked.revise, asked, home)
    base = recipe.revising(revised, instruction=asked.instruction or "")
    base = replace(base, frames=_frames(asked) or base.frames)
    plate = Path(base.plate)
    if base.parent and not (plate.parent / MANIFEST_NAME).is_file():  # the parent was moved
        return replace(base, plate=str(registry.find(home.data / "takes", base.parent).absolute() / plate.name))
    return base


def _take(name: str, asked: Survey, home: Home) -> tuple[Manifest, Path]:
    folder = registry.find(home.data / "takes", name).absolute()
    take = load(folder)
    recipe.require_shot(take, asked.shot)
    if asked.plate:
        recipe.require_plate(take, plain_path("plate", asked.plate))
    if asked.colourspace not in ("", take.plate.colourspace, take.request.colourspace):
        raise BadInput(
            f"Take {take.take} is in {take.plate.colourspace}, and what is made from it stays so",
            remedy="Leave the colour space out, or make another take on the plate",
        )
    return take, folder


def _given(asked: Survey, home: Home) -> dict[str, Any]:
    """What stands in every kind of request, where it was given, under the names of its fields."""
    given: dict[str, Any] = {name: getattr(asked, name) for name in _HANDED_ON}
    given["operation"] = _operation(asked)
    given["matte"] = _matte(asked, home)
    given["motion"] = plain_path("motion", asked.motion) if asked.motion else asked.motion
    given["control"] = plain_path("control", asked.control) if asked.control else asked.control
    given["width_px"], given["height_px"] = asked.size or (None, None)
    given["aovs"] = tuple(dict.fromkeys(asked.aovs)) if asked.aovs is not None else None
    given["instruction"] = asked.instruction if not asked.revise else None
    if asked.references is not None:
        given["references"] = tuple(map(_reference, asked.references))
    return {name: value for name, value in given.items() if value is not None}


def _matte(asked: Survey, home: Home) -> str | None:
    if bytes(asked.shapes) == b"null":
        return plain_path("matte", asked.matte) if asked.matte else asked.matte
    if asked.matte:
        raise UsageError("'matte' and 'shapes' are both given", remedy="Give one of them")
    return str(_kept(bytes(asked.shapes), home))


def _kept(shapes: bytes, home: Home) -> Path:
    """Keep the shapes in a file: a take that is replayed later reads them again. Same shapes, same file."""
    folder = home.data / SHAPES
    path = folder / f"{blake3(shapes).hexdigest()[:32]}.json"
    try:
        if path.is_file():
            os.utime(path)  # `sweep_shapes` counts from its last use
            return path
        home.create()
        private_folder(folder)
        write_private(path, shapes)
    except OSError as error:
        raise DiskError(f"The shapes cannot be written ({error.strerror})", path=path) from error
    return path


def _reference(one: Reference) -> Reference:
    return replace(one, path=plain_path("references", one.path))


def _operation(asked: Survey) -> Operation | None:
    """The operation that was given, if one was; new frames are asked for with `extend` alone, too."""
    if any(asked.handles) and (any(asked.extend) or asked.operation is Operation.EXTEND):
        raise UsageError("Handles do not go with new frames", remedy="Leave 'handles' out")
    if not any(asked.extend):
        return asked.operation
    if asked.operation not in (None, Operation.EXTEND):
        raise UsageError(
            f"New frames do not go with operation {asked.operation.value}", remedy="Leave 'extend' out, or 'operation'"
        )
    return Operation.EXTEND


def _frames(asked: Survey) -> str:
    for what, counts in (("handles", asked.handles), ("new frames", asked.extend)):
        if not all(0 <= count <= _MOST_HANDLES for count in counts):
            raise UsageError(f"The {what} are no numbers of frames", remedy=f"Give two from 0 to {_MOST_HANDLES}")
    return str(FrameSet.parse(asked.frames)) if asked.frames else ""


def _ocio(asked: Survey) -> str:
    source = os.environ.get("OCIO", "") if asked.ocio is None else asked.ocio
    return source if not source or "://" in source else plain_path("ocio", source)


def _usual(asked: Survey) -> Operation:
    """What is meant if nobody says: somebody who painted a frame wants it carried."""
    painted = any(one.frame is not None for one in asked.references or ())
    return Operation.MODIFY if painted else Operation.REMOVE
