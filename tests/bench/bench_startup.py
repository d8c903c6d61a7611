"""How long from `start` until the daemon answers, and how long `secondtake --help` takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from rows import Choice, Row, median_of

from secondtake import Client


def measure(choice: Choice) -> list[Row]:
    """Seconds."""
    ready = median_of(5, _ready)
    bare = median_of(5, lambda: _command("-c", "pass"))
    usage = median_of(5, lambda: _command("-m", "secondtake_daemon", "--help"))
    return [
        Row(bench="startup", what="daemon ready", value=ready, unit="s", rival="python -c pass", rival_value=bare,
            goal="< 0.5 s", met=ready < 0.5),
        Row(bench="startup", what="secondtake --help", value=usage, unit="s", rival="python -c pass", rival_value=bare),
    ]  # fmt: skip


def _ready() -> float:
    with tempfile.TemporaryDirectory(prefix="st") as home:
        os.environ["SECONDTAKE_HOME"] = home
        started = time.perf_counter()
        with Client.connect(client="bench") as client:
            seconds = time.perf_counter() - started
            client.stop()
    return seconds


def _command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
