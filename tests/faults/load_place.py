"""A fixture: a home for real daemons that leaves no process behind, as the tests of the service have it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Place

__all__ = ["ground"]


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With the scripted worker, until `settings` names another."""
    for name in [name for name in os.environ if name.startswith("SECONDTAKE_")]:
        monkeypatch.delenv(name)
    # A socket's path has at most 107 bytes, so not pytest's own deep folder.
    place = Place(Path(tempfile.mkdtemp(prefix="stf-")).resolve())
    yield place
    place.close()
