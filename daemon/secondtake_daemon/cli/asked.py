"""From the options of `secondtake fix` to a request: on a plate, on a take, or a take said again."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from secondtake.errors import BadInput, UsageError
from secondtake.frames import FrameSet
from secondtake.messages import ControlKind, FixRequest, Operation, Quality, Reference
from secondtake_daemon.cli.arguments import absolute_path, as_text
from secondtake_daemon.cli.takes import registry_root
from secondtake_daemon.edits.edit import WHOLE_FRAMES
from secondtake_daemon.edits.longer import frames_there, longer, parse_size
from secondtake_daemon.images.sequences import shot_name
from secondtake_daemon.takes import recipe, registry
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load

__all__ = ["Asked", "generate_request", "request_of"]

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_FRAME = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was given on the command line, as it was given; None is not given."""

    plate: str | None = None
    on: str | None = None
    revise: str | None = None
    matte: str | None = None
    out: str
    operation: Operation | None = None
    instruction: str | None = None
    references: Sequence[str] | None = None
    reference_colourspace: str | None = None
    motion: str | None = None
    control: str | None = None
    control_kind: ControlKind | None = None
    frames: str | None = None
    extend: Sequence[int] | None = None
    colourspace: str | None = None
    engine: str | None = None
    engine_options: Sequence[str] | None = None
    quality: Quality | None = None
    seed: int | None = None
    aovs: Sequence[str] | None = None
    shot: str | None = None
    grow_px: int | None = None
    feather_px: int | None = None
    matte_channel: str | None = None
    job: str | None = None


def request_of(asked: Asked) -> FixRequest:
    """The request, with a job id. Raises UsageError, and BadInput of the kind that fits for the take it names."""
    job, out = _job_id(asked.job or ""), absolute_path(asked.out)
    if asked.on is not None and asked.revise is not None:
        raise UsageError(
            "--on and --revise name two things to go on from",
            remedy="Give --on for an edit on top of a take, --revise to say a take's own edit again",
        )
    if asked.revise is not None:
        base = _revising(asked, asked.revise)
    elif asked.on is not None:
        base = _on_take(asked, asked.on)
    else:
        base = _on_plate(asked)
    request = replace(base, job=job, out=out, **_given(asked, base))
    if asked.extend is not None:
        request = _extended(request, asked.extend)
    if request.operation is Operation.GENERATE and asked.revise is None:
        raise UsageError("A shot without a plate is no fix", remedy="Use `secondtake generate`")
    if not request.matte and request.operation not in WHOLE_FRAMES:
        raise UsageError("There is no matte", remedy="Say with --matte what may change")
    return request


def generate_request(asked: Asked, *, size: str, fps: float | None) -> FixRequest:
    """The request for a shot without a plate, with a job id. Raises UsageError."""
    width_px, height_px = parse_size(size)
    if fps is None:
        raise UsageError("It is not said how fast the new frames run", remedy="Give --fps, as 24")
    base = FixRequest(
        job=_job_id(asked.job or ""),
        shot=as_text("--shot", asked.shot or "") or shot_name(absolute_path(asked.out) + "/####.exr"),
        plate="",
        matte="",
        out=absolute_path(asked.out),
        operation=Operation.GENERATE,
        frames=_frames(asked.frames),
        colourspace=as_text("--colorspace", asked.colourspace or ""),
        ocio=_configuration(os.environ.get("OCIO", "")),
        width_px=width_px,
        height_px=height_px,
        fps=fps,
    )
    return replace(base, **_given(asked, base))


def _on_plate(asked: Asked) -> FixRequest:
    if not asked.plate:
        raise UsageError(
            "There is no plate", remedy="Name the frames, as sh010.####.exr; or a take, with --on or --revise"
        )
    return FixRequest(
        job="",
        shot=as_text("--shot", asked.shot or "") or shot_name(asked.plate),
        plate=absolute_path(asked.plate),
        matte="",
        out="",
        operation=_usual(asked.references or ()),
        frames=_frames(asked.frames),
        colourspace=as_text("--colorspace", asked.colourspace or ""),
        ocio=_configuration(os.environ.get("OCIO", "")),
    )


def _on_take(asked: Asked, name: str) -> FixRequest:
    parent, folder = _take("--on", name, asked)
    _refuse_colour(asked, parent)
    frames = _frames(asked.frames)
    if asked.operation is Operation.EXTEND and asked.extend is None:  # which goes beyond the parent's
        return replace(recipe.on_take(parent, folder), frames=frames)
    base = recipe.on_take(parent, folder, frames=frames)
    return replace(base, operation=_usual(asked.references or ()))


def _extended(request: FixRequest, by: Sequence[int]) -> FixRequest:
    """The request for frames beyond the plate's. by: how many after it, or, negative, before it. Raises UsageError."""
    if request.operation is not Operation.EXTEND:
        raise UsageError(f"--extend does not go with --operation {request.operation.value}", remedy="Leave one out")
    there = FrameSet.parse(request.frames) if request.frames else FrameSet(frames_there(request.plate))
    return replace(request, frames=str(longer(there, by)))


def _revising(asked: Asked, name: str) -> FixRequest:
    revised, _ = _take("--revise", name, asked)
    _refuse_colour(asked, revised)
    base = recipe.revising(revised, instruction=as_text("--instruction", asked.instruction or ""))
    base = replace(base, frames=_frames(asked.frames) or base.frames)
    plate = Path(base.plate)
    if base.parent and not (plate.parent / MANIFEST_NAME).is_file():  # the parent was moved
        moved = Path(absolute_path(str(registry.find(registry_root(), base.parent)))) / plate.name
        return replace(base, plate=str(moved))
    return base


def _take(option: str, name: str, asked: Asked) -> tuple[Manifest, Path]:
    """The take that is meant, and its folder, absolute."""
    if not name:
        raise UsageError(f"{option} names no take", remedy="Give a take's id, its name or its folder")
    folder = Path(absolute_path(str(registry.find(registry_root(), name))))
    take = load(folder)
    recipe.require_shot(take, asked.shot or "")
    if asked.plate:
        recipe.require_plate(take, absolute_path(asked.plate))
    return take, folder


def _refuse_colour(asked: Asked, take: Manifest) -> None:
    if asked.colourspace not in (None, take.plate.colourspace, take.request.colourspace):
        raise BadInput(
            f"Take {take.take} is in {take.plate.colourspace}, and what is made from it stays so",
            remedy="Leave out --colorspace, or make another take on the plate",
        )


def _given(asked: Asked, base: FixRequest) -> dict[str, Any]:
    """The options that stand in every kind of request, where they were given, under the names of its fields."""
    given: dict[str, Any] = {
        "operation": Operation.EXTEND if asked.extend and asked.operation is None else asked.operation,
        "engine": as_text("--engine", asked.engine) if asked.engine is not None else None,
        "quality": asked.quality,
        "seed": asked.seed,
        "grow_px": asked.grow_px,
        "feather_px": asked.feather_px,
        "matte": absolute_path(asked.matte) if asked.matte is not None else None,
        "matte_channel": as_text("--matte-channel", asked.matte_channel) if asked.matte_channel is not None else None,
        "control": absolute_path(asked.control) if asked.control else asked.control,
        "control_kind": asked.control_kind,
        "motion": absolute_path(asked.motion) if asked.motion else asked.motion,
        "references": _references(asked, base),
    }
    if asked.engine_options is not None:
        given["engine_options"] = _options(asked.engine_options)
    if asked.aovs is not None:
        given["aovs"] = tuple(dict.fromkeys(as_text("--aov", name) for name in asked.aovs))
    if asked.instruction is not None and asked.revise is None:
        given["instruction"] = as_text("--instruction", asked.instruction)
    return {name: value for name, value in given.items() if value is not None}


def _references(asked: Asked, base: FixRequest) -> tuple[Reference, ...]:
    named = as_text("--reference-colorspace", asked.reference_colourspace or "")
    if asked.references is not None:
        return tuple(_reference(text, colourspace=named) for text in asked.references)
    if asked.reference_colourspace is not None:
        return tuple(replace(one, colourspace=named) for one in base.references)
    return base.references


def _job_id(text: str) -> str:
    if text and not _JOB_ID.fullmatch(text):
        raise UsageError(f"'{text}' is no job id", remedy="Give --job 32 hex digits, or leave it out")
    return text or uuid.uuid4().hex


def _frames(text: str | None) -> str:
    return str(FrameSet.parse(text)) if text else ""


def _configuration(ocio: str) -> str:
    """What $OCIO means here, for a worker that runs elsewhere: a built-in name (`ocio://…`), or an absolute path."""
    return ocio if not ocio or "://" in ocio else absolute_path(ocio)


def _reference(text: str, *, colourspace: str) -> Reference:
    """IMAGE@FRAME, unless a file of exactly this name is there."""
    image, frame = _image_and_frame(text)
    return Reference(path=absolute_path(image), frame=frame, colourspace=colourspace)


def _image_and_frame(text: str) -> tuple[str, int | None]:
    image, at, frame = text.rpartition("@")
    if at and _FRAME.fullmatch(frame) and not os.path.exists(absolute_path(text)):  # noqa: PTH110 — a long name is no error
        return image, int(frame)
    return text, None


def _usual(references: Sequence[str]) -> Operation:
    """What is meant if nobody says: somebody who painted a frame wants it carried."""
    painted = any(_image_and_frame(text)[1] is not None for text in references)
    return Operation.MODIFY if painted else Operation.REMOVE


def _options(texts: Sequence[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"'{text}' is no engine option", remedy="Write it as NAME=VALUE")
        options[name] = as_text("--engine-option", value)
    return options
