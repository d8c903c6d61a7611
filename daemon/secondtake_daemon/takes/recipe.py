"""Requests that go on from a take: an edit on top of it, or the same edit said again with more words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from secondtake.errors import BadInput, MissingFrames, UsageError
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.images.sequences import find
from secondtake_daemon.takes.manifest import Manifest

__all__ = ["on_take", "require_plate", "require_shot", "revising", "written_sequence"]


def on_take(parent: Manifest, folder: Path, *, frames: str = "") -> FixRequest:
    """An edit on top of a take: its plate are the parent's written frames. Without job, matte, out and the edit itself.

    folder: the parent's, absolute. frames: a frame set inside the parent's; "" is all of those. Raises MissingFrames.
    """
    there = FrameSet(record.frame for record in parent.frames)
    wanted = FrameSet.parse(frames) if frames else there
    outside = FrameSet(frame for frame in wanted if frame not in there)
    if outside:
        raise MissingFrames(
            f"Take {parent.take} has frames {there}, not {outside}", remedy="Give --frames inside those", path=folder
        )
    return FixRequest(
        job="",
        shot=parent.shot,
        plate=str(folder / written_sequence(parent)),
        matte="",
        out="",
        operation=Operation.REMOVE,
        frames=str(wanted),
        colourspace=parent.plate.colourspace,
        ocio=parent.request.ocio,
        parent=parent.take,
    )


def revising(revised: Manifest, *, instruction: str) -> FixRequest:
    """The same edit on the same parent, with one instruction more; "" repeats the last one. Without job and out.

    Raises BadInput if nothing was ever said.
    """
    before = revised.instructions or tuple(filter(None, [revised.request.instruction]))
    if not (instruction or before):
        raise BadInput(
            f"Take {revised.take} has no instruction that could be said again",
            remedy="Give --instruction, or make another take on the same plate with its own matte",
        )
    said = (*before, instruction) if instruction else before
    return replace(
        revised.request,
        job="",
        out="",
        frames=str(FrameSet(record.frame for record in revised.frames)),
        instruction=said[-1],
        instructions=said[:-1],
        revises=revised.take,
    )


def require_plate(take: Manifest, plate: str) -> None:
    """Raise BadInput unless this is the plate that the take's line begins with. plate: absolute name."""
    known = {take.root_name, *([take.request.plate] if not take.parent else [])}
    if plate in known:
        return
    try:
        meant = find(plate)
        same = any(find(name).path(meant.frames[0]) == meant.path(meant.frames[0]) for name in known)
    except (BadInput, UsageError):
        same = False
    if not same:
        raise BadInput(
            f"Take {take.take} is a take of another plate",
            remedy=f"Leave PLATE out; it is {take.root_name}",
            path=plate,
        )


def require_shot(take: Manifest, shot: str) -> None:
    """Raise BadInput if the take is one of another shot. shot: "" is any."""
    if shot and shot != take.shot:
        raise BadInput(
            f"Take {take.take} is a take of another shot, {take.shot}, not of {shot}",
            remedy="Leave out --shot, or give a take of this shot",
        )


def written_sequence(take: Manifest) -> str:
    """The name of a take's frames as a sequence, without folder."""
    widths = [len(_number(record.file)) for record in take.frames]
    return f"{take.shot}.{take.take}.%0{min(widths)}d.exr"


def _number(file: str) -> str:
    """`sh010.t3k9x0c.1001.exr` → `1001`."""
    parts: Sequence[str] = file.split(".")
    return parts[-2]
