"""How a client elsewhere gets its key onto a daemon's list, with a code that works once and for ten minutes.

The code carries the daemon's address, its public key, and the secret half of a key pair made for this one purpose. The
daemon keeps only the public half, in `config/pairing/<name>.key`. So the code proves both sides to each other in the
CURVE handshake itself (https://rfc.zeromq.org/spec/26): only the daemon that has the named key can answer, and only
who has the code gets in; there is nothing to guess or to compare outside of the handshake. A connection made so may
do one thing, say which key the client will use from then on, and one `pair` uses the code up, whatever came of it.
The name under which the key is entered was chosen on the daemon's machine.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq
from blake3 import blake3
from zmq.utils import z85

from secondtake import disk
from secondtake.connection import Connection
from secondtake.endpoint import Endpoint, write_private
from secondtake.errors import DaemonLost, DiskError, NotFound, UsageError, error_from_body
from secondtake.home import Home, private_folder
from secondtake.keys import KeyPair, check_name, ensure_pair, key_words, named_keys
from secondtake.messages import PROTOCOL_MAX, PROTOCOL_MIN, Hello, Pair, Refused

__all__ = ["CODE_S", "Code", "join", "live_codes", "make_code", "read_code", "remote_endpoint", "withdraw_code"]

CODE_S = 600.0
"""How long a code may be used."""
_PREFIX = "st1-"
_KEY_BYTES = 32
_CHECK_BYTES = 4
_URL_BYTES = 256
_UNTIL = "until"
_TIMEOUT_S = 5.0


class Code(NamedTuple):
    """What a pairing code says. The representation hides the secret."""

    url: str
    server_key: str
    secret: str

    def __str__(self) -> str:
        """The code as it is handed over: letters, digits, `-` and `_`."""
        raw = z85.decode(self.server_key.encode("ascii")) + z85.decode(self.secret.encode("ascii"))
        raw += self.url.encode("utf-8")
        return _PREFIX + base64.urlsafe_b64encode(raw + _check(raw)).decode("ascii").rstrip("=")

    def __repr__(self) -> str:
        return f"Code(url='{self.url}', secret='…')"

    @property
    def keys(self) -> KeyPair:
        """The pair made for this one purpose."""
        public: bytes = zmq.curve_public(self.secret.encode("ascii"))
        return KeyPair(public.decode("ascii"), self.secret)


def make_code(home: Home, *, name: str, endpoint: Endpoint) -> Code:
    """A new code for a client that will have this name. Raises UsageError if the name is taken, DiskError."""
    folder = home.config / "pairing"
    if check_name(name) in named_keys(home.config / "clients").values():
        raise UsageError(f"The client '{name}' is known already", remedy="Choose another --name, or revoke it first")
    public, secret = (half.decode("ascii") for half in zmq.curve_keypair())
    private_folder(folder)
    path = folder / f"{name}.key"
    try:
        write_private(path, f"public {public}\n{_UNTIL} {time.time() + CODE_S:.0f}\n".encode("ascii"))
    except OSError as error:
        raise DiskError(f"The code cannot be kept ({error.strerror})", path=path) from error
    return Code(url=endpoint.url, server_key=endpoint.server_key, secret=secret)


def read_code(text: str) -> Code:
    """A code as somebody typed or pasted it. Raises UsageError if it is none, or was mangled on the way."""
    prefix, _, body = "".join(text.split()).rpartition(_PREFIX)
    try:
        padded = body + "=" * (-len(body) % 4)
        raw = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        url = raw[2 * _KEY_BYTES : -_CHECK_BYTES].decode("utf-8")
    except (binascii.Error, UnicodeError):
        raw, url = b"", ""
    is_whole = not prefix and raw[-_CHECK_BYTES:] == _check(raw[:-_CHECK_BYTES])
    if not is_whole or not url.startswith("tcp://") or len(url) > _URL_BYTES or not url.isprintable():
        raise UsageError("This is no pairing code, or not the whole of it", remedy="Copy it once more")
    server, secret = (z85.encode(raw[at : at + _KEY_BYTES]).decode("ascii") for at in (0, _KEY_BYTES))
    return Code(url=url, server_key=server, secret=secret)


def live_codes(folder: Path) -> dict[str, str]:
    """Public half → client's name, of the codes that can still be used; read anew at each call."""
    codes = {}
    for path in folder.glob("*.key"):
        try:
            public, until_s = key_words(path).get("public", ""), _until_s(path)
        except OSError:  # used just now
            continue
        if public and 0.0 <= until_s - time.time() <= CODE_S + 1.0:
            codes[public] = path.stem
    return codes


def withdraw_code(folder: Path, name: str) -> bool:
    """Make a code useless; False if it was so already. Of many at once only one gets True."""
    try:
        was_there = disk.unlink(folder / f"{name}.key")
        if was_there:
            disk.sync_folder(folder)  # a power cut must not make it good again
    except OSError as error:
        raise DiskError(f"The code cannot be used up ({error.strerror})", path=folder) from error
    return was_there


def join(home: Home, code: Code, *, name: str, timeout_s: float = _TIMEOUT_S) -> Endpoint:
    """Enter this user's own key at the daemon of a code, and remember that daemon as `name`.

    Raises DaemonLost if nobody answers to the code (used, too old, no way there, another daemon), UsageError,
    DiskError.
    """
    path = _remote_file(home, name)
    own = ensure_pair(home, "client")
    endpoint = Endpoint(url=code.url, server_key=code.server_key)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    connection = Connection(context, endpoint, keys=code.keys)
    hello = Hello(protocol_min=PROTOCOL_MIN, protocol_max=PROTOCOL_MAX, client="secondtake-pairing", pid=os.getpid())
    try:
        connection.hello(hello, timeout_s=timeout_s)
        answer = connection.ask(Pair(public=own.public), timeout_s=timeout_s)
    except DaemonLost as error:
        raise DaemonLost(
            "No daemon answers to this code: it was used, is too old, or the address cannot be reached",
            remedy="Make a new one on the daemon's machine: `secondtake clients pair`",
            path=code.url,
        ) from error
    finally:
        connection.close()
        context.destroy(linger=0)
    if isinstance(answer, Refused):
        raise error_from_body(answer.error)
    private_folder(path.parent)
    try:
        write_private(path, msgspec.json.encode(endpoint))
    except OSError as error:
        raise DiskError(f"The daemon cannot be remembered ({error.strerror})", path=path) from error
    return endpoint


def remote_endpoint(home: Home, name: str) -> Endpoint:
    """A daemon that was joined. Raises NotFound, UsageError."""
    path = _remote_file(home, name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Endpoint)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotFound(
            f"No daemon '{name}' was joined", remedy="Join it with `secondtake clients join`", path=path
        ) from error


def _remote_file(home: Home, name: str) -> Path:
    return home.config / "daemons" / f"{check_name(name)}.json"


def _until_s(path: Path) -> float:
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        word, _, number = line.partition(" ")
        if word == _UNTIL and number.isdecimal():
            return float(number[:20])
    return 0.0


def _check(raw: bytes) -> bytes:
    return blake3(raw).digest(length=_CHECK_BYTES)
