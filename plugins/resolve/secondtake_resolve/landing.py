"""A take comes back: into the pool, onto our track. What cannot be finished is taken away again, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .calls import Host, sure
from .clip import Clip, Route
from .flow_bring_back import Landing, Result, plan_landing, plan_spot
from .kept_state import Kept, kept_state, put_back
from .ranges import AbsoluteFrame, Range
from .refusal import Refusal
from .workplace import Sent, Workplace

__all__ = ["Landed", "land", "rate_text", "result_of"]

_NAME = "Second Take"
_NEEDED = ("FPS", "Alpha mode")
"""Without these a take would play at another speed, or darker at its edges."""


@dataclass(frozen=True)
class Landed:
    """Where a take is now."""

    take: str
    is_placed: bool
    words: tuple[str, ...]


def land(host: Host, workplace: Workplace, sent: Sent, result: Result) -> Landed:
    """Import the take and place it. If there is no place for it any more it stays in its bin, and the words say so.

    Raises Refusal; then Resolve is as it was.
    """
    tag = replace(sent.tag, take=result.take)
    landing = plan_landing(result, shot=tag.shot, frames=sent.frames, rate=rate_text(sent.rate), read_as=sent.read_as)
    with kept_state(host) as kept, _undone(kept) as undo:
        host.open_page("edit")
        pool_id, said = _import(host, landing, undo)
        clip = host.find(sent.tag.target) if host.open_timeline(sent.tag.target.timeline) else None
        spot = plan_spot(sent.tag.target, clip, sure(host.our_tracks), route=tag.route)
        tag = replace(tag, made_track=spot.needs_track)
        host.tag_pool_clip(pool_id, tag)
        if clip is None or spot.record is None:
            return _finished(workplace, sent, result, kept, [*said, spot.words], is_placed=False)
        item_id = _place(host, pool_id, spot.record, spot.track, sent.tag.target.timeline, undo)
        host.mark(item_id, tag, name=f"{tag.shot} {tag.take}", note=sent.instruction)
        said += _copy_look(host, clip, item_id, tag.route)
    return _finished(workplace, sent, result, kept, [*said, spot.words], is_placed=True)


def result_of(job: Mapping[str, Any]) -> Result:
    """The result of a finished job, as the bridge tells of it."""
    said = job["result"]
    return Result(
        job=str(job["job"]),
        take=str(said["take"]),
        folder=str(said["folder"]),
        pattern=str(said["pattern"]),
        frames=tuple(int(frame) for frame in said["frames"]),
        notes=tuple(str(note) for note in said.get("notes", ())),
    )


def rate_text(rate: float) -> str:
    """A frame rate as Resolve wants it: `24`, `23.976`."""
    return f"{rate:.3f}".rstrip("0").rstrip(".")


def _import(host: Host, landing: Landing, undo: list[Callable[[], object]]) -> tuple[str, list[str]]:
    """The pool item, read as its plate is read; and what did not take."""
    made = host.make_bins(landing.bins)
    if made:
        undo.append(lambda: host.delete_bin(made))
    pool_id = host.import_sequence(landing)
    undo.append(lambda: host.delete_pool_clip(pool_id))
    said = []
    for name, value in landing.properties.items():
        if host.set_property(pool_id, name, value):
            continue
        if name in _NEEDED:
            raise Refusal(
                f"Resolve did not set {name} of the take to {value}", remedy="Import it by hand, and set it there"
            )
        said.append(f"Resolve did not set {name} of the take to {value}: set it in its Clip Attributes")
    return pool_id, said


def _place(
    host: Host,
    pool_id: str,
    spot: Range[AbsoluteFrame],
    free: int | None,
    timeline: str,
    undo: list[Callable[[], object]],
) -> str:
    """On a free track of ours, or on a new one. The artist may open another timeline at any moment."""

    def undo_track() -> None:
        if free is None and host.open_timeline(timeline):
            host.delete_track(track)

    def undo_item() -> None:
        if host.open_timeline(timeline):
            host.delete_items_of(pool_id)

    track = host.add_track(timeline) if free is None else free
    undo.append(undo_track)
    undo.append(undo_item)
    return host.place(pool_id, spot, track, timeline_id=timeline)


def _copy_look(host: Host, clip: Clip, item_id: str, route: Route) -> list[str]:
    """A take of the source lies above ungraded: it gets the clip's grade and sizing, to be compared with it."""
    if route is Route.RENDER:
        return []
    try:
        is_same = host.copy_look(clip.id, item_id)
    except Exception:  # noqa: BLE001 — only a comparison is lost, whatever Resolve raises
        is_same = False
    return [] if is_same else ["On its track the take has not all of the clip's grade and sizing"]


def _finished(
    workplace: Workplace, sent: Sent, result: Result, kept: Kept, said: list[str], *, is_placed: bool
) -> Landed:
    workplace.landed(sent, take=result.take)
    words = (*said, *result.notes, *kept.lost)
    return Landed(take=result.take, is_placed=is_placed, words=tuple(text for text in words if text))


@contextmanager
def _undone(kept: Kept) -> Iterator[list[Callable[[], object]]]:
    """If something goes wrong inside, what was appended here is done, the last first."""
    undo: list[Callable[[], object]] = []
    try:
        yield undo
    except BaseException:
        for step in reversed(undo):
            put_back(kept, f"what {_NAME} had begun to bring back", step)
        raise
