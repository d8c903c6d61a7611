"""A disk that fails under the journal. RLIMIT_FSIZE of the running daemon plays the full disk."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from places import Place, wait_for

from secondtake import DiskError, JobState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit")


@contextmanager
def full_disk(place: Place) -> Iterator[None]:
    """No file of the daemon can grow."""
    pid = place.daemon().pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_submits_are_refused_and_the_daemon_lives(place: Place) -> None:
    client = place.client()
    pid = place.daemon().pid
    request = place.request("frames=1")
    with full_disk(place):
        for _ in range(3):
            with pytest.raises(DiskError, match="journal") as caught:
                client.submit(request)
            assert caught.value.exit_status == 13
        assert client.status().condition == "paused: disk"
        assert client.jobs() == []
    wait_for(lambda: client.status().condition == "")
    client.run(request)
    assert client.status().pid == pid
    assert len(place.starts()) == 1


def test_what_ends_meanwhile_is_told_when_it_is_on_disk(place: Place) -> None:
    client, other = place.client(), place.client()
    request, waiting = place.request("frames=3 frame_s=0.2"), place.request("frames=1", out="other")
    client.submit(request)
    client.submit(waiting)
    wait_for(lambda: place.starts())
    with full_disk(place):
        wait_for(lambda: other.status().condition == "paused: disk")
        assert other.status().finished == 0
        with pytest.raises(DiskError, match="cannot be recorded"):
            other.cancel(waiting.job)
        assert place.starts("other") == []  # nothing new is begun
    assert [view.state for view in client.watch(request.job)][-1] is JobState.DONE
    assert [view.state for view in client.watch(waiting.job)][-1] is JobState.CANCELLED
    os.kill(place.daemon().pid, signal.SIGKILL)
    assert client.jobs(job=request.job)[0].result is not None
