"""Run the benchmarks: `python tests/bench/run.py [NAME…] [--only pan,rig] [--seeds 0] [--write]`.

Prints a table on stderr and JSON as the last line of stdout, which is also kept in out/bench.json. With --write the
tables of docs/performance.md are made anew. Each module beside this one with a `measure(choice) -> list[Row]` is a
benchmark. Ratios are taken against a rival measured in the same run. Figures of a machine under load are worth little.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from report import write_tables
from rows import Choice, Row

ROOT = Path(__file__).resolve().parents[2]
BENCHES = ("startup", "latency", "io", "memory", "preview", "fidelity", "grain", "carry", "track", "takes", "diffusion")


def main() -> None:
    """Run those named on the command line, or all."""
    options = _options()
    choice = Choice(only=_words(options.only), seeds=tuple(int(seed) for seed in _words(options.seeds)))
    rows: list[Row] = []
    for name in options.names or BENCHES:
        if name == "diffusion" and importlib.util.find_spec("torch") is None:
            print("diffusion: left out, torch is not installed (pip install 'secondtake[diffusion]')", file=sys.stderr)
            continue
        rows += importlib.import_module(f"bench_{name}").measure(choice)
    _print_table(rows)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    found = json.dumps({"machine": machine, "rows": [dataclasses.asdict(row) for row in rows]})
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out" / "bench.json").write_text(found + "\n", encoding="utf-8")
    if options.write:
        write_tables(ROOT / "docs" / "performance.md", rows)
    print(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description="Benchmarks; see docs/performance.md.")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--only", default="", metavar="SHOT,…", help="only these shots, or: rendered, kinds, clips")
    parser.add_argument("--seeds", default="0,1", metavar="N,…", help="of the shots that are made (default 0,1)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    if options.write and (options.only or options.seeds != "0,1"):
        parser.error("--write needs whole tables: leave out --only and --seeds")
    return options


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _print_table(rows: list[Row]) -> None:
    table = Table("bench", "what", "seed", "figure", "value", "rival", "ratio", "goal", "met")
    for row in rows:
        rival = f"{row.rival} {row.rival_value:.4g}" if row.rival_value is not None else row.rival
        ratio = f"{row.ratio:.2f}×" if row.ratio is not None else ""
        met = {True: "yes", False: "NO", None: ""}[row.met]
        seed = "" if row.seed is None else str(row.seed)
        value = f"{row.value:.4g} {row.unit}"
        table.add_row(row.bench, row.what, seed, row.figure, value, rival, ratio, row.goal, met)
    Console(file=sys.stderr, width=170).print(table)


if __name__ == "__main__":
    main()
