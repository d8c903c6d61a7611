"""One ZeroMQ connection to one daemon: HELLO, questions with a timeout, events of watched jobs. One thread only."""

from __future__ import annotations

import os
import time

import zmq

from secondtake.endpoint import Endpoint
from secondtake.errors import DaemonLost, Incompatible, error_from_body
from secondtake.keys import KeyPair
from secondtake.messages import Event, Hello, Refused, Welcome
from secondtake.wire import ANSWER_BYTES, REQUEST_ID_BYTES, Answer, Question, pack, read_answer, split

__all__ = ["Connection", "notice_the_dead"]

_RECONNECT_FIRST_MS = 20
_RECONNECT_MOST_MS = 2_000
_LOOK_MS = 200
_HANDSHAKE_MS = 5_000
_QUIET_S = 3
_PROBES = 3


class Connection:
    """A DEALER socket after HELLO. Answers that nobody waits for any more are dropped, events are kept (the latest)."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint, *, keys: KeyPair | None = None
    ) -> None:
        self._events: dict[bytes, Event | Refused] = {}
        self._watches: set[bytes] = set()
        self._socket = context.socket(zmq.DEALER)
        self._is_greeted = False
        self.is_broken = False
        """True once the other end was seen to be gone."""
        _set_options(self._socket)
        if endpoint.server_key:
            if keys is None:
                raise DaemonLost("A client needs a key pair to connect by tcp", path=endpoint.url)
            self._socket.curve_serverkey = endpoint.server_key.encode("ascii")
            self._socket.curve_publickey = keys.public.encode("ascii")
            self._socket.curve_secretkey = keys.secret.encode("ascii")
        self._socket.connect(endpoint.url)

    def close(self) -> None:
        """Drop it; nothing waits."""
        self._socket.close(linger=0)

    def hello(self, hello: Hello, *, timeout_s: float) -> Welcome:
        """Greet. Raises Incompatible without a common version, DaemonLost without an answer."""
        answer = self.ask(hello, timeout_s=timeout_s)
        if isinstance(answer, Refused):
            raise error_from_body(answer.error)
        if not isinstance(answer, Welcome):
            raise Incompatible("The daemon does not answer HELLO with WELCOME", remedy="Update Second Take")
        self._is_greeted = True
        return answer

    def ask(self, question: Question, *, timeout_s: float) -> Answer:
        """Send a question and wait for its answer. Raises DaemonLost in time, TooLarge before anything is sent."""
        deadline_s = time.monotonic() + timeout_s
        request_id = os.urandom(REQUEST_ID_BYTES)
        self._send(question, request_id, deadline_s)
        while True:
            answer = self._receive(request_id, deadline_s)
            if answer is not None:
                return answer

    def watch(self, question: Question, *, timeout_s: float) -> bytes:
        """Ask for events; the id for `next_event`. Raises as ask."""
        request_id = os.urandom(REQUEST_ID_BYTES)
        self._watches.add(request_id)
        self._send(question, request_id, time.monotonic() + timeout_s)
        return request_id

    def next_event(self, request_id: bytes, *, timeout_s: float) -> Event | Refused | None:
        """The latest event of a watch that was not read yet, or None if none came in time."""
        deadline_s = time.monotonic() + timeout_s
        while request_id not in self._events:
            try:
                self._receive(b"", deadline_s)
            except DaemonLost:
                return None
        return self._events.pop(request_id)

    def unwatch(self, request_id: bytes) -> None:
        """Drop events of this watch from now on."""
        self._watches.discard(request_id)
        self._events.pop(request_id, None)

    def _send(self, question: Question, request_id: bytes, deadline_s: float) -> None:
        frames = pack(question, request_id=request_id)
        # Once greeted, a socket that cannot be written to has lost its other end.
        patience_ms = min(_left_ms(deadline_s), _LOOK_MS) if self._is_greeted else _left_ms(deadline_s)
        if not self._socket.poll(patience_ms, zmq.POLLOUT):
            raise DaemonLost("The daemon cannot be reached", remedy="Start it with `secondtake daemon start`")
        try:
            self._socket.send_multipart(frames, flags=zmq.NOBLOCK)
        except zmq.Again as error:  # it went between the look and the word
            raise DaemonLost("The daemon hung up", remedy="Look at `secondtake daemon status`") from error

    def _await_input(self, deadline_s: float) -> None:
        """Raises DaemonLost in time, and soon after the other end is gone: then nothing can be written either."""
        while not self._socket.poll(min(_left_ms(deadline_s), _LOOK_MS), zmq.POLLIN):
            if not self._socket.poll(0, zmq.POLLOUT):
                self.is_broken = True
                raise DaemonLost("The daemon hung up", remedy="Look at `secondtake daemon status`")
            if not _left_ms(deadline_s):
                raise DaemonLost("The daemon did not answer in time", remedy="Look at `secondtake daemon status`")

    def _receive(self, wanted_id: bytes, deadline_s: float) -> Answer | None:
        """One message: the wanted answer, or None for anything else (events are put aside)."""
        self._await_input(deadline_s)
        envelope = split(self._socket.recv_multipart(flags=zmq.NOBLOCK))
        if envelope is None:
            return None
        if envelope.request_id == wanted_id:
            return read_answer(envelope.body)
        if envelope.request_id in self._watches:
            event = read_answer(envelope.body)
            if isinstance(event, Event | Refused):
                self._events[envelope.request_id] = event
        return None


def _set_options(socket: zmq.Socket[bytes]) -> None:
    socket.linger = 0
    socket.immediate = 1  # without it messages queue up for a daemon that is not there
    socket.sndhwm = socket.rcvhwm = 64
    socket.maxmsgsize = ANSWER_BYTES + 1024
    socket.reconnect_ivl = _RECONNECT_FIRST_MS
    socket.reconnect_ivl_max = _RECONNECT_MOST_MS
    socket.handshake_ivl = _HANDSHAKE_MS
    notice_the_dead(socket)


def notice_the_dead(socket: zmq.Socket[bytes]) -> None:
    """Let the system find out, over tcp, that a machine vanished without a word; over ipc it always knows.

    Not ZeroMQ's own heartbeats: libzmq 4.3.5 ends the whole process when one is due on a connection that broke while
    its queue was full (zeromq/libzmq#4364, #4767).
    """
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = _QUIET_S
    socket.tcp_keepalive_intvl = _QUIET_S
    socket.tcp_keepalive_cnt = _PROBES
    socket.tcp_maxrt = _QUIET_S * (_PROBES + 1) * 1_000


def _left_ms(deadline_s: float) -> int:
    return max(int((deadline_s - time.monotonic()) * 1000), 0)
