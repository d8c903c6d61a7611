"""Who may connect by tcp: CURVE with an allow-list of client keys (ZAP, https://rfc.zeromq.org/spec/27).

CURVE alone lets in everyone who knows the server's public key, and a socket whose ZAP handler is missing lets in
everyone too, unless it has a domain of its own and enforces it. So it has, and does: without the handler, nobody.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq.auth.thread import ThreadAuthenticator

from secondtake.errors import NotFound
from secondtake.keys import KeyPair, add_client, allowed_keys, named_keys
from secondtake.pairing import live_codes, withdraw_code

__all__ = ["Doorkeeper", "Guest", "GuestBook", "require_curve"]

_DOMAIN = "secondtake"
_FOREIGN = re.compile(r"[^a-z0-9._-]")
"""What a file that the user made by hand may have in its name; `sessions.client_of` must know the name again."""
_FRESH_S = 0.25
"""How old what we know of a living connection's key may be."""


class Guest(NamedTuple):
    """Who a connection's key stands for."""

    name: str = ""
    """Of the key's file; "" is this user's own client."""
    is_pairing: bool = False
    """It has a one-time code, and may do nothing but enter a key."""


class GuestBook:
    """The keys that may connect: files in `config/clients`, and one-time codes in `config/pairing`."""

    def __init__(self, config: Path, *, own_key: str) -> None:
        self._clients = config / "clients"
        self._pairing = config / "pairing"
        self._own_key = own_key
        self._known: dict[str, Guest] = {}
        self._known_at_s = float("-inf")

    def guest(self, key: str, *, now_s: float) -> Guest | None:
        """Who that is; None if the key is not (or no longer) allowed. now_s: monotonic."""
        if key not in self._known or now_s - self._known_at_s > _FRESH_S:
            self._read()
            self._known_at_s = now_s
        return self._known.get(key)

    def _read(self) -> None:
        codes = live_codes(self._pairing)
        self._known = {code: Guest(name, is_pairing=True) for code, name in codes.items()}
        self._known |= {key: self._as_guest(key, name) for key, name in named_keys(self._clients).items()}

    def _as_guest(self, key: str, name: str) -> Guest:
        return Guest("" if key == self._own_key else _FOREIGN.sub("_", name.lower()))

    def enter(self, code_key: str, *, public: str) -> str:
        """Admit a client's own key for a one-time code, which is used up by this whatever comes of it.

        Returns the name the key has now. Raises NotFound for a code that is used or too old, UsageError for a key
        that is none or is known already, DiskError.
        """
        self._known_at_s = float("-inf")
        name = live_codes(self._pairing).get(code_key, "")
        if not name or not withdraw_code(self._pairing, name):
            raise NotFound("This code was used, or is too old", remedy="Make a new one: `secondtake clients pair`")
        add_client(self._clients, name=name, public=public)
        return name


class Doorkeeper:
    """Answers, in a thread of its own, whether a key is on the allow-list: the files in `config/clients`."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], clients: Path) -> None:
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain=_DOMAIN, credentials_provider=_AllowList(clients))

    def close(self) -> None:
        """Let nobody in any more."""
        self._authenticator.stop()


class _AllowList:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def callback(self, domain: str, key: bytes) -> bool:
        """Read the folders anew, so that deleting a file revokes a key at once."""
        text = key.decode("ascii", "replace")
        if domain != _DOMAIN:
            return False
        return text in allowed_keys(self._folder) or text in live_codes(self._folder.with_name("pairing"))


def require_curve(socket: zmq.Socket[bytes], pair: KeyPair) -> None:
    """Before bind: this socket serves only clients whose key the doorkeeper knows."""
    socket.zap_domain = _DOMAIN.encode("ascii")
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.curve_server = 1
    socket.curve_publickey = pair.public.encode("ascii")
    socket.curve_secretkey = pair.secret.encode("ascii")
