"""The tree that `secondtake takes` draws."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from secondtake.messages import Knowledge
from secondtake_daemon.cli.tree import grow, row
from secondtake_daemon.takes.notes import NO_NOTES, Notes
from secondtake_daemon.takes.registry import Entry


def entry(take: str, parent: str = "", *, made: int = 0, shot: str = "sh", **values: object) -> Entry:
    moment = datetime.fromtimestamp(made, UTC).isoformat(timespec="milliseconds")
    return Entry(take=take, shot=shot, made=moment, folder="/x", frames=2, engine="standin", parent=parent, **values)


def drawn(*entries: Entry) -> list[str]:
    newest_first = sorted(entries, key=lambda one: one.made, reverse=True)
    return [f"{twig.branch}{twig.entry.take}" for twig in grow(newest_first)]


def test_children_stand_below_their_parent_oldest_first() -> None:
    found = drawn(
        entry("a", made=1),
        entry("b", "a", made=2),
        entry("c", "a", made=3),
        entry("d", "b", made=4),
        entry("e", "d", made=5),
        entry("f", "b", made=6),
        entry("g", made=7),
        entry("other", made=9, shot="sh2"),
    )
    assert found == ["other", "a", "├ b", "│ ├ d", "│ │ └ e", "│ └ f", "└ c", "g"]


def test_a_line_longer_than_the_stack() -> None:
    takes = [entry(f"t{number}", f"t{number - 1}" if number else "", made=10_000 + number) for number in range(3000)]
    assert len(drawn(*takes)) == 3000


def test_what_a_line_says(tmp_path: Path) -> None:
    take = entry(
        "tb",
        "gone",
        operation="replace",
        instruction="a hat that is much, much too large for him to wear",
        revises="ta",
        knowledge=Knowledge(seen=3, carried=1, invented=0),
    )
    (twig,) = grow([take])
    cells = row(twig, Notes(name="hat", note="for the client", starred=True))
    what = 'replace "a hat that is much, much too large for…", again for ta, on gone, by standin'
    assert cells == (
        "tb *", "sh", "hat: for the client", 2, what, "75 % seen, 25 % carried, 0 % invented",
        datetime.fromtimestamp(0).strftime("%Y-%m-%d %H:%M"), "(gone)",
    )  # fmt: skip
    assert row(twig, NO_NOTES)[0] == "tb"


def test_a_list_of_an_older_version() -> None:
    (twig,) = grow([entry("ta")])
    assert row(twig, NO_NOTES)[4] == "by standin"
