"""A small shot that all tests here share, and the modules beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
sys.path.insert(0, str(Path(__file__).parent))
from exr_shots import write_shot
from load_place import ground  # noqa: F401 — a fixture
from scenarios import FRAMES, LAYOUT, Place


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a plate and its matte; nobody writes there."""
    root = tmp_path_factory.mktemp("shot")
    write_shot(root, LAYOUT, FRAMES)
    return root


@pytest.fixture
def place(shot: Path, tmp_path: Path) -> Place:
    root = tmp_path / "place"
    root.mkdir()
    return Place(root=root, shot=shot)
