"""What this Resolve can do, by product, version and edition; said in one sentence. Pure.

Free from 21.1 on has no Python at all, so no line of this runs there: its scripts are the Lua importer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .refusal import Refusal

__all__ = ["Edition", "detect"]

_OLDEST = (18, 5)
_NO_PANEL_SINCE = (19, 1)
_NO_PYTHON_SINCE = (21, 1)


@dataclass(frozen=True)
class Edition:
    """One Resolve."""

    version: tuple[int, int, int]
    is_studio: bool

    @property
    def has_panel(self) -> bool:
        """Whether UIManager may be used; elsewhere it opens a box that says it may not."""
        return self.is_studio or self.version[:2] < _NO_PANEL_SINCE

    @property
    def name(self) -> str:
        """`DaVinci Resolve Studio 20.3.2`."""
        return f"DaVinci Resolve{' Studio' if self.is_studio else ''} {'.'.join(map(str, self.version))}"

    @property
    def words(self) -> str:
        """What goes here, in one sentence."""
        if self.is_studio:
            return f"{self.name}: everything goes"
        if self.version[:2] >= _NO_PYTHON_SINCE:
            return f"{self.name} runs no Python: export the range and bring the take in by hand, as the manual says"
        shape = "the panel" if self.has_panel else "plain windows instead of the panel"
        return f"{self.name}: fixes and takes go, with {shape}"


def detect(*, product: str, version: Sequence[object], is_studio: bool | None = None) -> Edition:
    """The edition from `GetProductName`, `GetVersion` and, where there is one, `IsStudio`. Raises Refusal.

    The place it was installed in says nothing about it.
    """
    numbers = [part for part in version[:3] if isinstance(part, int)]
    if "DaVinci Resolve" not in product or len(numbers) < 2:
        raise Refusal(
            "This does not run inside DaVinci Resolve", remedy="Start it from Workspace, Scripts, Second Take"
        )
    whole = (numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 0)
    found = Edition(version=whole, is_studio=product.endswith("Studio") if is_studio is None else is_studio)
    if found.version[:2] < _OLDEST:
        raise Refusal(f"{found.name} is too old", remedy=f"Update it to {_OLDEST[0]}.{_OLDEST[1]} or newer")
    return found
