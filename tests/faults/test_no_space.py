"""ENOSPC at every call that changes the disk, and at every tenth from each of the first ten on: a typed error, nothing
half written, and done again all is well."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from checker import Checker, sample
from scenarios import SCENARIOS, Place
from server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")

SEED = 13
QUICK = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.started() as server:
        yield server


def points_of(checker: Checker) -> list[tuple[int, int]]:
    return [*((call, 0) for call in range(checker.calls)), *((call, 10) for call in range(10))]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_space_at_a_call(server: Server, place: Place, name: str) -> None:
    checker = Checker(server, place, name)
    print(f"seed {SEED}")
    assert list(checker.after_full(sample(points_of(checker), QUICK, seed=SEED))) == []


@pytest.mark.faults
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_space_at_every_call(server: Server, place: Place, name: str) -> None:
    checker = Checker(server, place, name)
    assert list(checker.after_full(points_of(checker))) == []
