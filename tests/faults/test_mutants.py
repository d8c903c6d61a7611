"""The classical faults of storage code, seeded on purpose (`mutants`): the checks of this folder must see each.

Those of journal, queue and roots are in `test_mutants_of_the_daemon.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from checker import MOMENTS, Checker
from mutants import MUTANTS
from scenarios import Place
from server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")

SEED = 17
DRAW = 12
"""States after each step: of a program without fsync there are tens of thousands."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.started() as server:
        yield server


@pytest.mark.parametrize("name", MUTANTS)
def test_a_seeded_fault_is_seen(server: Server, place: Place, tmp_path: Path, name: str) -> None:
    checker = Checker(server, place, MUTANTS[name].scenario, mutant=name)
    cuts = checker.cut_states(checker.record(tmp_path / "steps"), draw=DRAW, seed=SEED)
    kills = ((call, moment) for call in range(checker.calls) for moment in MOMENTS)
    found = next(chain(checker.after_cuts(cuts, recover=False), checker.after_kills(kills)), None)
    print(found)
    assert found is not None, "nothing was seen"
