"""Disks that are really full: small file systems of their own, in a mount namespace of the daemon's."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import Place, wait_for

from secondtake import Client, JobState
from secondtake_daemon.service.ballast import Ballast
from secondtake_daemon.service.surveyor import free_bytes

MIB = 1 << 20


def _may_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


needs_mount = pytest.mark.skipif(not _may_mount(), reason="no user namespaces here")


class SmallDisk:
    """A folder of the daemon's that is a small disk of its own. Only the daemon and its workers see it."""

    def __init__(self, place: Place, folder: Path, *, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'
        run = [sys.executable, "-m", "secondtake_daemon.service", "--home", str(place.root)]
        self.process = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", script, "sh", str(size_bytes), str(folder), *run],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        place.spawned.append(self.process)
        wait_for(place.home.runtime_file.exists)

    @property
    def inside(self) -> Path:
        """The folder as the daemon sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.folder}")

    def fill(self, *, leave_bytes: int = 0) -> Path:
        filler = self.inside / "filler"
        with filler.open("ab") as file:
            free = shutil.disk_usage(self.inside).free - leave_bytes
            os.posix_fallocate(file.fileno(), file.tell(), free)
        return filler

    def resize(self, size_bytes: int) -> None:
        enter = ["nsenter", "-t", str(self.process.pid), "-U", "-m", "--preserve-credentials"]
        subprocess.run([*enter, "mount", "-o", f"remount,size={size_bytes}", str(self.folder)], check=True)


@needs_mount
def test_a_job_waits_for_room_in_its_output_folder(place: Place) -> None:
    place.settings(min_free_bytes=2 * MIB, ballast_bytes=0)
    disk = SmallDisk(place, place.root / "out", size_bytes=8 * MIB)
    filler = disk.fill(leave_bytes=MIB)
    client = place.client(autostart=False)
    request, other = place.request("frames=2"), place.request("frames=1", out="elsewhere")
    client.submit(request)
    wait_for(lambda: client.jobs(job=request.job)[0].waits)
    view = client.jobs(job=request.job)[0]
    assert view.state is JobState.QUEUED
    assert (
        view.waits == f"Waits for disk space: the disk of the output folder has less than 2.0 MiB free ({disk.folder})"
    )
    condition = client.status().condition
    assert condition == f"paused: disk (the disk of the output folder lacks 1.0 MiB: {disk.folder})"
    client.run(other)  # whose disk has room
    filler.unlink()
    assert client.run(request).frames == (1, 2)
    assert client.status().condition == ""
    assert client.jobs(job=request.job)[0].attempts == 0


@needs_mount
def test_a_running_job_that_fills_the_disk_goes_on_when_there_is_room(place: Place) -> None:
    place.settings(min_free_bytes=2 * MIB, ballast_bytes=0)
    disk = SmallDisk(place, place.root / "out", size_bytes=6 * MIB)
    client = place.client(autostart=False)
    request = place.request(f"frames=9 size={MIB}")
    client.submit(request)
    wait_for(lambda: client.jobs(job=request.job)[0].waits)
    view = client.jobs(job=request.job)[0]
    assert (view.state, view.attempts, view.error) == (JobState.QUEUED, 0, None)
    finished = {path.name: path.stat().st_mtime_ns for path in disk.inside.glob("sh.*.exr")}
    assert len(finished) == 5
    wait_for(lambda: client.status().condition.startswith("paused: disk (the disk of the output folder"))
    time.sleep(1.2)
    assert len((disk.inside / "starts").read_text().splitlines()) == 1  # it does not try again and again
    disk.resize(32 * MIB)
    assert client.run(request).frames == tuple(range(1, 10))
    now = {path.name: path.stat().st_mtime_ns for path in disk.inside.glob("sh.*.exr")}
    assert {name: now[name] for name in finished} == finished  # nothing was made again
    assert client.jobs(job=request.job)[0].attempts == 0


@needs_mount
def test_nothing_is_begun_while_the_cache_has_no_room(place: Place) -> None:
    place.settings(min_free_bytes=2 * MIB, ballast_bytes=0)
    disk = SmallDisk(place, place.home.cache, size_bytes=4 * MIB)
    filler = disk.fill()
    client, watcher = place.client(autostart=False), place.client(autostart=False)
    request = place.request("frames=1")
    client.submit(request)
    seen = []
    for view in watcher.watch(request.job):
        seen.append(view)
        if view.waits:
            break
    assert "the disk of the cache has less than 2.0 MiB free" in seen[-1].waits
    assert client.status().condition == f"paused: disk (the disk of the cache lacks 2.0 MiB: {disk.folder})"
    assert place.starts() == []
    filler.unlink()
    assert client.run(request).frames == (1,)


@needs_mount
def test_the_ballast_lets_the_journal_note_what_ended(place: Place) -> None:
    place.settings(min_free_bytes=64 * 1024, ballast_bytes=MIB)
    disk = SmallDisk(place, place.home.data, size_bytes=4 * MIB)
    client = place.client(autostart=False)
    ballast = disk.inside / "ballast"
    request, waiting = place.request("frames=2 frame_s=1.3"), place.request("frames=1", out="other")
    assert not ballast.exists()  # nothing is taken as long as there was no job
    client.submit(request)
    client.submit(waiting)
    wait_for(lambda: ballast.exists() and ballast.stat().st_size == MIB)
    filler = disk.fill()
    assert [view.state for view in client.watch(request.job)][-1] is JobState.DONE
    assert not ballast.exists()
    assert '"ballast released"' in place.log()
    filler.unlink()
    assert client.run(waiting).frames == (1,)
    wait_for(ballast.exists)


def test_a_limit_that_looks_like_a_full_disk_ends_the_job_in_the_end(place: Place) -> None:
    client = place.client()
    request = place.request(f"frames=3 frame_s=0.3 size={MIB}")
    client.submit(request)
    wait_for(lambda: place.starts())
    resource.prlimit(place.starts()[0], resource.RLIMIT_FSIZE, (MIB // 2, resource.RLIM_INFINITY))
    last = list(client.watch(request.job))[-1]
    assert (last.state, last.attempts) == (JobState.FAILED, 0)
    assert last.error is not None
    assert (last.error.code, last.error.message) == ("disk", "The disk is full")
    assert len(place.starts()) == 3
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]


def test_a_cancelled_job_that_waits_for_room_leaves_nothing(place: Place) -> None:
    client = place.client()
    request = place.request(f"frames=3 frame_s=0.2 size={MIB}")
    client.submit(request)
    wait_for(lambda: place.starts())
    resource.prlimit(place.starts()[0], resource.RLIMIT_FSIZE, (MIB // 2, resource.RLIM_INFINITY))
    wait_for(lambda: client.jobs(job=request.job)[0].waits)
    client.cancel(request.job)
    assert [view.state for view in client.watch(request.job)][-1] is JobState.CANCELLED
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]


def test_a_parked_job_survives_the_daemon(place: Place) -> None:
    client = place.client()
    request = place.request(f"frames=2 frame_s=0.2 size={MIB}")
    client.submit(request)
    wait_for(lambda: place.starts())
    resource.prlimit(place.starts()[0], resource.RLIMIT_FSIZE, (MIB // 2, resource.RLIM_INFINITY))
    wait_for(lambda: client.jobs(job=request.job)[0].waits)
    place.kill()
    with Client.connect(home=place.root) as again:
        assert again.run(request).frames == (1, 2)
        assert again.jobs(job=request.job)[0].attempts == 0


def test_ballast(tmp_path: Path) -> None:
    file = tmp_path / "ballast"
    ballast = Ballast(file, size_bytes=MIB)
    ballast.make(free_bytes=3 * MIB - 1, spare_bytes=2 * MIB)
    time.sleep(0.05)
    assert not file.exists()
    ballast.make(free_bytes=3 * MIB, spare_bytes=2 * MIB)
    wait_for(lambda: ballast.is_there)
    assert file.stat().st_blocks * 512 >= MIB
    assert ballast.release()
    assert not ballast.release()
    assert not file.exists()
    file.write_bytes(b"half made")
    Ballast(file, size_bytes=MIB)
    assert not file.exists()


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    free = free_bytes(tmp_path)
    assert free is not None
    for folder in (tmp_path / "new" / "newer", tmp_path / "file" / "below"):
        found = free_bytes(folder)
        assert found is not None
        assert abs(found - free) < 1 << 30
    assert free_bytes(tmp_path / "a\0b") is None


SHOT = Path(__file__).parents[2] / "demo" / "shot"


@needs_mount
def test_a_real_worker_keeps_the_frames_it_had_finished(place: Place) -> None:
    frame_bytes = (SHOT / "plate" / "sh010.1001.exr").stat().st_size
    place.settings(worker_command=[], min_free_bytes=2 * frame_bytes, ballast_bytes=0)
    disk = SmallDisk(place, place.root / "out", size_bytes=5 * frame_bytes)
    client = place.client(autostart=False, timeout_s=20.0)
    request = place.request(
        plate=str(SHOT / "plate" / "sh010.####.exr"),
        matte=str(SHOT / "matte" / "sh010.####.exr"),
        frames="1001-1008",
        engine="standin",
    )
    client.submit(request)
    wait_for(lambda: client.jobs(job=request.job)[0].waits, timeout_s=30.0)
    finished = {path.name: path.stat().st_mtime_ns for path in disk.inside.glob("sh.*.exr")}
    assert 2 <= len(finished) < 8
    assert not list(disk.inside.glob(".*.part"))
    disk.resize(100 * frame_bytes)
    result = client.run(request)
    assert len(result.frames) == 8
    assert result.proof.outside_changed == 0
    now = {path.name: path.stat().st_mtime_ns for path in disk.inside.glob("sh.*.exr")}
    assert {name: now[name] for name in finished} == finished
    assert client.jobs(job=request.job)[0].attempts == 0
