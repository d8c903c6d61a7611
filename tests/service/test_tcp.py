"""tcp with CURVE: closed to everyone whose key the user did not allow, also when something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from msgspec.structs import replace
from places import Place

from secondtake import BadInput, Client, DaemonLost, KeyPair
from secondtake.endpoint import Endpoint
from secondtake.keys import ensure_pair
from secondtake.messages import Hello
from secondtake.wire import pack
from secondtake_daemon.service.access import Doorkeeper, require_curve


@pytest.fixture
def endpoint(place: Place) -> Endpoint:
    place.settings(tcp="127.0.0.1:0", roots=[])
    place.client()
    (endpoint,) = [endpoint for endpoint in place.daemon().endpoints if endpoint.url.startswith("tcp:")]
    return endpoint


def connect(place: Place, endpoint: Endpoint, keys: KeyPair | None, *, timeout_s: float = 3.0) -> Client:
    client = Client.connect(home=place.root, endpoint=endpoint, keys=keys, timeout_s=timeout_s, client="remote")
    place.clients.append(client)
    return client


def stranger() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def allow(place: Place, name: str, keys: KeyPair) -> Path:
    file = place.home.config / "clients" / f"{name}.key"
    file.write_text(f"public {keys.public}\n")
    return file


def test_the_users_own_client(place: Place, endpoint: Endpoint) -> None:
    client = connect(place, endpoint, None)
    assert client.status().pid == place.daemon().pid
    client.run(place.request("frames=1"))  # it may name any file, as over ipc
    assert "127.0.0.1" in endpoint.url


def test_keys_that_are_not_allowed_are_refused(place: Place, endpoint: Endpoint) -> None:
    with pytest.raises(DaemonLost):
        connect(place, endpoint, stranger(), timeout_s=0.7)
    own = ensure_pair(place.home, "client")
    for wrong in (KeyPair(own.public, stranger().secret), KeyPair(stranger().public, own.secret)):
        with pytest.raises(DaemonLost):
            connect(place, endpoint, wrong, timeout_s=0.7)
    with pytest.raises(DaemonLost):
        connect(place, replace(endpoint, server_key=stranger().public), own, timeout_s=0.7)
    assert place.clients[0].status().clients == 1


def test_no_key_at_all_is_refused(place: Place, endpoint: Endpoint) -> None:
    context = zmq.Context()
    with context.socket(zmq.DEALER) as plain:
        plain.linger = 0
        plain.connect(endpoint.url)
        plain.send_multipart(pack(Hello(protocol_min=1, protocol_max=1, client="x"), request_id=bytes(16)))
        assert plain.poll(700) == 0
    context.destroy(linger=0)


def test_allow_and_revoke_take_effect_at_once(place: Place, endpoint: Endpoint) -> None:
    keys = stranger()
    file = allow(place, "farm", keys)
    connect(place, endpoint, keys).status()
    file.unlink()
    with pytest.raises(DaemonLost):
        connect(place, endpoint, keys, timeout_s=0.7)


def test_others_need_roots(place: Place, endpoint: Endpoint) -> None:
    keys = stranger()
    allow(place, "farm", keys)
    client = connect(place, endpoint, keys)
    with pytest.raises(BadInput, match="no roots are configured"):
        client.submit(place.request())
    place.clients[0].stop()
    place.settings(tcp="127.0.0.1:0", roots=[str(place.root)])
    place.client()
    (again,) = [endpoint for endpoint in place.daemon().endpoints if endpoint.url.startswith("tcp:")]
    client = connect(place, again, keys)
    with pytest.raises(BadInput, match="outside"):
        client.submit(place.request())
    inside = place.request(plate=str(place.root / "p.exr"), matte=str(place.root / "m.exr"))
    assert client.run(inside).frames == (1, 2, 3)


def test_the_daemons_key_survives_restarts_and_secrets_stay_secret(place: Place, endpoint: Endpoint) -> None:
    secrets = {ensure_pair(place.home, name).secret for name in ("client", "daemon")}
    place.clients[0].stop()
    place.client()
    assert endpoint.server_key in {endpoint.server_key for endpoint in place.daemon().endpoints}
    seen = "".join(path.read_text(errors="replace") for path in place.home.logs.iterdir())
    seen += place.home.runtime_file.read_text()
    assert not any(secret in seen for secret in secrets)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "256.1.1.1:0"])
def test_an_address_that_cannot_be_used(place: Place, address: str) -> None:
    place.settings(tcp=address)
    with pytest.raises(DaemonLost, match="cannot listen on"):
        place.client()


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def test_without_the_doorkeeper_nobody_gets_in(context: zmq.Context[Any], tmp_path: Path) -> None:
    """libzmq lets everyone in when no ZAP handler runs, unless the socket enforces its domain: ours does."""
    server_keys, client_keys = stranger(), stranger()
    (tmp_path / "c.key").write_text(f"public {client_keys.public}\n")
    assert not _gets_through(context, server_keys, client_keys)
    doorkeeper = Doorkeeper(context, tmp_path)
    assert _gets_through(context, server_keys, client_keys)
    assert not _gets_through(context, server_keys, stranger())
    doorkeeper.close()
    assert not _gets_through(context, server_keys, client_keys)


def _gets_through(context: zmq.Context[Any], server_keys: KeyPair, client_keys: KeyPair) -> bool:
    with context.socket(zmq.ROUTER) as server, context.socket(zmq.DEALER) as client:
        server.linger = client.linger = 0
        require_curve(server, server_keys)
        port = server.bind_to_random_port("tcp://127.0.0.1")
        client.curve_serverkey = server_keys.public.encode()
        client.curve_publickey = client_keys.public.encode()
        client.curve_secretkey = client_keys.secret.encode()
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"hello")
        return bool(server.poll(400))
