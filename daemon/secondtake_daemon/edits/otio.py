"""The door to OpenTimelineIO, which is loaded only when a timeline is read or written."""

from __future__ import annotations

from types import ModuleType

from secondtake.errors import BadInput

__all__ = ["KEY", "load_otio"]

KEY = "secondtake"
"""Our key in the metadata of clips and timelines, and the name of our markers."""


def load_otio(path: object) -> ModuleType:
    """The library. path: the timeline it is wanted for. Raises BadInput if it is not installed."""
    try:
        import opentimelineio
    except ImportError as error:
        raise BadInput(
            "Timelines need the package opentimelineio, which is not installed",
            remedy="Install it with `pip install opentimelineio`, or give the edit as TOML",
            path=path,
        ) from error
    module: ModuleType = opentimelineio
    return module
