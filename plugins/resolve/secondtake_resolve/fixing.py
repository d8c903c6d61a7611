"""From a clip to a job of the daemon: what must be rendered is rendered, what must be read is read, then it is sent."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .calls import Host
from .clip import Clip, Route, Shot
from .flow_fix import FixPlan, MatteKind, Wish, plan_fix, shot_name
from .kept_state import Kept, kept_state
from .masks import keyed_shapes
from .refusal import Cancelled, Refusal
from .render_state import RenderJob
from .rendering import Clock, Progress, render_range
from .tags import Tag
from .talk import Talk
from .workplace import Sent, Workplace

__all__ = ["Making", "name_of", "send_fix"]

_ASK_S, _FIX_S = 60.0, 120.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Making:
    """What making a fix needs of the outside."""

    host: Host
    talk: Talk
    workplace: Workplace
    progress: Progress
    clock: Clock = field(default_factory=Clock)

    def read(self, frame: int, count: int) -> None:
        """Told of each frame of which masks are read. Raises Cancelled."""
        if not self.progress(f"Reading masks, frame {frame + 1} of {count}", frame / count):
            raise Cancelled


def send_fix(making: Making, shot: Shot, wish: Wish, *, job: str) -> tuple[Sent, tuple[str, ...]]:
    """Make and send it; what was sent, and what is odd about it.

    The artist may have gone on since `shot` was read; it is the shot that counts. Raises Refusal or Cancelled; then
    Resolve is as it was, and nothing is left on the disk.
    """
    plan = replace(plan_fix(shot, wish), name=name_of(making.host, shot.clip))
    folder = making.workplace.job_folder(project=shot.project_name, shot=plan.name, job=job)
    sent = Sent(
        tag=Tag(shot=plan.name, take="", job=job, route=plan.route, target=shot.clip_id),
        project=shot.project,
        folder=str(folder),
        frames=plan.frames,
        rate=shot.timeline.rate,
        instruction=wish.instruction,
        read_as=plan.read_as,
    )
    is_sent = False
    try:
        params, kept = _make(making, shot, plan, wish, folder)
        survey = {name: params[name] for name in ("plate", "matte", "frames", "handles") if params.get(name)}
        seen = making.talk.ask("survey", timeout_s=_ASK_S, **survey, colourspace=plan.colourspace)
        making.workplace.keep(sent)
        making.talk.ask("fix", timeout_s=_FIX_S, job=job, out=sent.out, shot=plan.name, **params)
        is_sent = True
    except Refusal as refusal:
        raise _with_other_way(refusal, plan) from refusal
    finally:
        if not is_sent:
            shutil.rmtree(folder, ignore_errors=True)
    return sent, (*plan.notes, *seen.get("odd", ()), *kept.lost)


def name_of(host: Host, clip: Clip) -> str:
    """What a shot is called: if it shows a take of ours by now, as it was when that was sent. Raises Refusal."""
    tag = dict(host.our_pool_clips()).get(clip.media.id) if clip.media else None
    return tag.shot if tag else shot_name(clip)


def _make(making: Making, shot: Shot, plan: FixPlan, wish: Wish, folder: Path) -> tuple[Json, Kept]:
    """The parameters of a fix, with all files made that it names."""
    params: Json = {
        "plate": plan.plate,
        "operation": wish.operation,
        "instruction": wish.instruction,
        "frames": plan.frames.words(),
        "handles": list(plan.handles),
        "colourspace": plan.colourspace,
        "quality": wish.quality,
        "references": [
            {"path": path, **({"frame": int(frame)} if frame is not None else {})} for path, frame in plan.references
        ],
    }
    if wish.engine:
        params["engine"] = wish.engine
    kept = Kept()
    if plan.route is Route.RENDER or plan.matte.kind != MatteKind.FILE:
        with kept_state(making.host) as kept:
            _make_inside(making, shot, plan, wish, folder, params, kept)
    if plan.matte.kind == MatteKind.FILE:
        params["matte"] = _matte_path(plan.matte.path)
    return params, kept


def _make_inside(making: Making, shot: Shot, plan: FixPlan, wish: Wish, folder: Path, params: Json, kept: Kept) -> None:
    """What needs Resolve; inside `kept_state`."""
    host, count = making.host, plan.record.count
    if not host.open_timeline(shot.timeline.id):
        raise Refusal("The timeline is gone from the project", remedy="Open another, and fix its clip")
    if plan.matte.kind == MatteKind.MASKS:
        host.open_page("fusion")
        masks = host.masks(shot.clip.id, plan.matte.masks, count=count, tick=making.read)
        params["shapes"] = keyed_shapes(masks, first=plan.frames.start, size_px=plan.size_px)
    if plan.matte.kind == MatteKind.TRACK:
        params["matte"] = _rendered(making, shot, plan, folder, kept, name="matte", tracks={plan.matte.track})
    if plan.route is Route.RENDER:
        tracks = {shot.clip.track} if wish.is_solo else host.tracks_on() - {plan.matte.track}
        params["plate"] = _rendered(making, shot, plan, folder, kept, name="plate", tracks=tracks)


def _rendered(
    making: Making, shot: Shot, plan: FixPlan, folder: Path, kept: Kept, *, name: str, tracks: Collection[int]
) -> str:
    """Render what shows over the plate's frames, numbered as the plate is; the pattern of the files."""
    before, after = plan.handles
    return render_range(
        making.host,
        kept,
        RenderJob(
            record=plan.record.grown(before=before, after=after),
            folder=str(folder / name),
            name=name,
            size_px=shot.timeline.size_px,
        ),
        numbers=plan.frames.grown(before=before, after=after),
        ours=str(making.workplace.folder),
        tracks=tracks,
        progress=making.progress,
        clock=making.clock,
    )


def _matte_path(path: str) -> str:
    """A matte's files: a folder stands for the one sequence in it. Raises Refusal."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return str(folder)
    names: dict[tuple[str, int, str], None] = {}
    for each in sorted(folder.iterdir()):
        stem = each.stem.rstrip("0123456789")
        digits = len(each.stem) - len(stem)
        if each.is_file() and digits and not each.name.startswith("."):
            names[(stem, digits, each.suffix)] = None
    if len(names) != 1:
        raise Refusal(
            f"The folder has {len(names)} sequences", remedy="Name the files of the matte, as roto.####.exr", path=path
        )
    ((stem, digits, suffix),) = names
    return str(folder / f"{stem}{'#' * digits}{suffix}")


def _with_other_way(refusal: Refusal, plan: FixPlan) -> Refusal:
    """What the daemon cannot read as it lies, Resolve can still render."""
    if refusal.other_way or plan.route is Route.RENDER or refusal.path != plan.plate or not plan.plate:
        return refusal
    return Refusal(refusal.message, remedy=refusal.remedy, path=refusal.path, other_way=Route.RENDER.value)
