"""What cannot be done, said to the artist in one line with what to do about it."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """Nothing was altered. `str()` is the line that a panel shows."""

    def __init__(self, message: str, *, remedy: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        """One sentence: what is wrong. No full stop, no path."""
        self.remedy = remedy
        """What to do."""
        self.path = path

    def __str__(self) -> str:
        return ". ".join(filter(None, (self.message, self.remedy, self.path)))
