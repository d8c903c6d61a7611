"""Who watches which job. A slow client gets fewer events, never none: the last state is kept until it takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from secondtake.messages import Event, JobView, Refused
from secondtake_daemon.service.sessions import Peer

__all__ = ["Watchers"]

_MOST_PER_PEER = 1_000


class _Watch(NamedTuple):
    peer: Peer
    request_id: bytes


class Watchers:
    """Jobs and the clients that want their events. A watch ends with the job's final state."""

    def __init__(self) -> None:
        self._by_job: dict[str, set[_Watch]] = {}
        self._per_peer: dict[Peer, int] = {}
        self._unsent: dict[_Watch, JobView] = {}
        self._seq = 0

    def __len__(self) -> int:
        return sum(self._per_peer.values())

    def add(self, peer: Peer, request_id: bytes, view: JobView) -> bool:
        """Begin with the present state. False if the client watches too much already."""
        watch = _Watch(peer, request_id)
        watches = self._by_job.setdefault(view.job, set())
        if watch not in watches:
            if self._per_peer.get(peer, 0) >= _MOST_PER_PEER:
                return False
            watches.add(watch)
            self._per_peer[peer] = self._per_peer.get(peer, 0) + 1
        self._unsent[watch] = view
        return True

    def notify(self, view: JobView) -> None:
        """The job changed."""
        for watch in self._by_job.get(view.job, ()):
            self._unsent[watch] = view

    def send(self, send: Callable[[Peer, bytes, Event], bool | None]) -> None:
        """Pass on what is new. `send`: True sent, False later, None the client is gone."""
        for watch, view in list(self._unsent.items()):
            self._seq += 1
            sent = send(watch.peer, watch.request_id, Event(seq=self._seq, view=view))
            if sent is False:
                continue
            del self._unsent[watch]
            if sent is None or view.state.is_final:
                self._remove(watch, view.job)

    def dismiss(self, send: Callable[[Peer, bytes, Refused], bool | None], why: Refused) -> None:
        """Tell everybody that no more events come from this daemon."""
        for watches in self._by_job.values():
            for watch in watches:
                send(watch.peer, watch.request_id, why)
        self._by_job.clear()
        self._per_peer.clear()
        self._unsent.clear()

    @property
    def has_unsent(self) -> bool:
        """True if a slow client must be tried again."""
        return bool(self._unsent)

    def _remove(self, watch: _Watch, job: str) -> None:
        watches = self._by_job.get(job, set())
        if watch in watches:
            watches.remove(watch)
            self._per_peer[watch.peer] -= 1
            if not self._per_peer[watch.peer]:
                del self._per_peer[watch.peer]
        if not watches:
            self._by_job.pop(job, None)
