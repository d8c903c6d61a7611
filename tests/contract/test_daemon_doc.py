"""docs/daemon.md names every setting with its default, its variable and its meaning."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from pathlib import Path

import msgspec

from secondtake_daemon.settings import Settings

DOC = (Path(__file__).parents[2] / "docs" / "daemon.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| `(.+?)` \| `(SECONDTAKE_\w+)` \| (.+) \|$", DOC, re.M)


def test_every_setting_is_described_and_no_other() -> None:
    assert [row[0] for row in ROWS] == list(Settings.__struct_fields__)


def test_defaults_and_variables() -> None:
    for name, default, variable, _ in ROWS:
        assert msgspec.toml.decode(f"x = {default}")["x"] == msgspec.to_builtins(getattr(Settings(), name)) or (
            default == "[]" and getattr(Settings(), name) == ()
        )
        assert variable == "SECONDTAKE_" + name.upper()


def test_meaning_is_the_one_in_the_code() -> None:
    body = ast.parse(inspect.getsource(Settings)).body[0].body
    said = {
        field.target.id: text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    for name, _, _, meaning in ROWS:
        first = said[name].split(";")[0].split(" ")[:4]
        assert meaning.split(" ")[:4] == first, name
