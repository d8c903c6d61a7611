"""What the attacks need: a home with a daemon, on request with one that listens on tcp."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "images"))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
sys.path.insert(0, str(Path(__file__).parent))
from attackers import Net
from places import Place


@pytest.fixture
def place(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.delenv("SECONDTAKE_HOME")
    place = Place(Path(tempfile.mkdtemp(prefix="sts-")).resolve())
    yield place
    place.close()


@pytest.fixture
def net(place: Place) -> Net:
    return Net(place)


@pytest.fixture
def make_net(place: Place) -> Callable[..., Net]:
    return lambda **settings: Net(place, **settings)
