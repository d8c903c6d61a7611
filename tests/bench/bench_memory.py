"""Peak resident memory of a worker's work at 200 and at 2,000 frames: it must not grow with the shot."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from rows import Choice, Row
from shots import write_matte, write_plate

WIDTH, HEIGHT = 480, 270
CHILD = """
import sys, uuid
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bench_io import SilentReport
from peak import peak_bytes
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.pipeline import Folders, render_fix
plate, matte, root, frames = sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5]
request = FixRequest(job=uuid.uuid4().hex, shot="bench", plate=plate, matte=matte, out=str(root / "out"),
                     operation=Operation.REMOVE, engine="standin", engine_options={"mode": "noise"}, frames=frames)
folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 34)
render_fix(request, take="tbench", folders=folders, report=SilentReport())
print(peak_bytes())
"""


def measure(choice: Choice) -> list[Row]:
    """MiB at both lengths."""
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp)
        sizes = {"frames": 2000, "width": WIDTH, "height": HEIGHT}
        plate = write_plate(root / "plate", **sizes)
        matte = write_matte(root / "matte", frames=2000, width=WIDTH, height=HEIGHT, share=0.05, rows=0.25)
        short, long = (_peak(plate, matte, root / str(count), count) for count in (200, 2000))
    return [
        Row(bench="memory", what="worker, 2,000 frames of 480×270", value=long / 2**20, unit="MiB",
            rival="200 frames", rival_value=short / 2**20, ratio=long / short, goal="≤ 1.05×", met=long <= 1.05 * short)
    ]  # fmt: skip


def _peak(plate: str, matte: str, root: Path, frames: int) -> int:
    root.mkdir()
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(Path(__file__).parent),
        plate,
        matte,
        str(root),
        f"1001-{1000 + frames}",
    ]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
