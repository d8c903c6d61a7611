"""Many hosts, many jobs: all are acknowledged and done once, `status` goes on answering, and memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import zmq
from places import Place, wait_for

from secondtake import FixRequest
from secondtake.messages import Accepted, Hello, StatusReply, Submit
from secondtake.wire import pack, read_answer

HERE = Path(__file__).parent
INSTANT = [sys.executable, str(HERE / "load_instant.py")]
ASLEEP = [sys.executable, "-c", "import sys; sys.stdin.read()"]
"""A worker that is never ready: everything stays queued."""
FROZEN_S = 2.0
"""A `status` that takes so long says that the loop stood still. How quick it is, is measured in tests/bench."""
MOST_RSS_BYTES = 300 * 2**20
_AT_ONCE = 500


def ran(ground: Place) -> Counter[str]:
    """How often each job was done."""
    return Counter((ground.home.data / "ran").read_text().split())


def crowd(ground: Place, *, clients: int, jobs: int) -> None:
    ground.settings(worker_command=INSTANT, finished_jobs=100_000, log_bytes=1 << 30)
    reader = ground.client("reader")
    hosts = subprocess.Popen(
        [sys.executable, str(HERE / "load_crowd.py"), str(ground.root), str(clients), str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    ground.spawned.append(hosts)
    waits_s = []
    while hosts.poll() is None:
        began_s = time.monotonic()
        status = reader.status()
        waits_s.append(time.monotonic() - began_s)
        time.sleep(0.01)
    out, errors = hosts.communicate()
    assert hosts.returncode == 0, errors.decode()
    assert errors == b""
    said = json.loads(out)
    waits_s.sort()
    p99_s = waits_s[int(len(waits_s) * 0.99)]
    print(f"{said}, status p50 {waits_s[len(waits_s) // 2] * 1e3:.1f} ms, p99 {p99_s * 1e3:.1f} ms of {len(waits_s)}")
    assert said["acked"] == said["done"] == clients * jobs
    assert p99_s < FROZEN_S
    status = reader.status()
    assert (status.queued, status.running, status.finished) == (0, 0, clients * jobs)
    assert status.rss_bytes < MOST_RSS_BYTES
    assert set(ran(ground).values()) == {1}
    assert len(ran(ground)) == clients * jobs


@pytest.mark.slow
def test_twenty_hosts(ground: Place) -> None:
    crowd(ground, clients=20, jobs=20)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_fifty_hosts_with_two_hundred_jobs_each(ground: Place) -> None:
    crowd(ground, clients=50, jobs=200)


def send_all(ground: Place, requests: list[FixRequest]) -> None:
    """Submit them without waiting for each answer."""
    context = zmq.Context()
    try:
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(ground.daemon().endpoints[0].url)
        questions = [
            Hello(protocol_min=1, protocol_max=1, client="raw"),
            *(Submit(request=request) for request in requests),
        ]
        accepted = 0
        for begin in range(0, len(questions), _AT_ONCE):
            some = questions[begin : begin + _AT_ONCE]
            for number, question in enumerate(some):
                socket.send_multipart(pack(question, request_id=number.to_bytes(16, "big")))
            for _ in some:
                assert socket.poll(20_000)
                accepted += isinstance(read_answer(socket.recv_multipart()[2]), Accepted)
        assert accepted == len(requests)
    finally:
        context.destroy(linger=0)


def full_queue(ground: Place, *, jobs: int) -> None:
    ground.settings(worker_command=ASLEEP, queue_jobs=jobs, finished_jobs=100_000, log_bytes=1 << 30)
    client = ground.client()
    empty_bytes = client.status().rss_bytes
    words = "Take out the boom and its shadow on the wall behind her. " * 4
    requests = [ground.request(words, out=f"takes/{number}") for number in range(jobs)]
    began_s = time.monotonic()
    send_all(ground, requests)
    print(f"{jobs} jobs acknowledged in {time.monotonic() - began_s:.1f} s")
    check_memory(client.status(), jobs, empty_bytes)
    ground.settings(worker_command=INSTANT, queue_jobs=jobs, finished_jobs=100_000, log_bytes=1 << 30)
    ground.kill()
    began_s = time.monotonic()
    status = client.status()
    print(f"restart {time.monotonic() - began_s:.2f} s")
    check_memory(status, jobs, empty_bytes)
    wait_for(lambda: client.status().finished == jobs, timeout_s=300.0)
    assert ran(ground) == Counter(request.job for request in requests)
    assert client.status().rss_bytes < MOST_RSS_BYTES


def check_memory(status: StatusReply, jobs: int, empty_bytes: int) -> None:
    print(f"RSS {status.rss_bytes / 2**20:.0f} MiB with {status.queued} queued, {empty_bytes / 2**20:.0f} with none")
    assert status.rss_bytes < MOST_RSS_BYTES
    assert status.rss_bytes - empty_bytes < jobs * 20_000 + 40 * 2**20


@pytest.mark.slow
def test_a_thousand_waiting_jobs_and_a_restart(ground: Place) -> None:
    full_queue(ground, jobs=1_000)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_ten_thousand_waiting_jobs_and_a_restart(ground: Place) -> None:
    full_queue(ground, jobs=10_000)
