"""In a mount namespace of its own: a small file system fills up under a real daemon, and gets room again.

`full_disk.py FOLDER WHERE MIN_FREE LEFT`: WHERE is out, cache or data; LEFT bytes are free when the job comes. The last
line of stdout says how the job ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from exr_shots import Layout, write_shot
from places import Place, wait_for

from secondtake import Client, DiskError, FixRequest, JobState, JobView
from secondtake_daemon.takes.registry import entries

FRAMES = list(range(1, 13))
LAYOUT = Layout(width=96, height=64)
SIZE = "4m"
LONG_S = 2.5


def main() -> None:
    """Mount, fill, look, free, look."""
    root, where, least, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    place = Place(root)
    place.settings(worker_command=[], min_free_bytes=least, ballast_bytes=0)
    spot = {"out": root / "out", "cache": place.home.cache, "data": place.home.data}[where]
    spot.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none", str(spot)], check=True)
    (root / "shot").mkdir()
    plate, matte = write_shot(root / "shot", LAYOUT, FRAMES)

    def request(name: str) -> FixRequest:
        return place.request(
            out=f"out/{name}", plate=plate, matte=matte, engine="standin", engine_options={"mode": "noise"}
        )

    client = place.client()
    runtime, pid = place.daemon(), client.status().pid
    wanted = frames_of(client.run(request("whole"), timeout_s=60).files)
    shutil.rmtree(place.home.cache / "patches")  # it shall not help
    shutil.rmtree(root / "out" / "whole")
    filler = fill(spot, left)
    job = request("full")
    ended = send(client, job)
    assert client.status().pid == pid
    print("while full:", ended.state if ended else "refused", client.status().condition, file=sys.stderr)
    if ended and ended.state is JobState.FAILED:
        assert_nothing_left(root / "out" / "full")
    filler.unlink()
    if ended:
        wait_for(lambda: view_of(client, job).state.is_final, timeout_s=30)
        ended = view_of(client, job)
        assert ended.error is None or ended.error.code in ("disk", "bad_output"), ended.error
    wait_for(lambda: client.status().condition == "")
    result = client.run(request("later"), timeout_s=60)
    assert frames_of(result.files) == wanted, "other bytes"
    if ended and ended.result:
        assert frames_of(ended.result.files) == wanted, "other bytes"
        assert_whole(root / "out" / "full")
    assert_whole(root / "out" / "later")
    assert all(entry.is_there for entry in entries(place.home.data / "takes") if not entry.folder.endswith("whole"))
    assert client.status().pid == pid
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not runtime.is_live)
    subprocess.run(["umount", str(spot)], check=True)
    place.close()
    print(ended.state.value if ended else "refused")


def send(client: Client, job: FixRequest) -> JobView | None:
    """The job when it ended, or after a while; None if it was refused."""
    try:
        client.submit(job)
    except DiskError:
        return None
    end_s = time.monotonic() + LONG_S
    while not view_of(client, job).state.is_final and time.monotonic() < end_s:
        time.sleep(0.02)
    return view_of(client, job)


def view_of(client: Client, job: FixRequest) -> JobView:
    (view,) = client.jobs(job=job.job)
    return view


def fill(spot: Path, left: int) -> Path:
    """Leave so many bytes."""
    filler = spot / "filler"
    with filler.open("wb") as file:
        stat = os.statvfs(spot)
        os.posix_fallocate(file.fileno(), 0, max(stat.f_bavail * stat.f_frsize - left, 1))
    return filler


def frames_of(files: tuple[str, ...]) -> list[bytes]:
    return [Path(file).read_bytes() for file in files]


def assert_nothing_left(out: Path) -> None:
    """After a job that failed: no take, or (if it failed at its last word) a whole one."""
    left = sorted(path.name for path in out.glob("*"))
    assert left == [] or "take.json" in left, left


def assert_whole(out: Path) -> None:
    names = {path.name for path in out.iterdir()}
    assert "take.json" in names
    assert not any(name.startswith(".") for name in names), names


if __name__ == "__main__":
    main()
