"""Words of the command line as the daemon and files can take them."""

from __future__ import annotations

import os

from secondtake.errors import UsageError

__all__ = ["absolute_path", "as_text"]


def absolute_path(path: str) -> str:
    """A path of the command line, from the root. Raises UsageError."""
    if not path:
        raise UsageError("A path is empty", remedy="Check what was meant to be there")
    # Not resolve(): a link to the footage store keeps the name that the artist knows.
    return os.path.abspath(os.path.expanduser(as_text("The path", path)))  # noqa: PTH100, PTH111


def as_text(what: str, text: str) -> str:
    """Text as it can travel: messages and JSON are UTF-8. Raises UsageError that begins with `what`."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what} holds bytes that are no UTF-8", remedy="Rename it", path=text) from None
    return text
