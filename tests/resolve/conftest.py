"""What the tests of the Resolve plugin share: the repaired stub, the contract, a world with a clip in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from secondtake import host

sys.modules.setdefault("secondtake_resolve.host", host)  # installed, it lies beside the plugin

import stubs
from desk import write_launcher
from standin.exr_file import write_exr
from standin.spec import Contract, read_contract
from standin.world import World


@pytest.fixture(scope="session")
def stub_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repaired stub, made anew."""
    return stubs.write(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="session")
def contract(stub_file: Path) -> Contract:
    """All that Resolve documents."""
    return read_contract(stub_file)


@pytest.fixture
def make_world(contract: Contract) -> Callable[..., World]:
    """A Resolve of some version and edition, with an empty timeline."""

    def make(**choices: Any) -> World:
        return World(contract, **choices)

    return make


@pytest.fixture(scope="module")
def shared_home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """A home with a launcher file, and the one daemon that the first fix of a module starts there."""
    with make_home() as root:
        write_launcher(root)
        yield root


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Sixteen real frames, 1001-1016, in a folder with a name that is neither ASCII nor without spaces."""
    folder = tmp_path / "Rushes é 1"
    folder.mkdir()
    for frame in range(1001, 1017):
        write_exr(
            folder / f"sh010.{frame:04d}.exr", (64, 36), lambda x, y, f=frame: (0.1 + (x + f) % 16 / 32, 0.3, 0.2)
        )
    return folder
