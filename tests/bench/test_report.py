"""The tables of docs/performance.md: made from rows, put between markers, and every place is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from peak import peak_bytes
from report import tables, write_tables
from rows import Choice, Row
from run import BENCHES

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 600_000


def row(what: str, figure: str, value: float, rival: str = "Telea", **rest: object) -> Row:
    return Row(bench="fidelity", what=what, figure=figure, value=value, unit="", rival=rival, **rest)  # type: ignore[arg-type]


PAN = [
    row("pan", "PSNR", 44.6, seed=0, rival_value=20.6, goal="≥ +18 dB", met=True),
    row("pan", "PSNR", 30.0, seed=1, rival_value=21.0, goal="≥ +18 dB", met=False),
    row("pan", "time", 0.4, rival="G'MIC", seed=0, rival_value=2.0, ratio=5.0, goal="≥ 8×", met=False),
]


def test_seeds_stand_side_by_side_and_a_miss_is_bold() -> None:
    head, _, line = tables(PAN)["remove"].splitlines()
    assert head == "| shot | PSNR, dB | over Telea, dB | faster than G'MIC |"
    assert line == "| pan | 44.6 / 30.0 | +24.0 / **+9.0** (≥ +18 dB) | **5.0×** (≥ 8×) |"


def test_clips_have_a_table_of_their_own() -> None:
    found = tables([*PAN, row("vtest move", "PSNR", 28.0, rival_value=19.0)])
    assert "vtest" in found["clips"]
    assert "vtest" not in found["remove"]
    assert "pan" not in found["clips"]


def test_a_rival_that_did_not_run_has_no_column() -> None:
    assert "G'MIC" not in tables(PAN[:2])["remove"]
    assert "beside" not in tables(PAN[:2])


def test_tables_replace_what_stands_between_their_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:preview -->\nold\n<!-- /bench -->\nafter\n", encoding="utf-8")
    rows = [Row(bench="preview", what="first frame", value=1.234, unit="s", rival="final", rival_value=4.0)]
    for _ in range(2):
        write_tables(page, rows)
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.startswith("before\n<!-- bench:preview -->\n| what |")
    assert text.count("| first frame | 1.23 s | final 4.00 |") == 1
    assert text.endswith("<!-- /bench -->\nafter\n")


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the table 'remove'"):
        write_tables(page, PAN)


def test_every_table_has_its_place_in_the_documentation() -> None:
    rows = [Row(bench=name, what="x", value=1.0, unit="") for name in BENCHES if name != "fidelity"]
    every = tables([*PAN, row("vtest move", "PSNR", 28.0), *rows])
    places = re.findall(
        r"<!-- bench:(\w+) -->\n.*?<!-- /bench -->", (DOCS / "performance.md").read_text("utf-8"), re.DOTALL
    )
    assert sorted(places) == sorted(every)


def test_pictures_are_there_and_small() -> None:
    shown = re.findall(r"\((pictures/[\w-]+\.jpg)\)", (DOCS / "pictures.md").read_text("utf-8"))
    files = sorted(f"pictures/{path.name}" for path in (DOCS / "pictures").glob("*.jpg"))
    assert sorted(shown) == files
    assert len(files) >= 6
    assert sum((DOCS / name).stat().st_size for name in files) <= MOST_BYTES


def test_a_choice_knows_shots_and_their_kinds() -> None:
    assert Choice().has("kinds", "pan")
    assert Choice(only=("clips",)).has("clips", "vtest move")
    assert not Choice(only=("rig",)).has("kinds", "pan")


def test_a_child_does_not_inherit_its_parents_peak() -> None:
    held = np.ones(80_000_000, np.uint8)
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path[:0] = [{folder!r}]; from peak import peak_bytes; print(peak_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < len(held) < peak_bytes()
