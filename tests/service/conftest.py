"""A home for real daemons that leaves no process behind."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from places import Place


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in [name for name in os.environ if name.startswith("SECONDTAKE_")]:
        monkeypatch.delenv(name)
    # A socket's path has at most 107 bytes, so not pytest's own deep folder.
    place = Place(Path(tempfile.mkdtemp(prefix="stt-")).resolve())
    yield place
    place.close()
