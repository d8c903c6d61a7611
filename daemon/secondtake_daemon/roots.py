"""Which files jobs may name: only those under the allowed roots, after symbolic links are followed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from secondtake.errors import BadInput

__all__ = ["require_inside"]


def require_inside(path: Path, roots: Sequence[Path]) -> None:
    """Raise BadInput if the path leads outside of all roots. roots: resolved; none allows everything."""
    if not roots:
        return
    real = path.resolve()
    if not any(real.is_relative_to(root) for root in roots):
        raise BadInput("The path lies outside the daemon's roots", remedy="Change 'roots' in its settings", path=path)
