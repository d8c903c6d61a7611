"""Messages that go wrong: the golden examples of docs/protocol.md, changed in their values, their shape or their bytes;
and a ZMTP peer (https://rfc.zeromq.org/spec/23/) that can say anything.
"""

from __future__ import annotations

import random
import re
import socket
from pathlib import Path

import msgspec
from hypothesis import strategies as st

__all__ = [
    "GREETING",
    "READY",
    "bodies",
    "golden",
    "message",
    "mutated_bytes",
    "open_socket",
    "shake_hands",
    "strange_values",
]

_DOC = Path(__file__).parents[2] / "docs" / "protocol.md"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
"""ZMTP 3.1, mechanism NULL, as a client."""
READY = b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"


def golden(section: str) -> list[bytes]:
    """The examples of `Questions` or `Answers`."""
    text = _DOC.read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert found is not None
    return [line.encode() for line in re.findall(r"```json\n(.*)\n```", found[1])]


strange_values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["", "0" * 32, "../x", "/", "\0", "\u202e", "a" * 5000, "1-99999999999", "1-9x0", "%d", "con"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=5,
)


@st.composite
def bodies(draw: st.DrawFn, section: str = "Questions") -> bytes:
    """A golden example with a field or two of strange value, missing, or foreign; a few with their bytes hurt."""
    tree: Json = msgspec.json.decode(draw(st.sampled_from(golden(section))))
    for _ in range(draw(st.integers(1, 3))):
        tree = _changed(draw, tree)
    body = msgspec.json.encode(tree)
    if draw(st.integers(0, 3)) == 0:
        body = mutated_bytes(body, random.Random(draw(st.integers(0, 2**32))))
    return body


def _changed(draw: st.DrawFn, tree: Json) -> Json:
    """One change, here or deeper."""
    if isinstance(tree, dict) and tree:
        name = draw(st.sampled_from(sorted(tree)))
        how = draw(st.sampled_from(("deeper", "deeper", "deeper", "drop", "add", "kind")))
        if how == "drop":
            return {key: value for key, value in tree.items() if key != name}
        if how == "add":
            return {**tree, draw(st.text(max_size=8)): draw(strange_values)}
        if how == "kind" and "kind" in tree:
            return {
                **tree,
                "kind": draw(st.sampled_from(["submit", "watch", "cancel", "hello", "pair", "event", "ok"])),
            }
        return {**tree, name: _changed(draw, tree[name])}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        return [*tree[1:], _changed(draw, tree[0])] * draw(st.integers(0, 3))
    return draw(strange_values)


def mutated_bytes(data: bytes, dice: random.Random) -> bytes:
    """Cut, with bytes changed, put in, left out, or said twice."""
    hurt = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        if not hurt:
            break
        at, length = dice.randrange(len(hurt)), dice.randint(1, 8)
        match dice.randrange(6):
            case 0:
                del hurt[at:]
            case 1:
                hurt[at] = dice.randrange(256)
            case 2:
                hurt[at] ^= 1 << dice.randrange(8)
            case 3:
                hurt[at:at] = dice.randbytes(length)
            case 4:
                del hurt[at : at + length]
            case 5:
                hurt[at:at] = hurt[at : at + 64]
    return bytes(hurt)


def message(*frames: bytes) -> bytes:
    """A multipart message on the wire of ZMTP 3."""
    said = b""
    for number, frame in enumerate(frames, start=1):
        more, long = number < len(frames), len(frame) > 255
        size = len(frame).to_bytes(8 if long else 1, "big")
        said += bytes([more | (long << 1)]) + size + frame
    return said


def open_socket(url: str) -> socket.socket:
    """A plain socket to an endpoint, without ZeroMQ."""
    kind, _, address = url.partition("://")
    if kind == "ipc":
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(5.0)
        try:
            plain.connect(address)
        except OSError:
            plain.close()
            raise
        return plain
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=5.0)


def shake_hands(plain: socket.socket) -> None:
    """Greet, and wait until the other end is ready: what is said before that is an error."""
    plain.sendall(GREETING + READY)
    heard = b""
    while b"READY" not in heard:
        heard += (more := plain.recv(4096))
        assert more, heard
