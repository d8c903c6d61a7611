"""A real daemon on a real file system without room: a tmpfs of 4 MiB under its output, cache or data.

The job waits and goes on, or ends with a typed error, or is refused; the daemon lives, nothing half is left, and when
there is room again jobs run and have the right bytes.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("full_disk.py")
SEED = 29
NO_LIMIT, LIMIT = 0, 300_000


def why_not() -> str:
    """Empty if file systems can be mounted in a namespace."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "no mount namespaces here"
    tried = subprocess.run(
        [*unshare(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"no file system can be mounted here: {tried.stderr.strip()}" if tried.returncode else ""


def unshare() -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--map-root-user"])]


REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


def run(where: str, *, least: int, left: int) -> str:
    """How the job ended."""
    folder = tempfile.mkdtemp(prefix="stu-")  # short: a socket's path has 107 bytes
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SECONDTAKE_")}
    try:
        command = [*unshare(), sys.executable, "-P", str(SCRIPT), folder, where, str(least), str(left)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_out_fills_up_and_the_job_waits() -> None:
    assert run("out", least=LIMIT, left=150_000) == "done"


def test_out_fills_up_though_nobody_saw_it_coming() -> None:
    assert run("out", least=NO_LIMIT, left=150_000) in ("done", "failed")


def test_without_a_cache_a_job_still_ends() -> None:
    assert run("cache", least=NO_LIMIT, left=8192) in ("done", "failed")


def test_without_a_journal_nothing_is_begun() -> None:
    assert run("data", least=NO_LIMIT, left=0) in ("done", "failed", "refused")


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("where", ["out", "cache", "data"])
@pytest.mark.parametrize("least", [NO_LIMIT, LIMIT])
def test_at_many_fillings(where: str, least: int) -> None:
    dice = random.Random(SEED)
    for left in [0, 4096, *(dice.randrange(0, 700_000) for _ in range(3))]:
        print(where, least, left)
        assert run(where, least=least, left=left) in ("done", "failed", "refused")
