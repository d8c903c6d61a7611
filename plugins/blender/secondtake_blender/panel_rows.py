"""Rows that panels have in common."""

from __future__ import annotations

import textwrap

from .compat import Rna

__all__ = ["wrapped"]


def wrapped(layout: Rna, text: str, width: int, *, icon: str = "NONE") -> None:
    """One line of words over as many rows as the panel is narrow; width in letters."""
    for place, line in enumerate(textwrap.wrap(text, max(width, 12)) or [""]):
        layout.label(text=line, icon=icon if place == 0 else "BLANK1" if icon != "NONE" else "NONE")
