"""The sockets clients connect to: ipc in a folder only the user may enter, and tcp with CURVE if it is asked for."""

from __future__ import annotations

import os
import shutil
import socket as sockets
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import zmq

from secondtake.connection import notice_the_dead
from secondtake.endpoint import Endpoint, Runtime
from secondtake.errors import DiskError, UsageError
from secondtake.home import Home
from secondtake.keys import ensure_pair, introduce_client
from secondtake.wire import QUESTION_BYTES
from secondtake_daemon.service.sessions import Peer

if TYPE_CHECKING:
    from secondtake_daemon.service.access import Doorkeeper, GuestBook

__all__ = ["Caller", "Listeners", "clean_after"]

_SUFFIX = ".ipc"
_SHORT_PREFIX = "st-"
_LONGEST_PATH_BYTES = 107
"""Of an AF_UNIX address."""
_FRAME_BYTES = 4 * QUESTION_BYTES
"""Over this libzmq drops the connection; between the two limits the client gets a typed answer."""


class Caller(NamedTuple):
    """Who sent a message."""

    peer: Peer
    client: str = ""
    """Name of its key; "" is this user's own."""
    is_pairing: bool = False
    """It has a one-time code, and may do nothing but enter a key."""


class Listeners:
    """All bound ROUTER sockets."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], home: Home, *, name: str, tcp: str) -> None:
        self._context = context
        self._home = home
        # Of this daemon only: one that ends late cannot take the next one's socket along.
        self._socket_name = f"{name[:8]}{_SUFFIX}"
        self._folder: Path | None = None
        self._doorkeeper: Doorkeeper | None = None
        self.guests: GuestBook | None = None
        """The keys that may connect by tcp, if anybody may."""
        self.ipc: zmq.Socket[bytes] | None = None
        self.tcp: zmq.Socket[bytes] | None = None
        self.endpoints: tuple[Endpoint, ...] = ()
        if zmq.has("ipc"):
            self._listen_ipc()
        else:
            tcp = tcp or "127.0.0.1:0"
        if tcp:
            self._listen_tcp(tcp)

    @property
    def sockets(self) -> list[zmq.Socket[bytes]]:
        """Those that are open."""
        return [socket for socket in (self.ipc, self.tcp) if socket is not None]

    def caller(self, listener: zmq.Socket[bytes], frames: list[zmq.Frame]) -> Caller | None:
        """Who sent this; None if the key is not allowed any more: then the connection was ended."""
        if listener is not self.tcp:
            return Caller(Peer(False, frames[0].bytes))
        peer = Peer(True, frames[0].bytes, _user_id(frames[-1]))
        guest = self.guests.guest(peer.key, now_s=time.monotonic()) if self.guests is not None else None
        if guest is None:
            _hang_up(frames[-1])
            return None
        return Caller(peer, guest.name, guest.is_pairing)

    def admits(self, peer: Peer) -> bool:
        """False if its key is not allowed any more: it shall hear no more."""
        if not peer.is_tcp or self.guests is None:
            return True
        return self.guests.guest(peer.key, now_s=time.monotonic()) is not None

    def close(self) -> None:
        """Hang up and remove the socket file."""
        for socket in self.sockets:
            socket.close(linger=100)
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        (self._home.run / self._socket_name).unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _listen_ipc(self) -> None:
        folder = self._home.run
        if len(os.fsencode(folder / self._socket_name)) > _LONGEST_PATH_BYTES:
            folder = self._folder = _short_folder(self._socket_name)
        path = folder / self._socket_name
        self.ipc = _router(self._context)
        try:
            self.ipc.bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            raise DiskError(f"The socket cannot be made ({error})", path=path) from error
        self.endpoints += (Endpoint(url=f"ipc://{path}"),)

    def _listen_tcp(self, address: str) -> None:
        # Imported here: most daemons never listen on tcp, and it takes a sixth of the time to get ready.
        from secondtake_daemon.service.access import Doorkeeper, GuestBook, require_curve

        if not zmq.has("curve"):
            raise UsageError("This libzmq has no CURVE, so tcp stays off", remedy="Install pyzmq from its own wheel")
        _check_address(address)
        pair = ensure_pair(self._home, "daemon")
        own_key = introduce_client(self._home).public
        self.guests = GuestBook(self._home.config, own_key=own_key)
        self._doorkeeper = Doorkeeper(self._context, self._home.config / "clients")
        self.tcp = _router(self._context)
        require_curve(self.tcp, pair)
        try:
            self.tcp.bind(f"tcp://{address}")
        except zmq.ZMQError as error:
            raise UsageError(
                f"The daemon cannot listen on '{address}' ({error})", remedy="Change the setting 'tcp'"
            ) from error
        url = self.tcp.getsockopt(zmq.LAST_ENDPOINT)
        text = url.rstrip(b"\0").decode("ascii") if isinstance(url, bytes) else str(url)
        self.endpoints += (Endpoint(url=text, server_key=pair.public),)


def _check_address(address: str) -> None:
    """libzmq itself takes a port over 65535 and uses another one."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"The daemon cannot listen on '{address}'", remedy="Write the setting 'tcp' as 127.0.0.1:0")


def clean_after(run: Path, before: Runtime | None) -> None:
    """Remove the sockets of daemons that were killed. We hold the lock, so they are not in use."""
    for left in run.glob(f"*{_SUFFIX}"):
        left.unlink(missing_ok=True)
    for endpoint in before.endpoints if before is not None else ():
        socket = Path(endpoint.url.removeprefix("ipc://"))
        folder = socket.parent
        if endpoint.url.startswith("ipc://") and folder.name.startswith(_SHORT_PREFIX) and folder.is_dir():
            socket.unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()


def _router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.router_mandatory = 1  # without it, words to a client that is gone vanish without a trace
    socket.sndhwm = 1_000
    socket.rcvhwm = 64
    socket.maxmsgsize = _FRAME_BYTES
    notice_the_dead(socket)
    socket.handshake_ivl = 5_000
    return socket


def _user_id(frame: zmq.Frame) -> str:
    """The public key of a CURVE client, as the doorkeeper noted it."""
    found = frame.get("User-Id")
    return found if isinstance(found, str) else ""


def _hang_up(frame: zmq.Frame) -> None:
    """End the connection a message came by. libzmq has no way to say so, but tells the connection's descriptor."""
    with (
        suppress(OSError, ValueError, zmq.ZMQError),
        sockets.socket(fileno=os.dup(int(frame.get(zmq.SRCFD)))) as connection,
    ):
        connection.shutdown(sockets.SHUT_RDWR)


def _short_folder(socket_name: str) -> Path:
    """A new folder (0700) with a path short enough for a socket."""
    places = [tempfile.gettempdir()] if sys.platform == "win32" else [tempfile.gettempdir(), "/tmp"]
    for place in places:
        folder = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=place))
        if len(os.fsencode(folder / socket_name)) <= _LONGEST_PATH_BYTES:
            return folder
        folder.rmdir()
    raise DiskError("No folder has a path short enough for a socket", remedy="Set TMPDIR to a short path")
