"""What OpenImageIO complains of. It quotes damaged files as they are, and its Python half cannot always read that."""

from __future__ import annotations

from typing import Protocol

__all__ = ["complaint"]


class _Complains(Protocol):
    def geterror(self) -> str: ...


def complaint(source: _Complains) -> str:
    """The last error of the module or of one of its images, which is forgotten by that; "" if there is none."""
    try:
        text = source.geterror()
    except UnicodeDecodeError as error:
        text = error.object.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
