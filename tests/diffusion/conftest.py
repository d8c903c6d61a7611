"""Tiny models, built once a run: no test here needs a download."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from studio import Studio

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of VACE with random weights, as diffusers writes it. Do not write into it."""
    torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")
    torch.set_num_threads(1)  # threads that wait for each other cost ten times what so small a model does
    from tiny import save_vace

    yield save_vace(tmp_path_factory.mktemp("models") / "tiny-vace")


@pytest.fixture(scope="module")
def home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of a file: a worker that has the model in memory keeps it."""
    with make_home() as root, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")
        yield root


@pytest.fixture
def studio(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    tiny_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Studio:
    """The shot, and the tiny model as the engine `tiny`."""
    from studio import Studio, added

    monkeypatch.setenv("SECONDTAKE_HOME", str(home))
    if not (home / "data" / "models" / "tiny.json").exists():
        ran = added(tiny_folder, "tiny", "--accept-licence")
        assert ran.status == 0, ran.err
    return Studio(tmp_path_factory.mktemp("studio"), home, "tiny")
