"""Answers that come from files: takes, surveys, pictures. Each may take its time; each has a thread of its own."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from secondtake.errors import UsageError
from secondtake.home import Home
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.bridge import questions as ask
from secondtake_daemon.bridge import shelf
from secondtake_daemon.bridge.answers import (
    ComparedAnswer,
    DeletedAnswer,
    NotesAnswer,
    SurveyAnswer,
    ThumbnailAnswer,
    VerifiedAnswer,
)
from secondtake_daemon.bridge.children import Children
from secondtake_daemon.bridge.requests import plain_path, request_of
from secondtake_daemon.bridge.tasks import SurveyTask, ThumbnailTask, Written
from secondtake_daemon.bridge.wishes import require_new

__all__ = ["answer", "survey"]

_LOOK_S = 60.0
_WIDTHS_PX = (16, 4096)


def answer(asked: ask.Params, *, home: Home, children: Children) -> msgspec.Struct:
    """The answer. Raises what the question is refused with."""
    match asked:
        case ask.Survey():
            return survey(asked, request_of(asked, home), children=children)
        case ask.Takes():
            return shelf.takes(home, shot=asked.shot)
        case ask.Show():
            return shelf.show(home, asked.take)
        case ask.Star():
            return shelf.star(home, asked.take, starred=asked.starred)
        case ask.Accept():
            return shelf.star(home, asked.take, starred=True)
        case ask.Thumbnail():
            return _thumbnail(asked, home=home, children=children)
        case _:
            return _verb(asked, children)


def survey(asked: ask.Survey, request: FixRequest, *, children: Children) -> SurveyAnswer:
    """What would be sent. Raises BadInput of the kind a job would end with."""
    if request.operation is Operation.GENERATE:
        require_new(request)
    said = msgspec.json.encode(SurveyTask(request=request, handles=asked.handles, extend=asked.extend))
    return children.run(["secondtake_daemon.bridge.surveyor"], kind=SurveyAnswer, said=said, timeout_s=_LOOK_S)


def _thumbnail(asked: ask.Thumbnail, *, home: Home, children: Children) -> ThumbnailAnswer:
    if not _WIDTHS_PX[0] <= asked.width_px <= _WIDTHS_PX[1]:
        raise UsageError("The picture's width is out of bounds", remedy=f"Ask for {_WIDTHS_PX[0]} to {_WIDTHS_PX[1]}")
    manifest, folder = shelf.find(home, asked.take)
    frame = asked.frame if asked.frame is not None else manifest.frames[len(manifest.frames) // 2].frame
    path = shelf.thumbnail_path(home, take=manifest.take, frame=frame, width_px=asked.width_px)
    if not path.is_file():
        task = ThumbnailTask(folder=str(folder), frame=frame, width_px=asked.width_px, path=str(path))
        said = msgspec.json.encode(task)
        children.run(["secondtake_daemon.bridge.thumbnails"], kind=Written, said=said, timeout_s=_LOOK_S)
    with suppress(OSError):  # the cache drops first what was not used for longest
        os.utime(path)
    return ThumbnailAnswer(take=manifest.take, frame=frame, path=str(path))


def _verb(asked: ask.Params, children: Children) -> msgspec.Struct:
    """What the command line does is done by the command line."""
    match asked:
        case ask.Rename():
            note = [f"--note={asked.note}"] if asked.note is not None else []
            return children.verb("rename", *note, "--", asked.take, asked.name, kind=NotesAnswer)
        case ask.Delete():
            switch = ["--with-children"] if asked.with_children else []
            return children.verb("delete", "--yes", *switch, "--", asked.take, kind=DeletedAnswer)
        case ask.Compare():
            out = [f"--out={plain_path('out', asked.out)}"] if asked.out else []
            return children.verb("compare", *out, "--", asked.a, asked.b, kind=ComparedAnswer)
        case ask.Verify():
            return children.verb("verify", "--", asked.take, kind=VerifiedAnswer)
        case _:
            raise UsageError(f"Nobody answers {type(asked).__name__}", remedy="Please report it")
