"""How soon a draft shows its first frame, and how much faster the whole draft is than the final, on a 1080p shot.

As an artist does it: real EXR files, the daemon and its worker as processes of their own, the clock from `submit`. Each
run has a fresh home, so that nothing is known from a run before. The first job of a day waits for its worker to start;
draft and final are compared with a worker that has done something else before. Also the worker's peak memory at 24 and
at 96 frames: it must not grow with the shot.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_io import SilentReport
from rows import Choice, Row
from shots import write_shot

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from scenes import Size, make

from secondtake import Client
from secondtake.messages import FixRequest, Operation, Quality
from secondtake_daemon.pipeline import Folders, render_fix

FRAMES, LONG, RUNS = 24, 96, 3
SIZE = Size(width=1920, height=1080, frames=FRAMES, subframes=2, over=1)
KIND = "pan"
_POLL_S = 0.005
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from `submit`."""

    first_s: float
    """Until the first frame stands in the take's folder."""
    whole_s: float
    """Until the job is done."""


def measure(choice: Choice) -> list[Row]:
    """Seconds and MiB."""
    with tempfile.TemporaryDirectory(prefix="st") as temp:
        root = Path(temp)
        shot = make(KIND, size=SIZE, drawn=False)
        plate, matte = write_shot(root, shot.plates, shot.holes, frames=LONG)
        cold = _median([_cold(root / f"cold{number}", plate, matte) for number in range(RUNS)])
        runs = [_warm(root / f"warm{number}", plate, matte) for number in range(RUNS)]
        short, long = (_peak_bytes(root / f"peak{count}", plate, matte, frames=count) for count in (FRAMES, LONG))
    draft, final = (_median([run[quality] for run in runs]) for quality in (Quality.DRAFT, Quality.FINAL))
    what = f"{FRAMES} frames of {SIZE.width}×{SIZE.height}, {KIND} with a walker"
    faster = final.whole_s / draft.whole_s
    return [
        Row(bench="preview", what=f"draft, first frame; {what}", value=draft.first_s, unit="s", rival="final",
            rival_value=final.first_s, ratio=final.first_s / draft.first_s, goal="< 2 s", met=draft.first_s < 2),
        Row(bench="preview", what="draft, first frame; the same, first job of a daemon", value=cold.first_s, unit="s",
            rival="its worker there", rival_value=draft.first_s, ratio=draft.first_s / cold.first_s, goal="< 2 s",
            met=cold.first_s < 2),
        Row(bench="preview", what=f"draft, all; {what}", value=draft.whole_s, unit="s", rival="final",
            rival_value=final.whole_s, ratio=faster, goal="≥ 4×", met=faster >= 4),
        Row(bench="preview", what=f"worker's peak, {LONG} frames, {SIZE.width}×{SIZE.height}", value=long / 2**20,
            unit="MiB", rival=f"{FRAMES} frames", rival_value=short / 2**20, ratio=long / short, goal="≤ 1.1×",
            met=long <= 1.1 * short),
    ]  # fmt: skip


def _median(times: list[Times]) -> Times:
    return Times(statistics.median(one.first_s for one in times), statistics.median(one.whole_s for one in times))


def _cold(root: Path, plate: str, matte: str) -> Times:
    """A draft as a daemon's first job."""
    with _daemon(root) as client:
        return _timed(client, _request(root / "draft", plate, matte, quality=Quality.DRAFT))


def _warm(root: Path, plate: str, matte: str) -> Mapping[Quality, Times]:
    """A draft, then the final, in a home of their own, by a worker that made one frame before."""
    with _daemon(root) as client:
        client.run(_request(root / "before", plate, matte, quality=Quality.DRAFT, frames=1), timeout_s=_LIMIT_S)
        return {
            quality: _timed(client, _request(root / quality.value, plate, matte, quality=quality))
            for quality in (Quality.DRAFT, Quality.FINAL)
        }


@contextmanager
def _daemon(root: Path) -> Iterator[Client]:
    root.mkdir()
    os.environ["SECONDTAKE_HOME"] = str(root)
    with Client.connect(client="bench") as client:
        try:
            yield client
        finally:
            client.stop()


def _timed(client: Client, request: FixRequest) -> Times:
    out, first_s = Path(request.out), None
    started = time.perf_counter()
    client.submit(request)
    while first_s is None:
        time.sleep(_POLL_S)
        if any(out.glob("*.exr")):
            first_s = time.perf_counter() - started
        if time.perf_counter() - started > _LIMIT_S:
            break
    client.run(request, timeout_s=_LIMIT_S)  # the same request is the same job: this only waits
    whole_s = time.perf_counter() - started
    return Times(first_s if first_s is not None else whole_s, whole_s)


def _request(out: Path, plate: str, matte: str, *, quality: Quality, frames: int = FRAMES) -> FixRequest:
    return FixRequest(
        job=uuid.uuid4().hex, shot="bench", plate=plate, matte=matte, out=str(out), operation=Operation.REMOVE,
        quality=quality, frames=f"1001-{1000 + frames}",
    )  # fmt: skip


def _peak_bytes(root: Path, plate: str, matte: str, *, frames: int) -> int:
    """Peak resident memory of a worker that makes the final of so many frames."""
    root.mkdir()
    command = [sys.executable, "-c", _WORKER, str(Path(__file__).parent), plate, matte, str(root), str(frames)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S).stdout)


_WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bench_preview import rendered_here
from peak import peak_bytes
rendered_here(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
print(peak_bytes())
"""


def rendered_here(plate: str, matte: str, root: Path, frames: int) -> None:
    """The same as a worker does, in this process."""
    request = _request(root / "out", plate, matte, quality=Quality.FINAL, frames=frames)
    folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 34)
    render_fix(request, take="tbench", folders=folders, report=SilentReport())
