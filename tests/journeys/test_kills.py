"""Kill the daemon and its worker at random moments: the job still ends, once, with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from secondtake import Client, FixRequest, FixResult, Operation
from secondtake.errors import DaemonLost

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

FRAMES = list(range(1, 13))


def make_request(root: Path, name: str, plate: str, matte: str) -> FixRequest:
    return FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=plate,
        matte=matte,
        out=str(root / name),
        operation=Operation.REMOVE,
        engine="standin",
        engine_options={"mode": "noise", "frame_s": "0.05"},
    )


def pixels_of(result: FixResult) -> list[bytes]:
    return [Path(file).read_bytes() for file in result.files]


def kill_one(generator: random.Random, home: Path) -> None:
    """SIGKILL the daemon or a worker of this home, whichever the generator says."""
    with Client.connect(home=home, timeout_s=10) as client:
        status = client.status()
    pids = [status.pid, *(worker.pid for worker in status.workers if worker.pid)]  # 0 is not started yet
    victim = generator.choice(pids)
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_the_take_is_the_same(home: Path, tmp_path: Path, seed: int) -> None:
    plate, matte = write_shot(tmp_path, Layout(), FRAMES)
    with Client.connect(home=home, timeout_s=10) as client:
        wanted = pixels_of(client.run(make_request(tmp_path, "whole", plate, matte), timeout_s=60))
    generator = random.Random(seed)
    request = make_request(tmp_path, "killed", plate, matte)
    (home / "cache" / "patches").rename(tmp_path / "old patches")  # finished windows must not help the second run
    with Client.connect(home=home, timeout_s=10) as client:
        client.submit(request)
    for _ in range(2):  # fewer than the attempts a job has, if each kill hits its worker
        time.sleep(generator.uniform(0.05, 0.6))
        kill_one(generator, home)
    with Client.connect(home=home, timeout_s=20) as client:
        result = client.run(request, timeout_s=60)
        assert [view.state.value for view in client.jobs() if view.job == request.job] == ["done"]
    assert pixels_of(result) == wanted
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    supports = f"{result.shot}.{result.take}.supports"
    assert names == {"take.json", supports, *(Path(file).name for file in result.files)}


def test_workers_die_with_the_daemon(home: Path, tmp_path: Path) -> None:
    plate, matte = write_shot(tmp_path, Layout(), FRAMES)
    with Client.connect(home=home, timeout_s=10) as client:
        client.submit(make_request(tmp_path, "out", plate, matte))
        deadline = time.monotonic() + 10
        while not any(worker.pid for worker in client.status().workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        status = client.status()
    os.kill(status.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(
        [psutil.Process(worker.pid) for worker in status.workers if psutil.pid_exists(worker.pid)], timeout=5
    )
    assert alive == []
    with pytest.raises(DaemonLost), Client.connect(home=home, autostart=False, timeout_s=1) as client:
        client.status()
