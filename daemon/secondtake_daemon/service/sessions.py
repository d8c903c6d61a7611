"""The clients that said HELLO: who they are, and when they last spoke."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from secondtake.messages import Hello

__all__ = ["Peer", "Session", "Sessions", "client_of"]

_MOST = 10_000
_PRESENT_S = 60.0
_NAME_CHARACTERS = 120
_HOST_OF_CLIENT = re.compile(r".*\(pid -?\d+\) @([a-z0-9._-]+)", re.DOTALL)


class Peer(NamedTuple):
    """Where an answer goes: one connection."""

    is_tcp: bool
    identity: bytes
    key: str = ""
    """Public key of the client, over tcp: so nobody inherits another's session by taking its identity."""


@dataclass(slots=True)
class Session:
    """A client after HELLO."""

    host: str
    """Program and process, and the client's name if it is not this user's own: what the queue is fair to."""
    is_remote: bool
    """Not this user's own: it may only name files under the roots."""
    spoke_s: float
    client: str = ""
    """Name of its key; "" is this user's own."""


class Sessions:
    """Bounded: the client that was silent longest is forgotten first, and says HELLO again when it comes back."""

    def __init__(self, *, now_s: float) -> None:
        self._sessions: OrderedDict[Peer, Session] = OrderedDict()
        self.last_word_s = now_s
        """When any client last spoke."""

    def greet(self, peer: Peer, hello: Hello, *, is_remote: bool, now_s: float, client: str = "") -> None:
        """A client said HELLO, and a version was found. client: name of its key, if it is remote."""
        name = "".join(character for character in hello.client[:_NAME_CHARACTERS] if character.isprintable())
        host = f"{name or 'unknown'} (pid {hello.pid})" + (f" @{client}" if client else "")
        self._sessions[peer] = Session(host=host, is_remote=is_remote, spoke_s=now_s, client=client)
        self._sessions.move_to_end(peer)
        self.last_word_s = now_s
        if len(self._sessions) > _MOST:
            self._sessions.popitem(last=False)

    def heard(self, peer: Peer, *, now_s: float) -> Session | None:
        """The session of a client that spoke; None if it never said HELLO."""
        session = self._sessions.get(peer)
        if session is not None:
            session.spoke_s = self.last_word_s = now_s
            self._sessions.move_to_end(peer)
        return session

    def forget(self, peer: Peer) -> None:
        """Its connection is gone."""
        self._sessions.pop(peer, None)

    def present(self, *, now_s: float) -> int:
        """Clients that spoke within the last minute."""
        return sum(now_s - session.spoke_s <= _PRESENT_S for session in self._sessions.values())


def client_of(host: str) -> str:
    """The name of the client that a host belongs to, "" for this user's own. A program's name cannot forge one."""
    found = _HOST_OF_CLIENT.fullmatch(host)
    return found[1] if found else ""
