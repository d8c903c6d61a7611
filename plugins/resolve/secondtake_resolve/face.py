"""What every window can do; which one there is depends on the edition and on the artist's Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .editions import Edition
from .form import Form

__all__ = ["Face", "open_face"]


class Face(Protocol):
    """A window. The flow is the same behind each."""

    def ask(self, form: Form) -> dict[str, str] | None:
        """Show a form; what was filled in, by the fields' keys, or None if the artist went away."""

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        """Let the artist choose; which one, or None."""

    def progress(self, words: str, share: float) -> bool:
        """Show how far it is; False once the artist has cancelled. Called 4 to 10 times a second; never waits."""
        ...

    def tell(self, lines: Sequence[str]) -> None:
        """Say something and wait until it was read."""

    def close(self) -> None:
        """Put the window away."""


def open_face(edition: Edition | None, *, fusion: Any, bmd: Any) -> Face:  # noqa: ANN401 — globals of a menu script
    """The best window there is: the panel, else Tk, else a text file in the artist's editor."""
    if edition is not None and edition.has_panel and fusion is not None and bmd is not None:
        from .face_panel import Panel

        panel = Panel.open(fusion, bmd)
        if panel is not None:
            return panel
    try:
        from .face_tk import TkFace

        return TkFace()
    except Exception:  # noqa: BLE001 — no Tk in this Python, or no screen; both raise what they like
        from .face_text import TextFace

        return TextFace()
