"""What a client over tcp may have: so many jobs, pixels, bytes, and so much time. The user's own have no bounds."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from attackers import Net
from bombs import small_movie
from exr_samples import Part, write_plate
from msgspec.structs import replace

from secondtake import Busy, FixRequest, JobState, Operation, TooLarge
from secondtake.messages import JobView
from secondtake_daemon.job.limits import check_limits
from secondtake_daemon.pipe import JobLimits
from secondtake_daemon.service.events import (
    KillWorker,
    Notify,
    SendCancel,
    Submitted,
    Sweep,
    Swept,
    Tick,
    WorkerDied,
    WorkerReady,
    WorkerStarted,
)
from secondtake_daemon.service.queue import Queue
from secondtake_daemon.service.shares import limits_for
from secondtake_daemon.settings import Settings

FAR, NEAR = "blender (pid 7) @farm", "blender (pid 7)"


def test_jobs(make_net: Callable[..., Net]) -> None:
    net = make_net(client_jobs=3)
    far, other = net.connect(net.allow("farm")), net.connect(net.allow("other"))
    slow = [net.request("frames=100 frame_s=0.05", out=f"show/{number}") for number in range(3)]
    for request in slow:
        far.submit(request)
    with pytest.raises(Busy, match="'farm' has 3 jobs here"):
        far.submit(net.request(out="show/more"))
    assert far.submit(slow[0]).job == slow[0].job  # the same job again is no new one
    other.submit(net.request("frames=1", out="show/other"))
    for number in range(5):
        net.own.submit(net.request("frames=1", out=f"show/own{number}"))
    far.cancel(slow[2].job)
    far.submit(net.request("frames=1", out="show/later"))
    assert len(net.own.jobs()) == 10
    for request in slow[:2]:
        far.cancel(request.job)


def test_jobs_are_counted_again_after_a_restart(make_net: Callable[..., Net]) -> None:
    net = make_net(client_jobs=2)
    keys = net.allow("farm")
    far = net.connect(keys)
    for number in range(2):
        far.submit(net.request("frames=400 frame_s=0.05", out=f"show/{number}"))
    net.place.kill()
    net.own.status()
    (endpoint,) = [found for found in net.place.daemon().endpoints if found.server_key]
    again = net.connect(keys, endpoint=endpoint)
    with pytest.raises(Busy):
        again.submit(net.request(out="show/more"))
    for view in net.own.jobs():
        net.own.cancel(view.job)


def plate(tmp_path: Path, **changes: object) -> FixRequest:
    part = Part(channels={"R": "f2"}, size=(32, 16))
    for frame in range(1, 5):
        write_plate(tmp_path / f"p.{frame:04d}.exr", part)
    values = {"job": uuid.uuid4().hex, "shot": "sh", "plate": str(tmp_path / "p.####.exr"), "matte": "/m", "out": "/o"}
    return FixRequest(**{**values, "operation": Operation.REMOVE, **changes})  # type: ignore[arg-type]


def test_pixels_and_bytes(tmp_path: Path) -> None:
    request = plate(tmp_path)
    size_bytes = sum(path.stat().st_size for path in tmp_path.iterdir())
    check_limits(request, JobLimits(pixels=4 * 32 * 16, plate_bytes=size_bytes))
    with pytest.raises(TooLarge, match=r"2,048 pixels.*2,047"):
        check_limits(request, JobLimits(pixels=4 * 32 * 16 - 1))
    with pytest.raises(TooLarge, match="bytes"):
        check_limits(request, JobLimits(plate_bytes=size_bytes - 1))
    check_limits(replace(request, frames="1-3"), JobLimits(pixels=4 * 32 * 16 - 1))
    check_limits(replace(request, plate="/nowhere.####.exr"), JobLimits())  # without limits nobody looks


def test_pixels_of_a_movie(tmp_path: Path) -> None:
    small_movie(tmp_path / "mpeg4.mp4")
    request = plate(tmp_path, plate=str(tmp_path / "mpeg4.mp4"))
    check_limits(request, JobLimits(pixels=3 * 320 * 288))
    with pytest.raises(TooLarge):
        check_limits(request, JobLimits(pixels=3 * 320 * 288 - 1))
    check_limits(replace(request, frames="1"), JobLimits(pixels=320 * 288))


def test_a_job_over_its_pixels_fails_and_leaves_nothing(make_net: Callable[..., Net]) -> None:
    net = make_net(client_pixels=1000, worker_command=[])
    show = net.place.root / "show"
    part = Part(channels={"R": "f2", "G": "f2", "B": "f2"}, size=(32, 16))
    for frame in (1, 2):
        write_plate(show / f"p.{frame:04d}.exr", part)
    far = net.connect(net.allow("farm"))
    with pytest.raises(TooLarge, match="1,024 pixels"):
        far.run(net.request(), timeout_s=20.0)
    assert not (show / "out").exists()


def test_only_foreign_clients_have_limits() -> None:
    settings = Settings(client_pixels=7, client_plate_bytes=8)
    assert limits_for(FAR, settings) == JobLimits(pixels=7, plate_bytes=8)
    assert limits_for(NEAR, settings) == JobLimits()


def view(job: str = "j", host: str = FAR) -> JobView:
    return JobView(
        job=job,
        shot="sh",
        state=JobState.QUEUED,
        operation=Operation.REMOVE,
        engine="temporal",
        out="/o",
        submitted=0.0,
        host=host,
    )


def working(settings: Settings, host: str = FAR) -> Queue:
    queue = Queue(settings)
    for event in (Submitted(view(host=host)), WorkerReady(1, 10), WorkerStarted(1, "j")):
        queue.handle(event, now_s=0.0)
    return queue


def test_time_is_up() -> None:
    queue = working(Settings(client_run_s=100.0, cancel_grace_s=2.0, beat_timeout_s=1e6, hang_timeout_s=1e6))
    assert queue.handle(Tick(), now_s=100.0) == []
    assert queue.handle(Tick(), now_s=100.5) == [SendCancel(1, "j")]
    assert queue.handle(Tick(), now_s=101.0) == []
    assert queue.handle(Tick(), now_s=102.5) == [KillWorker(1)]
    assert Sweep("j") in queue.handle(WorkerDied(1, "killed"), now_s=103.0)
    (ended,) = [order.view for order in queue.handle(Swept("j"), now_s=103.5) if isinstance(order, Notify)]
    assert ended.state is JobState.FAILED and ended.error is not None
    assert ended.error.code == "too_large" and "over 100 s" in ended.error.message
    assert ended.attempts == 0 and len(queue) == 0 and queue.jobs_of("farm") == 0


@pytest.mark.parametrize(("host", "run_s"), [(NEAR, 100.0), (FAR, 0.0)])
def test_no_bound_for_the_user_and_for_zero(host: str, run_s: float) -> None:
    settings = Settings(client_run_s=run_s, beat_timeout_s=1e7, hang_timeout_s=1e7)
    assert working(settings, host).handle(Tick(), now_s=1e6) == []


def test_time_is_up_in_a_daemon(make_net: Callable[..., Net]) -> None:
    net = make_net(client_run_s=0.5)
    far = net.connect(net.allow("farm"))
    with pytest.raises(TooLarge, match=r"ran for over 0\.5 s"):
        far.run(net.request("frames=500 frame_s=0.05"), timeout_s=20.0)
    assert far.run(net.request("frames=1", out="show/next"), timeout_s=20.0).frames
    with pytest.raises(TooLarge):
        far.run(net.request("frames=500 frame_s=0.05 deaf", out="show/deaf"), timeout_s=20.0)
    own = net.request("frames=20 frame_s=0.05", out="show/own")
    assert net.own.run(own, timeout_s=20.0).frames
