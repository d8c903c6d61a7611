"""CURVE key pairs (https://rfc.zeromq.org/spec/26) as small files of the user.

`config/keys/*.key` hold pairs (0600), `config/clients/*.key` the public halves of the clients that may connect by tcp.
A file has the lines `public <z85>` and, in a pair, `secret <z85>`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import zmq

from secondtake.endpoint import write_private
from secondtake.errors import DiskError, Incompatible
from secondtake.home import Home, private_folder

__all__ = ["KeyPair", "allowed_keys", "ensure_pair", "introduce_client", "read_pair"]

_KEY_CHARACTERS = 40


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
        _write(folder / "this-user.key", f"public {pair.public}\n")
    return pair


def read_pair(path: Path) -> KeyPair:
    """A pair from its file. Raises DiskError or Incompatible."""
    try:
        words = _words(path)
    except OSError as error:
        raise DiskError(f"The key cannot be read ({error.strerror})", path=path) from error
    if not {"public", "secret"} <= words.keys():
        raise Incompatible("The key file is damaged", remedy="Delete it; a new pair is made", path=path)
    return KeyPair(words["public"], words["secret"])


def allowed_keys(folder: Path) -> frozenset[str]:
    """The public keys in a folder of `*.key` files, read anew at each call; a file that is none allows nobody."""
    keys: set[str] = set()
    for path in folder.glob("*.key"):
        try:
            keys.add(_words(path).get("public", ""))
        except OSError:  # deleted between the listing and the reading: revoked
            continue
    return frozenset(keys - {""})


def _words(path: Path) -> dict[str, str]:
    lines = (line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    return {pair[0]: pair[1] for pair in lines if len(pair) == 2 and len(pair[1]) == _KEY_CHARACTERS}


def _write(path: Path, text: str) -> None:
    try:
        write_private(path, text.encode("ascii"))
    except OSError as error:
        raise DiskError(f"The key cannot be written ({error.strerror})", path=path) from error
