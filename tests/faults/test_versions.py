"""Every meeting of a client and a daemon that speak other protocols: served where their ranges meet, else refused."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import msgspec
import pytest
import zmq
from fuzz import golden
from places import Place, wait_for

from secondtake import Client, Incompatible
from secondtake.messages import PROTOCOL_MAX, PROTOCOL_MIN, Hello, Refused, Status, StatusReply
from secondtake.wire import TAG, common_version, pack, read_answer

Range = tuple[int, int]

NOW = PROTOCOL_MAX
RANGES: list[Range] = [
    (NOW - 1, NOW - 1),
    (NOW - 1, NOW),
    (NOW, NOW),
    (NOW, NOW + 1),
    (NOW + 1, NOW + 1),
    (NOW - 1, NOW + 1),
]
"""One below, one above, and what spans them."""
_DAEMON = (
    "import secondtake.messages as m; m.PROTOCOL_MIN, m.PROTOCOL_MAX = {range}\n"
    "from secondtake_daemon.service.__main__ import main; main()"
)
_COMMAND = (
    "import sys; from secondtake import Client; Client.connect.__func__.__kwdefaults__['protocol'] = {range}\n"
    "from secondtake_daemon.__main__ import main; sys.exit(main())"
)


def start(ground: Place, spoken: Range) -> None:
    ground.spawn(code=_DAEMON.format(range=spoken))
    wait_for(lambda: ground.home.runtime_file.exists())


@pytest.mark.parametrize("daemon", RANGES, ids=str)
def test_matrix(ground: Place, daemon: Range) -> None:
    start(ground, daemon)
    for client in RANGES:
        common = common_version(client, daemon)
        if common is None:
            with pytest.raises(Incompatible) as caught:
                Client.connect(home=ground.root, autostart=False, protocol=client)
            error = caught.value
            assert (error.code, error.exit_status) == ("incompatible", 5)
            assert all(str(number) in str(error) for number in (*client, *daemon))
            assert error.remedy
            continue
        with Client.connect(home=ground.root, autostart=False, protocol=client) as connected:
            assert connected.welcome is not None
            assert connected.welcome.protocol == common == min(client[1], daemon[1])
            assert connected.status().pid == ground.daemon().pid
    assert (ground.daemon().protocol_min, ground.daemon().protocol_max) == daemon


def run_command(ground: Place, *arguments: str, spoken: Range = (PROTOCOL_MIN, PROTOCOL_MAX)) -> tuple[int, str]:
    """Exit status and the last line of stderr of a command that speaks so."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND.format(range=spoken), *arguments],
        env={**os.environ, "SECONDTAKE_HOME": str(ground.root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


@pytest.mark.parametrize(
    ("daemon", "spoken"), [((NOW + 1, NOW + 1), (NOW, NOW)), ((NOW, NOW), (NOW + 1, NOW + 1))], ids=["newer", "older"]
)
def test_the_command_says_so_and_what_to_do(ground: Place, daemon: Range, spoken: Range) -> None:
    start(ground, daemon)
    pid = ground.daemon().pid
    for arguments in (["jobs"], ["jobs", "--json"], ["cancel", "0" * 32]):
        status, said = run_command(ground, *arguments, spoken=spoken)
        assert status == 5, said
        assert "protocol" in said
        assert "Update the older one" in said
    assert ground.daemon().pid == pid  # nobody took the other version's daemon down


def test_one_version_apart_with_fields_of_tomorrow(ground: Place) -> None:
    """The next version adds fields to everything it says; what this one does with it stays the same."""
    start(ground, (NOW, NOW + 1))
    context = zmq.Context()
    try:
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(ground.daemon().endpoints[0].url)
        said = [Hello(protocol_min=NOW, protocol_max=NOW + 1, client="tomorrow"), Status()]
        extras = [b',"mood":"calm"}', b',"nested":{"deep":[1,{"x":null}]}}']
        for question, extra in itertools.product(said, extras):
            body = pack(question, request_id=bytes(16))[2]
            socket.send_multipart([TAG, bytes(16), body[:-1] + extra])
            assert socket.poll(3000)
            answer = read_answer(socket.recv_multipart()[2])
            assert not isinstance(answer, Refused)
        assert isinstance(answer, StatusReply)
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("example", golden("Answers"))
def test_an_answer_of_tomorrow_is_understood(example: bytes) -> None:
    tree = msgspec.json.decode(example)
    assert read_answer(msgspec.json.encode(with_extras(tree))) == read_answer(example)


def with_extras(tree: object) -> object:
    """Every object of an answer has one field more."""
    if isinstance(tree, dict):
        return {**{name: with_extras(value) for name, value in tree.items()}, "added_later": [1]}
    return [with_extras(value) for value in tree] if isinstance(tree, list) else tree
