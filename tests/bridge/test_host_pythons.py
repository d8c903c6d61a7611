"""`host.py` alone, in every CPython from 3.9 to 3.14 that is here: a real fix over a real bridge and daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hosts import make_shot

from secondtake import host

MINORS = range(9, 15)
WORK = """
import json, sys, threading, time
import host
home, fix = sys.argv[1], json.loads(sys.argv[2])
bridge = host.Bridge(name="python", version="tests/1", home=home)
bridge.call("fix", job=host.new_job(), **fix)
done, end = None, time.monotonic() + 60
while done is None and time.monotonic() < end:
    for message in bridge.drain(budget_s=0.005):
        if isinstance(message, host.Answer):
            assert message.error is None, str(message.error)
        elif message.name == "job" and message.body["job"]["state"] in ("done", "failed"):
            done = message.body["job"]
    time.sleep(0.02)
takes = bridge.ask("takes", timeout_s=30)["takes"]
bridge.close()
assert bridge.state is host.State.CLOSED
assert threading.active_count() == 1, threading.enumerate()
print(json.dumps([sys.version_info[:2], done["state"], done["result"]["frames"], len(takes)]))
"""


def pythons() -> dict[int, str]:
    """By minor version: on the path, or where pyenv and uv keep theirs."""
    kept = (Path.home() / ".pyenv" / "versions", Path.home() / ".local" / "share" / "uv" / "python")
    found = {sys.version_info.minor: sys.executable}
    for minor in MINORS:
        name = f"python3.{minor}"
        for path in (shutil.which(name), *(str(one) for root in kept for one in sorted(root.glob(f"*/bin/{name}")))):
            if path and minor not in found and _is(path, minor):
                found[minor] = path
    return found


def _is(path: str, minor: int) -> bool:
    code = "import sys; print(*sys.version_info[:2], sys.implementation.name)"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.split() == ["3", str(minor), "cpython"]


FOUND = pythons()


@pytest.mark.parametrize("minor", MINORS)
def test_a_fix_in_every_python(minor: int, home: Path, tmp_path: Path) -> None:
    if minor not in FOUND:
        pytest.skip(f"there is no CPython 3.{minor} here")
    vendored = tmp_path / "vendored"
    vendored.mkdir()
    shutil.copy(host.__file__, vendored / "host.py")
    (vendored / "work.py").write_text(WORK)
    launcher = host.find_launcher(str(home))
    launcher.parent.mkdir(parents=True)
    launcher.write_text(json.dumps({"python": sys.executable}))
    fix = json.dumps(make_shot(tmp_path / "shot", frames=2))
    done = subprocess.run(
        [FOUND[minor], "-W", "error", "-B", str(vendored / "work.py"), str(home), fix],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "PYTHONPATH": "/of/the/host"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[3, minor], "done", [1001, 1002], 1]
    assert done.stderr == ""
