"""A code lets one client in, once, for ten minutes, at one daemon. Everything else about it lets nobody in."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zmq
from attackers import Net, stranger
from hypothesis import given
from hypothesis import strategies as st

from secondtake import Client, DaemonLost, Home, KeyPair, NotFound, UsageError
from secondtake.connection import Connection
from secondtake.keys import add_client, ensure_pair, named_keys
from secondtake.messages import (
    Cancel,
    Hello,
    ListJobs,
    Ok,
    Pair,
    Refused,
    Status,
    Stop,
    Submit,
    Welcome,
)
from secondtake.pairing import CODE_S, Code, join, live_codes, make_code, read_code, withdraw_code

HELLO = Hello(protocol_min=1, protocol_max=1, client="pairing")


@pytest.fixture
def far(tmp_path: Path) -> Home:
    home = Home.find(tmp_path / "far")
    home.create()
    return home


def code_of(net: Net, name: str = "laptop") -> Code:
    return make_code(net.place.home, name=name, endpoint=net.endpoint)


def pairing_folder(net: Net) -> Path:
    return net.place.home.config / "pairing"


def connected(net: Net, keys: KeyPair) -> tuple[zmq.Context[Any], Connection]:
    context: zmq.Context[Any] = zmq.Context()
    return context, Connection(context, net.endpoint, keys=keys)


def test_a_code_enters_the_clients_own_key(net: Net, far: Home) -> None:
    code = read_code(str(code_of(net)))
    endpoint = join(far, code, name="farm")
    own = ensure_pair(far, "client")
    assert named_keys(net.clients)[own.public] == "laptop"
    assert endpoint == net.endpoint
    with Client.connect(home=far.root, daemon="farm", timeout_s=4.0) as client:
        assert client.status().pid == net.place.daemon().pid
    remembered = far.config / "daemons" / "farm.json"
    assert (remembered.stat().st_mode & 0o777, remembered.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert code.secret not in remembered.read_text() and own.secret not in remembered.read_text()


def test_it_works_once(net: Net, far: Home, tmp_path: Path) -> None:
    code = code_of(net)
    join(far, code, name="farm")
    second = Home.find(tmp_path / "second")
    second.create()
    with pytest.raises(DaemonLost, match="No daemon answers to this code"):
        join(second, code, name="farm", timeout_s=0.7)
    assert len(named_keys(net.clients)) == 2
    assert not (second.config / "daemons").exists()


def test_of_many_at_once_one_gets_in(net: Net, tmp_path: Path) -> None:
    code, joined = code_of(net), []

    def attempt(number: int) -> None:
        home = Home.find(tmp_path / str(number))
        home.create()
        try:
            join(home, code, name="farm", timeout_s=3.0)
        except (DaemonLost, NotFound):
            return
        joined.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(joined) == 1
    assert sorted(named_keys(net.clients).values()) == ["laptop", "this-user"]


def test_an_old_code_is_dead(net: Net, far: Home) -> None:
    code = code_of(net)
    (file,) = pairing_folder(net).iterdir()
    file.write_text(file.read_text().split("until")[0] + f"until {time.time() - 1:.0f}\n")
    with pytest.raises(DaemonLost):
        join(far, code, name="farm", timeout_s=0.7)
    assert list(named_keys(net.clients).values()) == ["this-user"]


def test_a_clock_that_was_put_back_does_not_lengthen_a_codes_life(net: Net) -> None:
    code_of(net)
    (file,) = pairing_folder(net).iterdir()
    assert list(live_codes(pairing_folder(net)).values()) == ["laptop"]
    file.write_text(file.read_text().split("until")[0] + f"until {time.time() + 2 * CODE_S:.0f}\n")
    assert live_codes(pairing_folder(net)) == {}


@pytest.mark.parametrize("half", ["secret", "server_key"])
def test_half_a_code_is_none(net: Net, far: Home, half: str) -> None:
    """A wrong secret is a stranger's; a wrong server key is how another daemon in between would look."""
    other = stranger()
    wrong = code_of(net)._replace(**{half: other.secret if half == "secret" else other.public})
    with pytest.raises(DaemonLost):
        join(far, wrong, name="farm", timeout_s=0.7)
    assert list(named_keys(net.clients).values()) == ["this-user"]


def test_a_code_may_do_nothing_else(net: Net) -> None:
    context, connection = connected(net, code_of(net).keys)
    assert isinstance(connection.ask(HELLO, timeout_s=3.0), Welcome)
    for question in (Status(), ListJobs(), Stop(), Cancel(job="0" * 32), Submit(request=net.request())):
        answer = connection.ask(question, timeout_s=3.0)
        assert isinstance(answer, Refused) and answer.error.code == "incompatible", question
    assert net.own.jobs() == []
    connection.close()
    context.destroy(linger=0)


@pytest.mark.parametrize("public", ["", "x", "a" * 40, "é" * 40, "../../client", " " * 40, "#" * 40])
def test_one_attempt_uses_the_code_up(net: Net, public: str) -> None:
    context, connection = connected(net, code_of(net).keys)
    assert isinstance(connection.ask(HELLO, timeout_s=3.0), Welcome)
    if public == "a" * 40:  # sound, but somebody else's already
        add_client(net.clients, name="other", public=public)
    refused = connection.ask(Pair(public=public), timeout_s=3.0)
    assert isinstance(refused, Refused) and refused.error.code == "usage"
    assert list(pairing_folder(net).iterdir()) == []
    assert "laptop" not in named_keys(net.clients).values()
    with pytest.raises(DaemonLost):
        connection.ask(Pair(public=stranger().public), timeout_s=0.7)
    connection.close()
    context.destroy(linger=0)


def test_only_a_code_may_enter_keys(net: Net) -> None:
    context, connection = connected(net, net.allow("farm"))
    assert isinstance(connection.ask(HELLO, timeout_s=3.0), Welcome)
    answer = connection.ask(Pair(public=stranger().public), timeout_s=3.0)
    assert isinstance(answer, Refused) and answer.error.code == "usage"
    assert not isinstance(answer, Ok) and sorted(named_keys(net.clients).values()) == ["farm", "this-user"]
    connection.close()
    context.destroy(linger=0)


def test_the_daemon_keeps_no_secret_of_a_code(net: Net, far: Home) -> None:
    code = code_of(net)
    files = [path for path in net.place.root.rglob("*") if path.is_file()]
    assert files and not any(code.secret.encode() in path.read_bytes() for path in files)
    assert code.secret not in repr(code) and code.secret not in repr([code])
    (kept,) = pairing_folder(net).iterdir()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    join(far, code, name="farm")
    log = net.place.log()
    assert "client paired" in log and code.secret not in log and code.keys.public not in log


def test_a_code_that_was_withdrawn(net: Net, far: Home) -> None:
    code = code_of(net)
    assert withdraw_code(pairing_folder(net), "laptop") and not withdraw_code(pairing_folder(net), "laptop")
    with pytest.raises(DaemonLost):
        join(far, code, name="farm", timeout_s=0.7)


def test_a_name_that_is_taken(net: Net) -> None:
    net.allow("laptop")
    with pytest.raises(UsageError, match="known already"):
        code_of(net)
    for name in ("", "../x", "A", "a b", ".a", "x" * 65, "con/../a"):
        with pytest.raises(UsageError, match="cannot be a name"):
            code_of(net, name)


@given(at=st.integers(4, 200), to=st.sampled_from("AZaz09-_ \n=+/é"))
def test_a_mangled_code_is_noticed(at: int, to: str) -> None:
    keys = stranger()
    code = Code(url="tcp://10.0.0.7:7345", server_key=keys.public, secret=keys.secret)
    text = str(code)
    assert read_code(f"  {text[:20]}\n{text[20:]} \n") == code
    at %= len(text)
    mangled = text[:at] + to + text[at + 1 :]
    try:
        assert read_code(mangled) == code  # the same, or white space at the end
    except UsageError as error:
        assert "no pairing code" in error.message
