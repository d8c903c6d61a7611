"""What the tests of the operations share: a home with a tiny model installed, and the command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from secondtake_daemon.models import shelf

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "diffusion")]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VACE with random weights, as diffusers writes it. Do not write into it."""
    torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")
    torch.set_num_threads(1)  # threads that wait for each other cost ten times what so small a model does
    from tiny import save_vace

    return save_vace(tmp_path_factory.mktemp("models") / "tiny-vace")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A folder of models' records with the engine `tiny`."""
    root = tmp_path_factory.mktemp("records")
    add_tiny(root, tiny_folder)
    return root


@pytest.fixture(scope="module")
def model_home(make_home: Callable[[], AbstractContextManager[Path]], tiny_folder: Path) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of a file, with the engine `tiny`."""
    with make_home() as root, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")
        add_tiny(root / "data" / "models", tiny_folder)
        yield root


def add_tiny(models: Path, folder: Path) -> None:
    """The engine `tiny`: windows of 8 frames with handles of 4 and 5."""
    shelf.add(
        models,
        folder,
        name="tiny",
        licence="",
        licence_accepted=True,
        settings={"steps": "2", "prompt_tokens": "32", "longest": "17", "head": "4", "tail": "5"},
        step=lambda _done, _total: None,
    )
