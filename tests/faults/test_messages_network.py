"""A wire that freezes, breaks, crawls, and messages that come twice, late, or in another order."""

from __future__ import annotations

import itertools
import random
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psutil
import pytest
import zmq
from fuzz import message, open_socket, shake_hands
from places import Place, wait_for
from proxy import Wire

from secondtake import Client, DaemonLost, JobState
from secondtake.endpoint import Endpoint
from secondtake.messages import Accepted, Cancel, Event, Hello, ListJobs, Refused, Status, Submit, Watch
from secondtake.wire import Question, pack, read_answer

HELLO = Hello(protocol_min=1, protocol_max=1, client="raw")


@pytest.fixture
def wire(ground: Place) -> Iterator[Wire]:
    """To a daemon that listens on tcp too."""
    ground.settings(tcp="127.0.0.1:0")
    ground.client()
    with Wire(tcp_endpoint(ground).url) as wire:
        yield wire


def tcp_endpoint(ground: Place) -> Endpoint:
    (endpoint,) = [endpoint for endpoint in ground.daemon().endpoints if endpoint.url.startswith("tcp:")]
    return endpoint


def far_client(ground: Place, wire: Wire, *, timeout_s: float = 8.0) -> Client:
    endpoint = Endpoint(url=wire.url, server_key=tcp_endpoint(ground).server_key)
    client = Client.connect(home=ground.root, endpoint=endpoint, timeout_s=timeout_s, client="far")
    ground.clients.append(client)
    return client


def jobs_in_journal(ground: Place) -> int:
    ground.clients[0].stop()
    with sqlite3.connect(ground.home.data / "jobs.sqlite") as journal:
        (count,) = journal.execute("SELECT count(*) FROM jobs").fetchone()
    journal.close()
    return int(count)


def test_a_machine_that_vanishes(ground: Place, wire: Wire) -> None:
    """Nobody hangs up: both sides must find out by themselves, and go on when it is there again."""
    far = far_client(ground, wire, timeout_s=1.0)
    request = ground.request("frames=200 frame_s=0.03")
    far.submit(request)
    watch = far.watch(request.job, timeout_s=60.0)
    next(watch)
    wire.freeze()
    began_s = time.monotonic()
    with pytest.raises(DaemonLost):
        far.status()
    assert time.monotonic() - began_s < 3.0
    near = ground.clients[0]
    assert near.status().running == 1
    wire.freeze(False)
    wait_for(lambda: is_served(far), timeout_s=10.0)
    near.cancel(request.job)
    assert [view.state for view in far.watch(request.job, timeout_s=20.0)][-1] is JobState.CANCELLED


def test_a_daemon_hangs_up_on_a_machine_that_is_gone(ground: Place, wire: Wire) -> None:
    """Nothing comes from there ever again, not even the end of the connection."""
    far_client(ground, wire).status()
    daemon = psutil.Process(ground.daemon().pid)
    connected = sum(each.status == psutil.CONN_ESTABLISHED for each in daemon.net_connections("tcp"))
    assert connected == 1
    wire.freeze()
    try:
        wire.vanish()
    except PermissionError:
        pytest.skip("needs CAP_NET_ADMIN")
    wait_for(
        lambda: not [e for e in daemon.net_connections("tcp") if e.status == psutil.CONN_ESTABLISHED], timeout_s=20.0
    )


def is_served(client: Client) -> bool:
    with suppress(DaemonLost):
        return bool(client.status().pid)
    return False


def test_an_answer_that_is_lost_makes_no_second_job(ground: Place, wire: Wire) -> None:
    far = far_client(ground, wire, timeout_s=0.5)
    request = ground.request("frames=1")
    wire.freeze_down = True
    with pytest.raises(DaemonLost):
        far.submit(request)
    wire.cut()
    wire.freeze(False)
    *_, last = far_client(ground, wire).watch(request.job, timeout_s=10.0)  # it was taken, though nobody heard
    assert last.state is JobState.DONE
    wait_for(lambda: is_served(far))
    assert far.submit(request).result == last.result
    assert jobs_in_journal(ground) == 1


def test_a_wire_that_breaks_again_and_again(ground: Place, wire: Wire) -> None:
    far = far_client(ground, wire)
    requests = [ground.request("frames=6 frame_s=0.05", out=f"{number}") for number in range(4)]
    over = threading.Event()

    def break_it() -> None:
        while not over.wait(0.25):
            wire.cut()

    breaker = threading.Thread(target=break_it)
    breaker.start()
    try:
        for request in requests:
            far.submit(request)
        for request in requests:
            *before, last = far.watch(request.job, timeout_s=30.0)
            assert last.state is JobState.DONE
            assert all(not view.state.is_final for view in before)
            assert [view.done for view in before] == sorted(view.done for view in before)
    finally:
        over.set()
        breaker.join()
    assert [len(ground.starts(f"{number}")) for number in range(4)] == [1] * 4


def test_a_slow_wire_holds_nobody_up(ground: Place, wire: Wire) -> None:
    far = far_client(ground, wire)
    request = ground.request("frames=1500")
    far.submit(request)
    wire.bytes_per_s = 400_000.0
    views = far.watch(request.job, timeout_s=60.0)
    next(views)
    near = ground.client()
    for _ in range(20):
        began_s = time.monotonic()
        assert near.status().pid
        assert time.monotonic() - began_s < 2.0
    *_, last = views
    assert last.state is JobState.DONE
    assert near.status().rss_bytes < 200 * 2**20


def test_a_gibibyte_is_not_listened_to(ground: Place) -> None:
    ground.client()
    with open_socket(ground.daemon().endpoints[0].url) as plain:
        shake_hands(plain)
        plain.sendall(b"\x02" + (1 << 30).to_bytes(8, "big"))
        taken_bytes, piece = 0, bytes(1 << 20)
        with pytest.raises(OSError, match=r"pipe|reset|timed out"):
            while taken_bytes < 1 << 30:
                taken_bytes += plain.send(piece)
    assert taken_bytes < 64 << 20
    assert ground.clients[0].status().rss_bytes < 200 * 2**20


class Raw:
    """A DEALER that says what it likes, in what order it likes."""

    def __init__(self, url: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(url)

    def send(self, question: Question, number: int) -> None:
        self._socket.send_multipart(pack(question, request_id=number.to_bytes(16, "big")))

    def receive(self, count: int) -> list[tuple[int, object]]:
        """So many answers, with the number of their question."""
        found = []
        for _ in range(count):
            assert self._socket.poll(5000), f"{len(found)} of {count} answers came"
            _, request_id, body = self._socket.recv_multipart()
            found.append((int.from_bytes(request_id, "big"), read_answer(body)))
        return found

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def raw(ground: Place) -> Iterator[Raw]:
    ground.client()
    raw = Raw(ground.daemon().endpoints[0].url)
    raw.send(HELLO, 0)
    raw.receive(1)
    yield raw
    raw.close()


def test_every_message_twice(ground: Place, raw: Raw) -> None:
    requests = [ground.request("frames=1", out=f"{number}") for number in range(5)]
    for request in requests:
        for number in (1, 1, 2):
            raw.send(Submit(request=request), number)
    answers = [answer for _, answer in raw.receive(15)]
    assert all(isinstance(answer, Accepted) for answer in answers)
    for request in requests:
        raw.send(Cancel(job=request.job), 3)
        raw.send(Cancel(job=request.job), 3)
    raw.receive(10)
    for request in requests:
        *_, last = ground.clients[0].watch(request.job, timeout_s=10.0)
        assert last.state in (JobState.DONE, JobState.CANCELLED)
        assert len(ground.starts(request.out)) <= 1
    assert jobs_in_journal(ground) == 5


def test_any_order_of_messages(ground: Place, raw: Raw) -> None:
    """Each question gets one answer, under its own number; one that came too early is refused, not forgotten."""
    dice = random.Random(11)
    orders = list(itertools.permutations(range(5)))
    for turn, order in enumerate(dice.sample(orders, 30)):
        request = ground.request("frames=1", out=f"{turn}")
        questions: list[Question] = [
            Submit(request=request),
            Cancel(job=request.job),
            ListJobs(limit=1, job=request.job),
            Status(),
            HELLO,
        ]
        for index in order:
            raw.send(questions[index], index)
        answers = dict(raw.receive(len(questions)))
        assert answers.keys() == set(range(5))
        for index in (1, 2):
            is_early = order.index(index) < order.index(0)
            answer = answers[index]
            assert isinstance(answer, Refused) == is_early
            assert not isinstance(answer, Refused) or answer.error.code == "not_found"
        *_, last = ground.clients[0].watch(request.job, timeout_s=10.0)
        assert last.state.is_final


def test_a_watch_that_is_asked_for_twice_ends_once(ground: Place, raw: Raw) -> None:
    request = ground.request("frames=2 frame_s=0.2")
    raw.send(Submit(request=request), 1)
    said: list[tuple[int, object]] = []
    while not said:  # before it is accepted, another connection may be answered that there is no such job
        said += raw.receive(1)
    for _ in range(3):
        raw.send(Watch(job=request.job), 2)
    list(ground.clients[0].watch(request.job, timeout_s=10.0))
    raw.send(Status(), 3)
    while not said or said[-1][0] != 3:
        said += raw.receive(1)
    finals = [answer for number, answer in said if number == 2 and isinstance(answer, Event) and is_final(answer)]
    assert len(finals) == 1


def is_final(event: Event) -> bool:
    return event.view.state.is_final


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
def test_more_connections_than_a_process_usually_may_have(ground: Place) -> None:
    """libzmq ends the whole process when a connection comes and no descriptor is left for it."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        client = ground.client()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
    runtime = ground.daemon()
    with ExitStack() as plain:
        for _ in range(400):
            plain.enter_context(patient_socket(runtime.endpoints[0].url))
        assert client.status().pid == runtime.pid
        client.run(ground.request("frames=1"), timeout_s=20.0)
    assert ground.client().status().pid == runtime.pid


_READS_LATE = """
import os, signal, sys, time
from pathlib import Path
from secondtake import Client, Home
from secondtake.endpoint import find_daemon
client = Client.connect(home=Path(sys.argv[1]), autostart=False)
watch = client.watch(sys.argv[2], timeout_s=20.0)
next(watch)
time.sleep(1.5)  # more events than a socket holds
os.kill(find_daemon(Home.find(Path(sys.argv[1]))).pid, signal.SIGKILL)
time.sleep(2.5)
os._exit(0)
"""


def test_a_host_that_reads_late_survives_the_daemon(ground: Place) -> None:
    """Its process is the artist's program. libzmq ends it if a heartbeat is due on a connection that broke with its
    queue full (zeromq/libzmq#4364), so there are no heartbeats."""
    client = ground.client()
    request = ground.request("frames=100000 frame_s=0.005")
    client.submit(request)
    wait_for(lambda: ground.starts())
    host = subprocess.run(
        [sys.executable, "-c", _READS_LATE, str(ground.root), request.job], capture_output=True, timeout=30, check=False
    )
    assert (host.returncode, host.stderr) == (0, b"")
    client.cancel(request.job)


def test_a_host_that_dies_with_its_questions_unread(ground: Place) -> None:
    """The same the other way round: a host asks more than the daemon can take in at once, and is gone."""
    ground.settings(worker_command=[sys.executable, "-c", "import sys; sys.stdin.read()"])
    client = ground.client()
    for number in range(400):
        client.submit(ground.request(out=f"{number}"))
    runtime = ground.daemon()
    ask = pack(ListJobs(limit=1000), request_id=bytes(16))
    with open_socket(runtime.endpoints[0].url) as plain:
        shake_hands(plain)
        time.sleep(0.9)
        plain.sendall(message(*pack(HELLO, request_id=bytes(16))) + message(*ask) * 600)
    time.sleep(2.5)
    assert runtime.is_live
    assert client.status().pid == runtime.pid


def patient_socket(url: str) -> socket.socket:
    """Open one, also if many wait to be taken in."""
    deadline_s = time.monotonic() + 10.0
    while True:
        try:
            return open_socket(url)
        except BlockingIOError:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
