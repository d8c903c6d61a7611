"""Runs a scenario into every fault of a kind, recovers, and says what was wrong: used on the product, where nothing may
be, and on mutants of it, where something must."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from power_cut import State, Step, states
from scenarios import SCENARIOS, Place, Scenario, Tree, restore, snapshot
from server import DONE, FAILED, KILLED, Answer, Order, Server

__all__ = ["MOMENTS", "Checker", "Fault", "sample"]

Thing = TypeVar("Thing")

MOMENTS = ("before", "middle", "after")
_SAME = (".exr", ".supports")


@dataclass(frozen=True)
class Fault:
    """Something that was wrong, and where."""

    where: str
    what: str


class Checker:
    """Of one scenario. mutant: a fault that is seeded in what is checked; recovery is always the product's."""

    def __init__(self, server: Server, place: Place, name: str, *, mutant: str = "") -> None:
        self._server = server
        self._place = place
        self._scenario: Scenario = SCENARIOS[name]
        self._order = Order(scenario=name, root=str(place.root), shot=str(place.shot))
        self._mutant = mutant
        self._run(prepare=True)
        self._before: Tree = snapshot(place.root)
        self.calls = self._run().calls
        """How many calls it makes, undisturbed."""
        self._wanted = _pictures(snapshot(place.root))

    def record(self, file: Path) -> list[Step]:
        """The calls that it makes."""
        restore(self._place.root, self._before)
        assert self._run(record=str(file), mutant=self._mutant).status == DONE
        return msgspec.msgpack.decode(file.read_bytes(), type=list[Step])

    def cut_states(self, steps: list[Step], *, draw: int = 0, seed: int = 0) -> list[State]:
        """What a power cut may leave: see `power_cut.states`."""
        cache_too = self._scenario.name == "patch"
        return list(states(self._before, steps, cache_too=cache_too, draw=draw, seed=seed))

    def after_kills(self, points: Iterable[tuple[int, str]]) -> Iterator[Fault]:
        """points: number of the call, and moment."""
        for call, moment in points:
            restore(self._place.root, self._before)
            answer = self._run(call=call, moment=moment, mutant=self._mutant)
            where = f"{self._scenario.name}: killed {moment} call {call}"
            if answer.status == KILLED:
                yield from self._faults(where, acknowledged=False)
            else:  # threads make the calls in another order, and sometimes one less
                yield from self._unless(answer.status == DONE, where, answer.error)

    def after_cuts(self, cuts: Iterable[State], *, recover: bool = True) -> Iterator[Fault]:
        """What is found after a power cut. recover: and after recovery."""
        for cut in cuts:
            restore(self._place.root, cut.tree)
            where = f"{self._scenario.name}: cut after step {cut.at}"
            yield from self._faults(where, acknowledged=cut.is_acknowledged, recover=recover)

    def after_full(self, points: Iterable[tuple[int, int]]) -> Iterator[Fault]:
        """points: number of the first call that fails with "no space left", and of the calls from one to the next."""
        for call, each in points:
            restore(self._place.root, self._before)
            answer = self._run(call=call, each=each, moment="fail", mutant=self._mutant)
            where = f"{self._scenario.name}: disk full at call {call} and each {each}"
            yield from self._unless(answer.status in (DONE, FAILED), where, answer.error)
            yield from self._unless(answer.error in ("", "disk", "bad_output"), where, answer.error)
            yield from self._faults(where, acknowledged=answer.status == DONE)

    def after_eio(self, points: Iterable[tuple[float, int]]) -> Iterator[tuple[Answer, list[Fault]]]:
        """points: share of calls that fail with EIO, and seed."""
        for share, seed in points:
            restore(self._place.root, self._before)
            answer = self._run(eio=share, seed=seed, mutant=self._mutant)
            where = f"{self._scenario.name}: EIO in {share:.1%} of all calls, seed {seed}"
            typed = self._unless(answer.status in (DONE, FAILED), where, answer.error)
            yield answer, [*typed, *self._faults(where, acknowledged=answer.status == DONE)]

    def _faults(self, where: str, *, acknowledged: bool, recover: bool = True) -> Iterator[Fault]:
        yield from (Fault(where, what) for what in self._scenario.moment(self._place, acknowledged=acknowledged))
        if not recover:
            return
        answer = self._run()
        yield from self._unless(answer.status == DONE, f"{where}, recovery", answer.error)
        yield from (Fault(f"{where}, recovered", what) for what in self._scenario.settled(self._place))
        same = _pictures(snapshot(self._place.root)) == self._wanted
        yield from self._unless(same, f"{where}, recovered", "other bytes than undisturbed")

    def _unless(self, is_right: bool, where: str, what: str) -> Iterator[Fault]:
        if not is_right:
            yield Fault(where, what)

    def _run(self, **values: object) -> Answer:
        return self._server.run(msgspec.structs.replace(self._order, **values))


def sample(things: list[Thing], count: int, *, seed: int) -> list[Thing]:
    """Some of them, in their order; all if there are not more."""
    if len(things) <= count:
        return things
    chosen = sorted(random.Random(seed).sample(range(len(things)), count))
    return [things[at] for at in chosen]


def _pictures(tree: Tree) -> Tree:
    return {name: data for name, data in tree.items() if name.endswith(_SAME)}
