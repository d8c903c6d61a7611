"""What must survive a crash is written by one module, or the tests of this folder would not see it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOTS = [Path(__file__).parents[2] / folder for folder in ("shared/secondtake", "daemon/secondtake_daemon")]
CALLS = {"fsync", "replace", "rename", "link", "renames", "mkstemp", "hardlink_to"}
ON = {"os", "tempfile"}
"""`replace` of these only: text, datetime and structs have one too."""

ELSEWHERE = {
    "cli/doctor_home.py": "`doctor` tries out a folder",
    "engines/temporal/stored.py": "measurements in a job's scratch; a damaged file is a miss",
    "review/staging.py": "a folder appears whole; its files went through store.io",
    "service/log.py": "logs are put aside",
    "service/metrics.py": "figures that are out of date in 15 s",
    "service/migrations.py": "SQLite writes the backup itself; synced and renamed as in store.io",
    "store/cache.py": "a movie is taken out of the way before it is removed",
    "tracking/folder.py": "mattes are put in their place; their files went through store.io",
}


def writers(path: Path) -> Iterator[str]:
    """Calls that give a file its name, or make it durable."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS):
            continue
        owner = node.func.value
        is_module = isinstance(owner, ast.Name) and owner.id in ON
        is_path_call = node.func.attr in ("rename", "replace") and len(node.args) == 1 and not node.keywords
        if is_module or is_path_call or node.func.attr == "hardlink_to":
            yield f"{node.lineno}: {ast.unparse(node)}"


def modules() -> Iterator[tuple[str, Path]]:
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            yield path.relative_to(root).as_posix(), path


def test_nobody_else_renames_or_syncs() -> None:
    found = {name: list(writers(path)) for name, path in modules() if name != "disk.py"}
    assert {name: calls for name, calls in found.items() if calls and name not in ELSEWHERE} == {}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_exceptions_are_still_some(name: str) -> None:
    (path,) = [path for each, path in modules() if each == name]
    assert list(writers(path))
