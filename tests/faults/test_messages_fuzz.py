"""Peers that speak garbage, at every level of the protocol: bytes of ZMTP, frames, JSON, values."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest
import zmq
from fuzz import GREETING, READY, bodies, golden, message, mutated_bytes, open_socket, shake_hands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import Place, wait_for

from secondtake import Client
from secondtake.endpoint import Endpoint, Runtime
from secondtake.errors import SecondTakeError
from secondtake.messages import Event, Hello, Refused, Status, StatusReply, Stop
from secondtake.process import process_start
from secondtake.wire import TAG, Answer, pack, read_answer, read_question

HELLO = Hello(protocol_min=1, protocol_max=1, client="fuzz")
LIVE = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JUNK = 300
"""Connections that speak bad ZMTP."""


class Peer:
    """A DEALER that sends bodies as they are, and waits for the answer to each."""

    def __init__(self, url: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(url)
        self._count = 0
        self.ask(msgspec.json.encode(HELLO))

    def ask(self, body: bytes) -> Answer | None:
        """None if there was no answer in two seconds."""
        self._count += 1
        request_id = self._count.to_bytes(16, "big")
        self._socket.send_multipart([TAG, request_id, body])
        while self._socket.poll(2000):
            _, answered, answer = self._socket.recv_multipart()
            if answered == request_id:
                return read_answer(answer)
        return None

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def peer(ground: Place) -> Iterator[Peer]:
    # What a mutation makes of a path must not be written to: only what lies here may be named.
    ground.settings(roots=[str(ground.root / "allowed")])
    ground.client()
    peer = Peer(ground.daemon().endpoints[0].url)
    yield peer
    peer.close()


@given(body=bodies() | bodies("Answers") | st.binary(max_size=200))
@settings(max_examples=2000, deadline=None)
def test_reading_never_fails_untyped(body: bytes) -> None:
    for read in (read_question, read_answer):
        with suppress(SecondTakeError):
            read(body)


@pytest.mark.faults
@given(data=st.data())
@settings(LIVE, max_examples=20_000)
def test_a_great_many_strange_questions(ground: Place, peer: Peer, data: st.DataObject) -> None:
    ask_strangely(ground, peer, data)


@given(data=st.data())
@LIVE
def test_every_strange_question_is_answered_and_the_daemon_lives(
    ground: Place, peer: Peer, data: st.DataObject
) -> None:
    ask_strangely(ground, peer, data)


def ask_strangely(ground: Place, peer: Peer, data: st.DataObject) -> None:
    body = data.draw(bodies()).replace(b"/show/", f"{ground.root}/allowed/".encode())
    with suppress(SecondTakeError):
        if isinstance(read_question(body), Stop):
            return
    answer = peer.ask(body)
    assert answer is not None
    if isinstance(answer, Refused):
        assert answer.error.code not in ("", "error")
        assert answer.error.message
    ask = peer.ask(b'{"kind":"status"}')
    assert isinstance(ask, StatusReply)
    assert ask.pid == ground.daemon().pid


def said(dice: random.Random, *, is_greeted: bool) -> bytes:
    """The bytes of a client, hurt somewhere: greeting and handshake, if it did not make them; heartbeats, messages."""
    questions = [message(b"ST1", bytes(16), body) for body in golden("Questions") if b'"stop"' not in body]
    parts = [message(b"ST1", bytes(16), msgspec.json.encode(HELLO)), *dice.sample(questions, 3)]
    parts[:0] = [] if is_greeted else [GREETING, READY]
    extra = [
        b"\x04\x07\x04PING\x00\x01",
        b"\x04\xff" + dice.randbytes(40),
        b"\x06" + (2**62).to_bytes(8, "big"),
        b"\x02" + (2**63 + 5).to_bytes(8, "big") + b"x" * 100,
        b"\x01\x00" * 5000,
        message(*[b"x"] * 1000),
        b"\x04\x0b\x05ERROR\x03bad!!",
        dice.randbytes(200),
    ]
    at = dice.randrange(len(parts) + 1)
    match dice.randrange(4):
        case 0:
            parts[at:at] = dice.sample(extra, 2)
        case 1:
            dice.shuffle(parts)
        case 2:
            parts.insert(min(at, 2), dice.choice(extra))
        case 3:
            return mutated_bytes(b"".join(parts), dice)
    return b"".join(parts)


def test_the_bytes_that_are_hurt_are_well(ground: Place) -> None:
    """Else all of them would be thrown away at the door."""
    ground.client()
    with open_socket(ground.daemon().endpoints[0].url) as plain:
        shake_hands(plain)
        plain.sendall(message(TAG, bytes(16), msgspec.json.encode(HELLO)))
        heard = b""
        while b'"kind":"welcome"' not in heard:
            heard += (more := plain.recv(4096))
            assert more, heard


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_bytes_that_are_almost_zeromq(ground: Place, transport: str) -> None:
    babble(ground, transport, seed=5, connections=JUNK)


@pytest.mark.faults
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_many_more_bytes_that_are_almost_zeromq(ground: Place, transport: str) -> None:
    babble(ground, transport, seed=random.SystemRandom().randrange(2**32), connections=20 * JUNK)


def babble(ground: Place, transport: str, *, seed: int, connections: int) -> None:
    print(f"seed {seed}")
    ground.settings(roots=[str(ground.root / "allowed")], tcp="127.0.0.1:0")
    client = ground.client()
    runtime = ground.daemon()
    (url,) = [endpoint.url for endpoint in runtime.endpoints if endpoint.url.startswith(transport)]
    daemon = psutil.Process(runtime.pid)
    client.status()
    before, threads = daemon.num_fds(), daemon.num_threads()
    dice = random.Random(seed)
    still_open: deque[socket.socket] = deque()
    for number in range(connections):
        plain = open_socket(url)
        with suppress(OSError):
            if is_greeted := transport == "ipc" and number % 2 == 0:  # on tcp there is more to it than NULL
                shake_hands(plain)
            plain.sendall(said(dice, is_greeted=is_greeted))
            if number % 3 == 0:
                plain.shutdown(socket.SHUT_WR)
            elif number % 3 == 1:
                plain.close()
        still_open.append(plain)
        if len(still_open) > 100:
            still_open.popleft().close()
    assert client.status().pid == runtime.pid
    for plain in still_open:
        plain.close()
    other = ground.client()
    allowed = ground.root / "allowed"
    other.run(ground.request("frames=1", plate=str(allowed / "p.exr"), matte=str(allowed / "m.exr"), out="allowed/out"))
    wait_for(lambda: daemon.num_fds() <= before + 20, timeout_s=15.0)
    assert daemon.num_threads() <= threads + 10
    assert client.status().rss_bytes < 200 * 2**20


class Liar(threading.Thread):
    """A daemon of sorts: it answers every question with the bodies it was given, whatever was asked."""

    def __init__(self, home: Path, lies: list[bytes]) -> None:
        super().__init__(daemon=True)
        self._lies = lies
        self._over = threading.Event()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(f"ipc://{home}/run/liar.ipc")

    def run(self) -> None:
        turn = 0
        while not self._over.is_set():
            if not self._socket.poll(20):
                continue
            identity, *frames = self._socket.recv_multipart()
            self._socket.send_multipart([identity, TAG, frames[1], self._lies[turn % len(self._lies)]])
            turn += 1

    def close(self) -> None:
        self._over.set()
        self.join()
        self._context.destroy(linger=0)


WELCOME = next(body for body in golden("Answers") if b'"welcome"' in body)


@pytest.mark.parametrize("is_greeted", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_daemon_that_answers_garbage(ground: Place, seed: int, is_greeted: bool) -> None:
    """The client tells in time, with a typed error, and its call does not hang."""
    dice = random.Random(seed)
    answers = [body for body in golden("Answers") if b'"statusreply"' not in body]
    lies = [dice.choice((mutated_bytes(dice.choice(answers), dice), dice.choice(answers))) for _ in range(5)]
    liar = Liar(ground.root, [WELCOME, *lies] if is_greeted else lies)
    runtime = Runtime(
        pid=(pid := psutil.Process().pid),
        pid_start=process_start(pid),
        machine=socket.gethostname(),
        instance="liar",
        protocol_min=1,
        protocol_max=1,
        version="0",
        endpoints=(Endpoint(url=f"ipc://{ground.root}/run/liar.ipc"),),
    )
    ground.home.runtime_file.write_bytes(msgspec.json.encode(runtime))
    liar.start()
    began_s = time.monotonic()
    try:
        with pytest.raises(SecondTakeError), Client.connect(home=ground.root, autostart=False, timeout_s=1.0) as client:
            for _ in range(3):
                client.status()
    finally:
        liar.close()
        ground.home.runtime_file.unlink()
    assert time.monotonic() - began_s < 5.0


def test_events_nobody_asked_for_change_nothing(peer: Peer) -> None:
    """A client may say an answer, too; that is no question."""
    for body in golden("Answers"):
        answer = peer.ask(body)
        assert isinstance(answer, Refused), body
        assert answer.error.code == "usage"
    assert not isinstance(peer.ask(pack(Status(), request_id=bytes(16))[2]), Event)
