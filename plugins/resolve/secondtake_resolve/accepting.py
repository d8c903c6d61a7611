"""A take becomes the clip's own, stays above, or goes. Only what is ours is ever removed, found by its id."""

from __future__ import annotations

from .calls import Host, sure
from .flow_accept import OurItem, choose_item, removes_track, require_target
from .kept_state import Kept, kept_state, put_back
from .refusal import Refusal
from .tags import Tag

__all__ = ["accept_take", "reject", "under_playhead", "withdraw_take"]


def under_playhead(host: Host) -> OurItem:
    """The fix that is meant. Raises Refusal."""
    return choose_item(host.ours(), playhead=host.playhead())


def accept_take(host: Host, ours: OurItem) -> tuple[str, ...]:
    """Make it a take of the clip that was fixed, selected, and remove it from its track; what is to be said of it.

    The clip's other takes stay, so the artist can go back. Raises Refusal; then all is as it was.
    """
    target = require_target(ours, host.find(ours.tag.target))
    with kept_state(host) as kept:
        host.open_page("edit")
        pool_id = ours.media
        selected = host.selected_take(target.id)
        try:
            number = host.add_take(target.id, pool_id)
            host.select_take(target.id, number)
            _require_shown(host, target.id, pool_id)
            _remove_item(host, kept, ours)
        except BaseException:
            if selected:
                put_back(kept, "the take that was selected", lambda: host.select_take(target.id, selected))
            put_back(kept, "the clip's takes", lambda: host.delete_take(target.id, pool_id))
            raise
    return tuple(kept.lost)


def reject(host: Host, ours: OurItem) -> tuple[str, ...]:
    """Remove a fix: its clip with marker, its track if we made it and it is empty, its pool item. The files stay."""
    with kept_state(host) as kept:
        host.open_page("edit")
        _remove_item(host, kept, ours)
        _remove_from_pool(host, kept, ours.media, ours.tag)
    return tuple(kept.lost)


def withdraw_take(host: Host, item_id: str) -> tuple[str, ...]:
    """Show the clip's first take again and remove ours, the one that shows. Raises Refusal if it has none of ours."""
    ours, shown = dict(host.our_pool_clips()), host.media_id(item_id)
    pool_id = next((each for each in (shown, *host.takes(item_id)) if each in ours), "")
    if not pool_id:
        raise Refusal("The clip has no take of Second Take", remedy="Park on one that has")
    with kept_state(host) as kept:
        host.open_page("edit")
        host.delete_take(item_id, pool_id)
        _remove_from_pool(host, kept, pool_id, ours[pool_id])
    return tuple(kept.lost)


def _require_shown(host: Host, item_id: str, pool_id: str) -> None:
    if host.media_id(item_id) != pool_id:
        raise Refusal("Resolve selected the take and shows another", remedy="Keep the fix on its track above")


def _remove_item(host: Host, kept: Kept, ours: OurItem) -> None:
    goes = removes_track(ours, sure(host.our_tracks))
    host.delete_item(ours.id)
    if goes:
        put_back(kept, f"the tracks without V{ours.track}", lambda: host.delete_track(ours.track))


def _remove_from_pool(host: Host, kept: Kept, pool_id: str, tag: Tag) -> None:
    """Its files are kept by the daemon; a pool item that something else uses by now stays."""
    if not host.is_shown(pool_id):
        put_back(kept, f"the media pool without {tag.shot} {tag.take}", lambda: host.delete_pool_clip(pool_id))
