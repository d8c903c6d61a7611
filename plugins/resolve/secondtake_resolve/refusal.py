"""What cannot be done, said to the artist in one line with what to do about it."""

from __future__ import annotations

__all__ = ["Cancelled", "Refusal"]


class Cancelled(Exception):
    """The artist does not want it any more. All was put back."""


class Refusal(Exception):
    """Nothing was altered, or all was put back. `str()` is the line that the artist reads."""

    def __init__(self, message: str, *, remedy: str, path: str = "", other_way: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence: what is wrong. No full stop, no path."""
        self.remedy = remedy
        """What to do."""
        self.path = path
        self.other_way = other_way
        """The value of the `Route` that would go, if one would."""

    def __str__(self) -> str:
        return ". ".join(text for text in (self.message, self.remedy, self.path) if text)
