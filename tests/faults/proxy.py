"""A wire between a client and a daemon that can be cut, frozen, or slow: a TCP proxy in a thread."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Wire"]

_TURN_S = 0.005
_PIECE_BYTES = 16 * 1024
_ACK_S = 0.3
"""What came is acknowledged by then: else it is sent again, and the other end learns from that."""
_TCP_REPAIR = 19
"""A socket that is closed in this mode tells nobody."""


@dataclass
class _Way:
    """Bytes from one end to the other."""

    source: socket.socket
    target: socket.socket
    is_up: bool
    """From the client to the daemon."""
    buffer: bytes = b""
    may_move_at_s: float = 0.0


class Wire(threading.Thread):
    """Use as a context. Everything else may be set at any time."""

    def __init__(self, target: str) -> None:
        """target: `tcp://host:port` of the daemon."""
        super().__init__(daemon=True)
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.freeze_up = self.freeze_down = False
        """Bytes of that direction stay where they are; no end is told."""
        self.bytes_per_s = 0.0
        """0 is as fast as it goes."""
        self._ways: list[_Way] = []
        self._cut = self._over = False

    def __enter__(self) -> Wire:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.join()
        self._hang_up()
        self._server.close()

    def freeze(self, on: bool = True) -> None:
        """As if the other machine lost its power: nothing comes, nothing goes, nobody hangs up."""
        self.freeze_up = self.freeze_down = on

    def vanish(self) -> None:
        """The client's machine loses its power: the daemon's side of each connection is forgotten without a word.

        Raises PermissionError without the right to do so (Linux, CAP_NET_ADMIN).
        """
        time.sleep(_ACK_S)
        for way in self._ways:
            if not way.is_up:
                way.source.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        self.cut()

    def cut(self) -> None:
        """End all connections with a reset."""
        self._cut = True
        while self._cut:
            time.sleep(_TURN_S)

    def run(self) -> None:
        self._server.setblocking(False)
        while not self._over:
            with suppress(BlockingIOError):
                self._accept()
            if self._cut:
                self._hang_up()
                self._cut = False
            moved = [self._move(way) for way in list(self._ways)]
            if True not in moved:
                time.sleep(_TURN_S)

    def _accept(self) -> None:
        client, _ = self._server.accept()
        if self.freeze_up or self.freeze_down:  # a dead machine takes no new ones
            client.close()
            return
        try:
            daemon = socket.create_connection(self._target)
        except OSError:  # it ended
            client.close()
            return
        for end in (client, daemon):
            end.setblocking(False)
        self._ways += [_Way(client, daemon, True), _Way(daemon, client, False)]

    def _move(self, way: _Way) -> bool:
        """True if bytes moved."""
        if (self.freeze_up if way.is_up else self.freeze_down) or time.monotonic() < way.may_move_at_s:
            return False
        try:
            if not way.buffer:
                way.buffer = way.source.recv(_PIECE_BYTES if not self.bytes_per_s else 1024)
                if not way.buffer:
                    raise ConnectionResetError
            sent = way.target.send(way.buffer)
        except BlockingIOError:
            return False
        except OSError:
            self._end(way)
            return False
        way.buffer = way.buffer[sent:]
        if self.bytes_per_s:
            way.may_move_at_s = time.monotonic() + sent / self.bytes_per_s
        return True

    def _end(self, way: _Way) -> None:
        self._ways = [other for other in self._ways if other.source not in (way.source, way.target)]
        for end in (way.source, way.target):
            end.close()

    def _hang_up(self) -> None:
        for way in self._ways:
            with suppress(OSError):
                way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            way.source.close()
        self._ways.clear()
