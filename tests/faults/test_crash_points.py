"""SIGKILL before and after every call that changes the disk, and in the middle of every write. Then: nothing half under
its final name; and after recovery nothing left over, and the bytes of an undisturbed run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from checker import MOMENTS, Checker, sample
from scenarios import SCENARIOS, Place
from server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")

SEED = 7
QUICK = 12
"""Of the points of making a take, in a quick run; of the others all."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.started() as server:
        yield server


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_a_call(server: Server, place: Place, name: str) -> None:
    checker = Checker(server, place, name)
    points = [(call, moment) for call in range(checker.calls) for moment in MOMENTS]
    assert points
    print(f"{len(points)} points, seed {SEED}")
    chosen = sample(points, QUICK, seed=SEED) if name == "make" else points
    assert list(checker.after_kills(chosen)) == []


@pytest.mark.parametrize("call", [8, 9, 13, 14, 38])
def test_killed_where_something_was_left_once(server: Server, place: Place, call: int) -> None:
    """Fixed seeds: ledger, patch and take.json each left their part file behind."""
    checker = Checker(server, place, "make")
    assert list(checker.after_kills([(call, "after")])) == []


@pytest.mark.faults
def test_killed_at_every_call_of_a_take(server: Server, place: Place) -> None:
    checker = Checker(server, place, "make")
    points = [(call, moment) for call in range(checker.calls) for moment in MOMENTS]
    assert list(checker.after_kills(points)) == []
