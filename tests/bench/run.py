"""Run the benchmarks and print a table and, as the last line, JSON: `python tests/bench/run.py [NAME…]`.

Each module beside this one with a `measure() -> list[Row]` is a benchmark. Ratios are taken against a rival measured in
the same run. Figures of a machine under load are worth little: run it on a quiet one.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from rows import Row

BENCHES = ("startup", "latency", "io", "memory", "fidelity")


def main() -> None:
    """Run those named on the command line, or all."""
    rows: list[Row] = []
    for name in sys.argv[1:] or BENCHES:
        rows += importlib.import_module(f"bench_{name}").measure()
    _print_table(rows)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    print(json.dumps({"machine": machine, "rows": [dataclasses.asdict(row) for row in rows]}))


def _print_table(rows: list[Row]) -> None:
    table = Table("bench", "what", "value", "rival", "ratio", "goal", "met")
    for row in rows:
        rival = f"{row.rival} {row.rival_value:.4g}" if row.rival_value is not None else row.rival
        ratio = f"{row.ratio:.2f}×" if row.ratio is not None else ""
        met = {True: "yes", False: "NO", None: ""}[row.met]
        table.add_row(row.bench, row.what, f"{row.value:.4g} {row.unit}", rival, ratio, row.goal, met)
    Console(file=sys.stderr, width=160).print(table)


if __name__ == "__main__":
    main()
