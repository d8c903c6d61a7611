"""A daemon that listens on tcp, who comes to it, and keys that are nobody's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import zmq
from places import Place

from secondtake import Client, FixRequest, KeyPair
from secondtake.endpoint import Endpoint

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the fence is Linux's")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user"
)


class Net:
    """A daemon that listens on tcp, and who comes to it."""

    def __init__(self, place: Place, **settings: object) -> None:
        self.place = place
        (place.root / "show").mkdir()
        place.settings(**{"tcp": "127.0.0.1:0", "roots": [str(place.root / "show")], **settings})
        self.own = place.client()
        (self.endpoint,) = [found for found in place.daemon().endpoints if found.server_key]

    @property
    def clients(self) -> Path:
        return self.place.home.config / "clients"

    def connect(self, keys: KeyPair, *, endpoint: Endpoint | None = None, timeout_s: float = 4.0) -> Client:
        client = Client.connect(
            home=self.place.root, endpoint=endpoint or self.endpoint, keys=keys, timeout_s=timeout_s, client="far"
        )
        self.place.clients.append(client)
        return client

    def allow(self, name: str) -> KeyPair:
        keys = stranger()
        (self.clients / f"{name}.key").write_text(f"public {keys.public}\n")
        return keys

    def request(self, instruction: str = "", **changes: object) -> FixRequest:
        show = self.place.root / "show"
        inside = {"plate": str(show / "p.####.exr"), "matte": str(show / "m.exr"), "out": "show/out"}
        return self.place.request(instruction, **{**inside, **changes})


def stranger() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())
