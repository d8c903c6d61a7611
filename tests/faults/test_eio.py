"""A disk that fails with EIO now and then (libfiu, `flaky`), in every call of the C library: a job ends with a typed
error or with the right bytes, and never with a wrong frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from checker import Checker, Fault
from flaky import REASON, environment
from scenarios import SCENARIOS, Place
from server import Server

pytestmark = [pytest.mark.skipif(bool(REASON), reason=REASON), pytest.mark.faults]

SHARES = (0.001, 0.003, 0.01, 0.05)
QUICK, ALL = 2, 25
_MET = "OSError: [Errno 5]"
"""What Python itself meets, in a module that it loads late, say: the worker makes an `engine_fault` of it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.started(environment=environment()) as server:
        yield server


def run(server: Server, place: Place, name: str, seeds: range) -> Counter[str]:
    """How often it ended how. Seeds are fixed: those here, and any that ever failed."""
    ends, faults = Counter[str](), list[Fault]()
    for answer, found in Checker(server, place, name).after_eio([(share, seed) for share in SHARES for seed in seeds]):
        print(answer, flush=True)
        ends[answer.error if len(answer.error) < 40 else "engine_fault"] += 1
        faults += [fault for fault in found if not fault.what.rstrip().rpartition("\n")[2].startswith(_MET)]
    assert faults == []
    return ends


def test_a_take_is_right_or_not_there(server: Server, place: Place) -> None:
    ends = run(server, place, "make", range(QUICK))
    assert set(ends) <= {
        "",
        "disk",
        "bad_image",
        "bad_matte",
        "engine_fault",
        "bad_output",
        "not_found",
        "missing_frames",
    }
    assert len(ends) > 1, "nothing failed"


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "make"])
def test_so_are_the_small_files(server: Server, place: Place, name: str) -> None:
    run(server, place, name, range(QUICK))


@pytest.mark.timeout(600)
def test_many_takes(server: Server, place: Place) -> None:
    run(server, place, "make", range(QUICK, ALL))


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "make"])
def test_many_small_files(server: Server, place: Place, name: str) -> None:
    run(server, place, name, range(QUICK, ALL))
