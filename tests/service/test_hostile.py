"""Clients of another version, of ill will, or of no protocol at all. The daemon lives through all of them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest
import zmq
from places import Place, wait_for

from secondtake import Client, Incompatible, TooLarge
from secondtake.messages import Hello, ListEngines, Refused, Status, StatusReply, Submit, Watch, Welcome
from secondtake.wire import QUESTION_BYTES, TAG, Answer, Question, pack, read_answer

ID = bytes(16)
HELLO = Hello(protocol_min=1, protocol_max=1, client="raw")
NEWER = (
    "import secondtake.messages as m; m.PROTOCOL_MIN, m.PROTOCOL_MAX = {range}\n"
    "from secondtake_daemon.service.__main__ import main; main()"
)


class Raw:
    """A DEALER without manners."""

    def __init__(self, url: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(url)

    def ask(self, *frames: bytes, timeout_ms: int = 3000) -> Answer | None:
        self.socket.send_multipart(list(frames))
        if not self.socket.poll(timeout_ms):
            return None
        tag, request_id, body = self.socket.recv_multipart()
        assert (tag, request_id) == (TAG, frames[1])
        return read_answer(body)

    def say(self, message: Question) -> Answer | None:
        return self.ask(*pack(message, request_id=ID))


@pytest.fixture
def raw(place: Place) -> Iterator[Raw]:
    place.client()
    raw = Raw(place.daemon().endpoints[0].url)
    yield raw
    raw.context.destroy(linger=0)


def code(answer: Answer | None) -> str:
    assert isinstance(answer, Refused), answer
    return answer.error.code


def test_hello_comes_first(raw: Raw) -> None:
    for message in (Status(), ListEngines(), Watch(job="0" * 32)):
        answer = raw.say(message)
        assert code(answer) == "incompatible"
    assert isinstance(raw.say(HELLO), Welcome)
    assert isinstance(raw.say(Status()), StatusReply)
    assert isinstance(raw.say(HELLO), Welcome)


def test_submit_before_hello_queues_nothing(raw: Raw, place: Place) -> None:
    assert code(raw.say(Submit(request=place.request()))) == "incompatible"
    assert place.clients[0].jobs() == []


def test_foreign_frames_are_dropped_and_counted(raw: Raw, place: Place) -> None:
    raw.say(HELLO)
    body = b'{"kind":"status"}'
    for frames in (
        [b""],
        [TAG],
        [TAG, ID],
        [TAG, ID, body, b""],
        [b"ST0", ID, body],
        [TAG, ID[:8], body],
        [b"x"] * 500,
    ):
        raw.socket.send_multipart(frames)
    assert isinstance(raw.say(Status()), StatusReply)  # the answer to this, and to nothing before
    assert '"dropped":7' in place.log()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"kind":"nothing"}',
        b'{"kind":"welcome"}',
        b'{"kind":"submit"}',
        b'{"kind":"status"',
        b'{"kind":"watch","job":7}',
        b"\xff\xfe\x00",
        b'{"kind":"status","x":' + b"[" * 100_000,
        b'{"kind":"listjobs","limit":"many"}',
        b"\x80\x04\x95pickle",
    ],
)
def test_garbage_bodies_get_a_typed_answer(raw: Raw, body: bytes) -> None:
    raw.say(HELLO)
    assert code(raw.ask(TAG, ID, body)) == "usage"
    assert isinstance(raw.say(Status()), StatusReply)


def test_too_large_a_body_gets_a_typed_answer(raw: Raw) -> None:
    raw.say(HELLO)
    body = msgspec.json.encode({"kind": "status", "x": "y" * QUESTION_BYTES})
    assert code(raw.ask(TAG, ID, body)) == "too_large"
    assert isinstance(raw.say(Status()), StatusReply)


def test_far_too_large_a_body_costs_the_connection_only(raw: Raw, place: Place) -> None:
    raw.say(HELLO)
    assert raw.ask(TAG, ID, b"x" * (8 * QUESTION_BYTES), timeout_ms=300) is None
    assert place.clients[0].status().rss_bytes < 200 * 2**20


def test_a_client_sees_too_large_before_it_sends(place: Place) -> None:
    client = place.client()
    with pytest.raises(TooLarge, match="over the limit"):
        client.submit(place.request("x" * QUESTION_BYTES))
    assert client.jobs() == []


def test_bytes_that_are_no_zeromq(raw: Raw, place: Place) -> None:
    path = place.daemon().endpoints[0].url.removeprefix("ipc://")
    for junk in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096), b"\xff" + b"\x00" * 8 + b"\x01\x7f"):
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(path)
            plain.sendall(junk)
    half_open = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for plain in half_open:
        plain.connect(path)
    assert isinstance(raw.say(HELLO), Welcome)
    for plain in half_open:
        plain.close()


def test_a_client_of_a_newer_protocol(place: Place) -> None:
    place.client()
    with pytest.raises(Incompatible) as caught:
        Client.connect(home=place.root, protocol=(2, 3))
    assert str(caught.value).startswith("The client speaks protocol 2 to 3, the daemon (pid ")
    assert caught.value.exit_status == 5
    with Client.connect(home=place.root, protocol=(0, 7)) as client:
        assert client.welcome.protocol == 1


@pytest.mark.parametrize("spoken", ["(2, 2)", "(5, 9)"])
def test_a_daemon_of_a_newer_protocol(place: Place, spoken: str) -> None:
    place.spawn(code=NEWER.format(range=spoken))
    wait_for(lambda: place.home.runtime_file.exists())
    with pytest.raises(Incompatible, match="The client speaks protocol 1, the daemon"):
        place.client()


def test_a_daemon_that_still_speaks_the_old_protocol(place: Place) -> None:
    place.spawn(code=NEWER.format(range="(1, 9)"))
    wait_for(lambda: place.home.runtime_file.exists())
    assert place.client().welcome.protocol == 1


def test_a_watcher_that_never_reads_holds_nobody_up(raw: Raw, place: Place) -> None:
    raw.socket.rcvhwm = 1
    raw.say(HELLO)
    client = place.clients[0]
    request = place.request("frames=20000", out="long")
    client.submit(request)
    for number in range(50):
        raw.socket.send_multipart(pack(Watch(job=request.job), request_id=number.to_bytes(16, "big")))
    time.sleep(0.5)
    before = time.monotonic()
    assert client.status().pid
    assert time.monotonic() - before < 1.0
    client.cancel(request.job)
    list(client.watch(request.job))


def test_many_answers_that_are_never_read(raw: Raw, place: Place) -> None:
    raw.say(HELLO)
    for _ in range(5000):
        raw.socket.send_multipart(pack(ListEngines(), request_id=ID))
    assert place.clients[0].status().rss_bytes < 200 * 2**20
