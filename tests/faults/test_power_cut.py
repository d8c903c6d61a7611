"""Every legal state of the disk after a power cut at any step (`power_cut`), and recovery from it. What was
acknowledged is there in all of them; what is visible is whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checker import Checker, sample
from power_cut import Step, states
from scenarios import SCENARIOS, Place
from server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")

SEED = 11
QUICK = 25
"""Of the states of making a take, in a quick run; of the others all."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.started() as server:
        yield server


@pytest.mark.parametrize("name", SCENARIOS)
def test_recovers_from_a_cut(server: Server, place: Place, tmp_path: Path, name: str) -> None:
    checker = Checker(server, place, name)
    cuts = checker.cut_states(checker.record(tmp_path / "steps"))
    assert any(cut.is_acknowledged for cut in cuts)
    print(f"{len(cuts)} states, seed {SEED}")
    assert list(checker.after_cuts(sample(cuts, QUICK, seed=SEED))) == []


def test_what_was_acknowledged_is_there_in_every_state(server: Server, place: Place, tmp_path: Path) -> None:
    checker = Checker(server, place, "make")
    cuts = [cut for cut in checker.cut_states(checker.record(tmp_path / "steps")) if cut.is_acknowledged]
    assert list(checker.after_cuts(sample(cuts, QUICK, seed=SEED))) == []


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_recovers_from_every_cut_of_a_take(server: Server, place: Place, tmp_path: Path) -> None:
    checker = Checker(server, place, "make")
    cuts = checker.cut_states(checker.record(tmp_path / "steps"))
    assert len(cuts) > 300
    assert list(checker.after_cuts(cuts)) == []


# --- the model itself -------------------------------------------------------------------------------------------------


def trees(*steps: Step) -> list[dict[str, bytes | None]]:
    return [state.tree for state in states({}, list(steps)) if state.is_acknowledged]


WRITE, SYNC, NAME = Step("write", "a", data=b"1234"), Step("sync_file", "a"), Step("replace", "a", "b")


def test_data_that_was_not_synced_may_be_nothing_half_zeros_or_all() -> None:
    assert trees(WRITE, Step("sync_folder", "")) == [{"a": b""}, {"a": b"12"}, {"a": b"1234"}, {"a": bytes(4)}]


def test_a_name_may_be_lost_and_may_overtake_data() -> None:
    found = trees(WRITE, NAME)
    assert {} in found
    assert {"b": b"12"} in found
    assert {"a": b"1234"} in found


def test_what_was_synced_stays() -> None:
    assert trees(WRITE, SYNC, NAME, Step("sync_folder", "")) == [{"b": b"1234"}]


def test_names_in_one_folder_change_in_order() -> None:
    found = trees(*(Step("make_folder", name) for name in "xyz"))
    assert found == [{}, {"x": None}, {"x": None, "y": None}, {"x": None, "y": None, "z": None}]


def test_a_folder_that_was_lost_takes_along_what_is_in_it() -> None:
    steps = (
        Step("make_folder", "x"),
        Step("write", "x/a", data=b"1"),
        Step("sync_file", "x/a"),
        Step("sync_folder", "x"),
    )
    assert trees(*steps) == [{}, {"x": None, "x/a": b"1"}]
