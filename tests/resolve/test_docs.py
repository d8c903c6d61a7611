"""docs/resolve.md says what the plugin does, and plainly what was not run in a real Resolve."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "resolve"
DOC = (ROOT / "docs" / "resolve.md").read_text(encoding="utf-8")
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
SOURCES = sorted(PLUGIN.rglob("*.py"))


def test_it_is_said_that_no_real_resolve_was_there() -> None:
    assert "Nothing of this has run in a real Resolve yet" in DOC
    assert "Nothing of this was run in a real Resolve yet" in README


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_are_of_the_oldest_python_and_import_nothing_from_elsewhere(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    known = {*sys.stdlib_module_names, "secondtake_resolve", "fusionscript", "DaVinciResolveScript"}
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert {name.partition(".")[0] for name in names} <= known


def test_only_one_folder_calls_resolve() -> None:
    called = re.compile(r"\.(?:Get|Set|Add|Delete|Append|Import|Open|Load|Save|Start|Stop|Select|Copy)[A-Z]\w+\(")
    others = [
        path for path in SOURCES if path.parent.name != "calls" and path.name not in ("smoke.py", "face_panel.py")
    ]
    found = {path.name for path in others if called.search(path.read_text(encoding="utf-8"))}
    assert found <= {"entry.py"}  # app.GetResolve()


def test_takes_are_never_finalised_and_queues_never_cleared() -> None:
    forbidden = ("FinalizeTake", "DeleteAllRenderJobs", "SaveProject", "SetSetting", "Quit")
    for path in (path for path in SOURCES if path.name != "smoke.py"):
        assert not [name for name in forbidden if f".{name}(" in path.read_text(encoding="utf-8")], path.name


def test_menu_scripts_are_short_verbs() -> None:
    for path in (PLUGIN / "Scripts" / "Second Take").iterdir():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        assert len(lines) <= 6, path.name
        assert path.name.split()[0] in ("Fix", "Bring", "Accept", "Open")


def test_names_in_the_manual_are_the_plugins() -> None:
    from secondtake_resolve.flow_bring_back import BIN, COLOUR, TRACK

    for words in (
        f"track `{TRACK}`",
        f"`{BIN}/<shot>`",
        COLOUR.lower(),
        "`FIX_…`",
        "SECONDTAKE_RESOLVE_FOLDER",
        "0.15 s",
    ):
        assert words in DOC, words


def test_the_manual_has_every_field_of_the_form() -> None:
    from test_fix_plan import SHOT

    from secondtake_resolve.form import make_form

    labels = [field.label for field in make_form(SHOT, odd=(), tracks=(), engines=(), last={}).fields]
    table = re.findall(r"^\| ([^|]+) \|", DOC.partition("| field |")[2].partition("\n\n")[0], flags=re.MULTILINE)
    said = {name.strip() for cell in table for name in cell.split(", ")}
    assert {label.removesuffix(" file") for label in labels} <= said, said
