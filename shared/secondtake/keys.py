"""CURVE key pairs (https://rfc.zeromq.org/spec/26) as small files of the user.

`config/keys/*.key` hold pairs (0600), `config/clients/*.key` the public halves of the clients that may connect by tcp.
A file has the lines `public <z85>` and, in a pair, `secret <z85>`.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq.utils import z85

from secondtake import disk
from secondtake.endpoint import write_private
from secondtake.errors import DiskError, Incompatible, NotFound, UsageError
from secondtake.home import Home, private_folder

__all__ = [
    "OWN_NAME",
    "KeyPair",
    "add_client",
    "allowed_keys",
    "check_name",
    "ensure_pair",
    "introduce_client",
    "is_key",
    "key_words",
    "named_keys",
    "read_pair",
    "revoke_client",
]

OWN_NAME = "this-user"
"""The file in `config/clients` with the key of this user's own clients."""
_KEY_CHARACTERS = 40
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class KeyPair(NamedTuple):
    """Both halves in z85. The representation hides the secret, so that no log can show it."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public='{self.public}', secret='…')"


def ensure_pair(home: Home, name: str) -> KeyPair:
    """The pair `config/keys/<name>.key`, made at first use. Raises DiskError, or Incompatible if it is damaged."""
    path = home.config / "keys" / f"{name}.key"
    private_folder(home.config)
    private_folder(path.parent)
    if not path.exists():
        public, secret = (half.decode("ascii") for half in zmq.curve_keypair())
        _write(path, f"public {public}\nsecret {secret}\n")
    return read_pair(path)


def introduce_client(home: Home) -> KeyPair:
    """The pair of this user's own clients, allowed at the daemon of the same home. Raises as ensure_pair."""
    pair = ensure_pair(home, "client")
    folder = home.config / "clients"
    private_folder(folder)
    if pair.public not in allowed_keys(folder):
        _write(folder / f"{OWN_NAME}.key", f"public {pair.public}\n")
    return pair


def read_pair(path: Path) -> KeyPair:
    """A pair from its file. Raises DiskError or Incompatible."""
    try:
        words = key_words(path)
    except OSError as error:
        raise DiskError(f"The key cannot be read ({error.strerror})", path=path) from error
    if not {"public", "secret"} <= words.keys():
        raise Incompatible("The key file is damaged", remedy="Delete it; a new pair is made", path=path)
    return KeyPair(words["public"], words["secret"])


def allowed_keys(folder: Path) -> frozenset[str]:
    """The public keys in a folder of `*.key` files, read anew at each call; a file that is none allows nobody."""
    return frozenset(named_keys(folder))


def named_keys(folder: Path) -> dict[str, str]:
    """Public key → name of its file, as `allowed_keys`."""
    keys: dict[str, str] = {}
    for path in sorted(folder.glob("*.key")):
        try:
            public = key_words(path).get("public", "")
        except OSError:  # deleted between the listing and the reading: revoked
            continue
        if public:
            keys[public] = path.stem
    return keys


def add_client(folder: Path, *, name: str, public: str) -> None:
    """Allow a client's key under a name. Raises UsageError if either is known already or unsound, DiskError."""
    check_name(name)
    if not is_key(public):
        raise UsageError("This is no public key", remedy="It has 40 characters, and stands in a `*.key` file")
    known = named_keys(folder)
    if public in known or name in known.values():
        who = known.get(public, name)
        raise UsageError(f"The client '{who}' is known already", remedy=f"Revoke it first, with its name: {who}")
    private_folder(folder)
    _write(folder / f"{name}.key", f"public {public}\n")


def revoke_client(folder: Path, *, name: str) -> None:
    """Allow a client no longer. Raises NotFound, UsageError for the user's own key, DiskError."""
    if name == OWN_NAME:
        raise UsageError("This key is your own, and would be back at the next start", remedy="Delete config/keys")
    path = folder / f"{check_name(name)}.key"
    try:
        was_there = disk.unlink(path)
        if was_there:
            disk.sync_folder(folder)  # a power cut must not bring it back
    except OSError as error:
        raise DiskError(f"The key cannot be removed ({error.strerror})", path=path) from error
    if not was_there:
        raise NotFound(f"No client has the name '{name}'", remedy="See `secondtake clients list`")


def check_name(name: str) -> str:
    """The same name. Raises UsageError if no file should have it."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name[:64]}' cannot be a name here", remedy="Use small letters, digits, '.', '_' and '-', at most 64"
        )
    return name


def is_key(text: str) -> bool:
    """True for 32 bytes in z85."""
    if len(text) != _KEY_CHARACTERS or not text.isascii() or not text.isprintable():
        return False
    try:
        return len(z85.decode(text.encode("ascii"))) == 32
    except (ValueError, KeyError, struct.error):
        return False


def key_words(path: Path) -> dict[str, str]:
    """The lines of a key file, each a word and a key; others are left out. Raises OSError."""
    lines = (line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    return {pair[0]: pair[1] for pair in lines if len(pair) == 2 and len(pair[1]) == _KEY_CHARACTERS}


def _write(path: Path, text: str) -> None:
    try:
        write_private(path, text.encode("ascii"))
    except OSError as error:
        raise DiskError(f"The key cannot be written ({error.strerror})", path=path) from error
