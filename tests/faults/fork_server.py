"""Does a scenario in a process of its own, which may be killed on the way: orders on stdin.

It has loaded everything and runs nothing itself, so a fork is as good as a new process and fifty times faster.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.insert(0, str(Path(__file__).parent))
import msgspec
from calls import Counter, Fail, Kill, put_around
from flaky import flaky
from mutants import MUTANTS
from power_cut import Recorder
from scenarios import SCENARIOS, Place
from server import DONE, FAILED, Answer, Order

from secondtake.errors import SecondTakeError

_LIMIT_S = 10


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin.buffer:
        answer = _fork(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def _fork(order: Order) -> Answer:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.alarm(_LIMIT_S)
        faulthandler.dump_traceback_later(_LIMIT_S - 1)
        os.dup2(2, 1)  # image libraries print there
        status = _act(order, write)
        os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    calls, _, error = said.partition(b" ")
    return Answer(status=os.waitstatus_to_exitcode(status), calls=int(calls or 0), error=error.decode())


def _act(order: Order, pipe: int) -> int:
    around, error = _around(order), ""
    scenario, place = SCENARIOS[order.scenario], Place(root=Path(order.root), shot=Path(order.shot))
    status = DONE
    try:
        if order.prepare:
            scenario.prepare(place)
        else:
            put_around(around)
            if order.mutant:
                MUTANTS[order.mutant].seed()
            with flaky(order.eio, seed=order.seed):
                scenario.act(place)
            if isinstance(around, Recorder):
                Path(order.record).write_bytes(msgspec.msgpack.encode(around.steps))
    except SecondTakeError as typed:
        status, error = FAILED, typed.code
    except BaseException:  # noqa: BLE001 — told to the test
        status, error = 1, traceback.format_exc()
    os.write(pipe, f"{around.calls} {error}".encode())
    return status


def _around(order: Order) -> Counter | Recorder:
    if order.record:
        return Recorder(Path(order.root))
    if order.moment == "fail":
        return Fail(lambda call: call == order.call or bool(order.each and call % order.each == order.call))
    return Kill(order.call, order.moment)


if __name__ == "__main__":
    main()
