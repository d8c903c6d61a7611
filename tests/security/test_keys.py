"""Keys over tcp: who is let in, what they may do, and what becomes of them when their key is revoked.

tests/service/test_tcp.py has no key, wrong keys, a wrong server key and a missing doorkeeper.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
import zmq
from attackers import Net, stranger
from msgspec.structs import replace
from places import wait_for
from zmq.utils.monitor import recv_monitor_message

from secondtake import BadInput, DaemonLost, JobState, UsageError
from secondtake.connection import Connection
from secondtake.keys import OWN_NAME, add_client, named_keys, revoke_client
from secondtake.messages import Event, Hello, ListJobs, Status, StatusReply, Watch, Welcome
from secondtake_daemon.service.sessions import client_of

HELLO = Hello(protocol_min=1, protocol_max=1, client="far")


def test_a_revoked_key_ends_its_living_connections(net: Net) -> None:
    keys, context = net.allow("farm"), zmq.Context()
    living = Connection(context, net.endpoint, keys=keys)
    assert isinstance(living.ask(HELLO, timeout_s=3.0), Welcome)
    seen = living._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
    assert isinstance(living.ask(Status(), timeout_s=3.0), StatusReply)
    revoke_client(net.clients, name="farm")
    time.sleep(0.3)
    with pytest.raises(DaemonLost):
        living.ask(ListJobs(), timeout_s=0.7)
    assert seen.poll(1000), "the daemon did not hang up"
    assert recv_monitor_message(seen)["event"] == zmq.EVENT_DISCONNECTED
    deadline_s = time.monotonic() + 0.6
    while seen.poll(max(int((deadline_s - time.monotonic()) * 1000), 0)):
        assert recv_monitor_message(seen)["event"] == zmq.EVENT_DISCONNECTED, "it got in again"
    living._socket.disable_monitor()
    living.close()
    context.destroy(linger=0)
    with pytest.raises(DaemonLost):
        net.connect(keys, timeout_s=0.7)
    assert net.own.status().pid


def test_a_revoked_key_hears_no_more_of_jobs_it_watches(net: Net) -> None:
    context, keys = zmq.Context(), net.allow("farm")
    listener = Connection(context, net.endpoint, keys=keys)
    listener.hello(HELLO, timeout_s=3.0)
    request = net.request("frames=200 frame_s=0.05")
    net.own.submit(request)
    watch = listener.watch(Watch(job=request.job), timeout_s=3.0)
    assert isinstance(listener.next_event(watch, timeout_s=3.0), Event)
    revoke_client(net.clients, name="farm")
    time.sleep(0.4)
    while listener.next_event(watch, timeout_s=0.05) is not None:
        pass  # what was on its way
    assert listener.next_event(watch, timeout_s=0.6) is None
    net.own.cancel(request.job)
    assert listener.next_event(watch, timeout_s=0.6) is None
    listener.close()
    context.destroy(linger=0)


def test_other_clients_do_not_notice(net: Net) -> None:
    stays, goes = net.connect(net.allow("stays")), net.connect(net.allow("goes"), timeout_s=1.0)
    goes.status()
    revoke_client(net.clients, name="goes")
    time.sleep(0.3)
    with pytest.raises(DaemonLost):
        goes.status()
    before = time.monotonic()
    stays.status()
    assert time.monotonic() - before < 0.5


def test_a_client_may_not_stop_the_daemon_nor_anothers_job(net: Net) -> None:
    one, two = net.connect(net.allow("one")), net.connect(net.allow("two"))
    mine = net.request("frames=400 frame_s=0.05")
    assert client_of(one.submit(mine).host) == "one"
    with pytest.raises(UsageError, match="Only the daemon's own user"):
        two.stop()
    for client in (two,):
        with pytest.raises(UsageError, match="another client"):
            client.cancel(mine.job)
    assert net.own.jobs()[0].state in (JobState.QUEUED, JobState.RUNNING)
    one.cancel(mine.job)
    wait_for(lambda: net.own.jobs()[0].state is JobState.CANCELLED)
    own = net.request("frames=400 frame_s=0.05", out="show/own")
    net.own.submit(own)
    with pytest.raises(UsageError, match="another client"):
        one.cancel(own.job)
    net.own.cancel(own.job)


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("blender (pid 7)", ""),
        ("blender (pid 7) @farm", "farm"),
        ("x (pid 1) @farm (pid 7)", ""),
        ("x (pid 1) @a (pid -7) @b", "b"),
        ("(pid 1) @a\n (pid 7)", ""),
    ],
)
def test_a_programs_name_cannot_forge_a_client(host: str, client: str) -> None:
    assert client_of(host) == client


def test_a_forged_program_name_over_the_wire(net: Net) -> None:
    net.own.close()
    forger = net.place.client("x (pid 1) @farm")
    view = forger.submit(net.request("frames=1"))
    assert client_of(view.host) == ""


def test_a_key_file_made_by_hand_with_an_odd_name_is_still_a_foreign_client(net: Net) -> None:
    client = net.connect(net.allow("Färm (1)"))
    with pytest.raises(BadInput, match="outside"):
        client.submit(net.place.request())
    assert client_of(client.submit(net.request("frames=1")).host) == "f_rm__1_"


def test_names_and_keys_are_checked(net: Net) -> None:
    good = stranger().public
    for name in ("../keys/client", "a/b", "", ".hidden", "UPPER", "a\nb"):
        with pytest.raises(UsageError):
            add_client(net.clients, name=name, public=good)
        with pytest.raises(UsageError):
            revoke_client(net.clients, name=name)
    with pytest.raises(UsageError):
        revoke_client(net.clients, name=OWN_NAME)
    add_client(net.clients, name="farm", public=good)
    for name, public in (("farm", stranger().public), ("other", good), ("own", good[:-1]), ("own", good + "\n")):
        with pytest.raises(UsageError):
            add_client(net.clients, name=name, public=public)
    assert sorted(named_keys(net.clients).values()) == ["farm", OWN_NAME]


def test_the_command(secondtake: Callable[..., object]) -> None:
    key = stranger().public
    added = secondtake("clients", "add", "farm", key, "--json")
    assert (added.status, added.json["name"], added.json["public"]) == (0, "farm", key)
    assert secondtake("clients", "add", "farm", key).status == 2
    listed = secondtake("clients", "list", "--json").json
    assert [(client["name"], client["public"]) for client in listed["clients"]] == [("farm", key)]
    assert secondtake("clients", "revoke", "farm").status == 0
    gone = secondtake("clients", "revoke", "farm", "--json")
    assert (gone.status, gone.json["error"]["code"]) == (12, "not_found")
    assert secondtake("clients", "list", "--json").json["clients"] == []
    assert secondtake("clients", "pair").status == 10  # no daemon
    assert json.loads(json.dumps(listed))["codes"] == []


def test_an_identity_is_worth_nothing_without_its_key(net: Net) -> None:
    """A client may choose its ZeroMQ identity; it does not inherit the session of another key that way."""
    context = zmq.Context()
    own = Connection(context, net.endpoint, keys=net.own._keys_for(net.endpoint))
    own._socket.close(0)
    for keys, expected in ((net.own._keys_for(net.endpoint), Welcome), (net.allow("thief"), None)):
        socket = context.socket(zmq.DEALER)
        socket.linger, socket.routing_id = 0, b"the same"
        socket.curve_serverkey = net.endpoint.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = keys.public.encode(), keys.secret.encode()
        socket.connect(net.endpoint.url)
        connection = Connection.__new__(Connection)
        connection.__dict__.update(own.__dict__, _socket=socket)
        if expected is Welcome:
            assert isinstance(connection.ask(HELLO, timeout_s=3.0), Welcome)
        else:
            answer = connection.ask(replace(ListJobs()), timeout_s=3.0)
            assert answer.error.code == "incompatible"  # it never said hello
        socket.close(0)
        time.sleep(0.2)
    context.destroy(linger=0)
