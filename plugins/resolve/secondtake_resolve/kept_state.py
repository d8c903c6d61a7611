"""What the artist sees is put back after every visit, whatever happened in between.

All is read before anything is altered, so a Resolve that does not answer is left alone. Every part is put back by
itself and tried twice; what would not go back is told, and never hides the error that led there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .calls import Host, sure
from .refusal import Refusal

__all__ = ["Kept", "kept_render", "kept_state", "put_back"]

_TRIES = 2


class Kept:
    """What could not be put back, in words for the artist."""

    def __init__(self) -> None:
        self.lost: list[str] = []


@contextmanager
def kept_state(host: Host) -> Iterator[Kept]:
    """Put back timeline, bin, page and playhead. Raises Refusal if they cannot be read."""
    project, timeline = sure(host.project_id), sure(host.timeline_id)
    page, timecode, folder = sure(host.page), sure(host.timecode), sure(host.bin)
    kept = Kept()
    try:
        try:
            yield kept
        finally:
            if _is_open(host, project):
                put_back(kept, "the timeline", lambda: host.open_timeline(timeline))
                put_back(kept, "the open bin", lambda: host.open_bin(folder))
                put_back(kept, "the page", lambda: host.open_page(page))
                put_back(kept, "the playhead", lambda: host.set_timecode(timecode))
    except Refusal as refusal:
        if not kept.lost:
            raise
        remedy = ". ".join((refusal.remedy, *kept.lost))
        raise Refusal(refusal.message, remedy=remedy, path=refusal.path, other_way=refusal.other_way) from refusal


@contextmanager
def kept_render(host: Host, kept: Kept, *, preset: str) -> Iterator[None]:
    """Put back render settings, format, mode, tracks that are on, and marks. preset: a free name to keep settings by.

    Raises Refusal, before anything is altered, if Resolve is rendering or does not keep the settings.
    """
    if host.is_rendering():
        raise Refusal("Resolve is rendering", remedy="Wait for it, or stop it, and try again")
    mode, wanted = sure(host.render_mode), sure(host.render_format)
    enables, marks = sure(host.enables), sure(host.marks)
    is_kept = False
    try:
        host.save_preset(preset)
        is_kept = True
        yield
    finally:
        is_loaded = not is_kept or put_back(
            kept, f"the render settings, which are kept as the preset {preset}", lambda: host.load_preset(preset)
        )
        if is_loaded:
            put_back(kept, f"the list of render presets, without {preset}", lambda: host.delete_preset(preset))
        put_back(kept, "the render format", lambda: host.set_render_format(wanted))
        put_back(kept, "the render mode", lambda: host.set_render_mode(mode))
        put_back(kept, "which tracks are on", lambda: host.set_enables(enables))
        if marks is None:
            kept.lost.append("Resolve did not put back the in and out marks: it does not tell where they were")
        else:
            put_back(kept, "the in and out marks", lambda: host.set_marks(marks))


def put_back(kept: Kept, what: str, how: Callable[[], object]) -> bool:
    """Do it, a second time if it did not go; False, and a line for the artist, if it did not go at all."""
    for _ in range(_TRIES):
        try:
            how()
        except Exception:  # noqa: BLE001 — whatever Resolve raises, the rest must be put back too
            continue
        return True
    kept.lost.append(f"Resolve did not put back {what}")
    return False


def _is_open(host: Host, project: str) -> bool:
    """False if Resolve was closed, or the artist opened another project."""
    for _ in range(_TRIES):
        try:
            return host.project_id() == project
        except Exception:  # noqa: BLE001, PERF203 — see above
            continue
    return False
