"""What was said once cannot be said again by somebody who listened, and saying it twice oneself changes nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import zmq
from attackers import Net
from msgspec.structs import replace

from secondtake import UsageError
from secondtake.endpoint import Endpoint
from secondtake.messages import Accepted, Hello, Submit, Welcome
from secondtake.wire import pack, read_answer

HELLO = Hello(protocol_min=1, protocol_max=1, client="raw")


class Wire:
    """A wire that remembers what the client sent over it."""

    def __init__(self, port: int) -> None:
        self._daemon = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                daemon = socket.create_connection(self._daemon)
                for source, sink, kept in ((client, daemon, self.sent), (daemon, client, None)):
                    threading.Thread(target=self._copy, args=(source, sink, kept), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket, kept: list[bytes] | None) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                if kept is not None:
                    kept.append(data)
                sink.sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def wire(net: Net) -> Iterator[Wire]:
    wire = Wire(int(net.endpoint.url.rpartition(":")[2]))
    yield wire
    wire.close()


def test_a_recorded_conversation_says_nothing_to_the_daemon(net: Net, wire: Wire) -> None:
    keys = net.allow("farm")
    behind = Endpoint(url=f"tcp://127.0.0.1:{wire.port}", server_key=net.endpoint.server_key)
    client = net.connect(keys, endpoint=behind)
    request = net.request("frames=1")
    client.run(request)
    client.close()
    assert request.shot.encode() not in b"".join(wire.sent), "the wire can be read"
    before = net.own.status()
    for paced in (False, True):
        with socket.create_connection(("127.0.0.1", int(net.endpoint.url.rpartition(":")[2]))) as again:
            again.settimeout(1.0)
            with suppress(OSError):
                for piece in wire.sent:
                    again.sendall(piece)
                    if paced:
                        again.recv(65536)
                while again.recv(65536):
                    pass
    after = net.own.status()
    assert after.clients <= before.clients  # the one that left may be forgotten meanwhile
    assert (after.queued, after.running, after.finished) == (0, 0, before.finished)
    assert len(net.own.jobs()) == 1 and "dropped" not in net.place.log()


def test_the_same_bytes_twice_are_one_job_and_one_session(net: Net) -> None:
    """Over ipc there is no replay but by the user's own programs; it changes nothing."""
    context = zmq.Context()
    raw = context.socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(net.place.daemon().endpoints[0].url)
    request = net.request("frames=1")
    hello, submit = pack(HELLO, request_id=bytes(16)), pack(Submit(request=request), request_id=bytes(16))
    for frames, kind in ((hello, Welcome), (hello, Welcome), (submit, Accepted), (submit, Accepted)):
        raw.send_multipart(frames)
        assert raw.poll(3000)
        assert isinstance(read_answer(raw.recv_multipart()[2]), kind)
    raw.send_multipart(submit)
    raw.send_multipart(submit)  # also when they share one commit
    time.sleep(0.3)
    assert len(net.own.jobs()) == 1
    list(net.own.watch(request.job))
    assert len(net.place.starts("show/out")) == 1
    raw.close()
    context.destroy(linger=0)


def test_a_job_id_never_stands_for_another_request(net: Net) -> None:
    request = net.request("frames=1")
    net.own.run(request)
    with pytest.raises(UsageError, match="another request"):
        net.own.submit(replace(request, out=str(net.place.root / "show" / "elsewhere")))
