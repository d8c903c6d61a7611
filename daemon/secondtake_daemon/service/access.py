"""Who may connect by tcp: CURVE with an allow-list of client keys (ZAP, https://rfc.zeromq.org/spec/27).

CURVE alone lets in everyone who knows the server's public key, and a socket whose ZAP handler is missing lets in
everyone too, unless it has a domain of its own and enforces it. So it has, and does: without the handler, nobody.
"""

from __future__ import annotations

from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from secondtake.keys import KeyPair, allowed_keys

__all__ = ["Doorkeeper", "require_curve"]

_DOMAIN = "secondtake"


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
        """Read the folder anew, so that deleting a file revokes a key at once."""
        return domain == _DOMAIN and key.decode("ascii", "replace") in allowed_keys(self._folder)


def require_curve(socket: zmq.Socket[bytes], pair: KeyPair) -> None:
    """Before bind: this socket serves only clients whose key the doorkeeper knows."""
    socket.zap_domain = _DOMAIN.encode("ascii")
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.curve_server = 1
    socket.curve_publickey = pair.public.encode("ascii")
    socket.curve_secretkey = pair.secret.encode("ascii")
