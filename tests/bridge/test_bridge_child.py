"""The bridge as a real child: hosts that are killed, stall, flood, talk nonsense or another version. No daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hosts import BRIDGE, HELLO, Host, host, is_gone, make_shot, new_job, wait_until

from secondtake_daemon.bridge.lines import LINE_BYTES

OTHER = "incompatible"


def endless(folder: Path) -> dict[str, str]:
    """A plate, and a matte that whoever opens it waits for for ever: as a file server that is gone."""
    os.mkfifo(folder / "never.json")
    return {"plate": make_shot(folder)["plate"], "matte": str(folder / "never.json")}


pytestmark = pytest.mark.usefixtures("home")


def test_it_says_hello_first_and_is_light() -> None:
    with host(greets=False) as one:
        first = one.wait(lambda line: True)
        assert (first["event"], first["protocol_min"], first["pid"]) == ("hello", 1, one.process.pid)
        one.say({"id": 0, "method": "hello", "params": HELLO})
        assert one.answer(0)["result"]["protocol"] == 1
    code = "import sys, secondtake_daemon.bridge.__main__, secondtake_daemon.bridge.desk; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "cv2", "av", "OpenEXR", "OpenImageIO", "PyOpenColorIO", "typer"}.isdisjoint(loaded)


def test_it_ends_with_its_stdin() -> None:
    one = Host()
    one.answer(0)
    began_s = time.monotonic()
    assert one.close() == 0
    assert time.monotonic() - began_s < 5.0


def test_it_ends_with_a_host_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({BRIDGE!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "child.stdout.readline()\n"
        "time.sleep(600)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert killed.stdout is not None
    bridge = int(killed.stdout.readline())
    assert not is_gone(bridge)
    killed.kill()
    killed.wait()
    killed.stdout.close()
    wait_until(lambda: is_gone(bridge), "the bridge outlived its host", timeout_s=10.0)


def test_interrupts_are_the_hosts_affair() -> None:
    with host() as one:
        one.answer(0)
        one.process.send_signal(signal.SIGINT)
        assert one.result("status")["daemon"] == "none"


def test_its_children_end_with_it(tmp_path: Path) -> None:
    one = Host()
    one.ask("survey", **endless(tmp_path))
    wait_until(lambda: bool(psutil.Process(one.process.pid).children()), "no child was started")
    children = [child.pid for child in psutil.Process(one.process.pid).children()]
    assert one.close() == 0
    wait_until(lambda: all(map(is_gone, children)), "a child outlived the bridge", timeout_s=10.0)


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        (b"garbage\n", None, "usage"),
        (b"\xff\xfe\x00\n", None, "usage"),
        (b"[1, 2]\n", None, "usage"),
        (b'{"id": "seven", "method": "status"}\n', None, "usage"),
        (b'{"id": 7}\n', 7, "usage"),
        (b'{"id": 7, "method": "explode", "params": {}}\n', 7, "usage"),
        (b'{"id": 7, "method": "cancel", "params": {}}\n', 7, "usage"),
        (b'{"id": 7, "method": "status", "params": {"plate": 1}}\n', 7, "usage"),
        (b'{"id": 7, "method": "status", "params": ' + b"[" * 100_000 + b"\n", None, "usage"),
        (b'{"id": 7, "method": "status", "params": {"x": "' + b"y" * LINE_BYTES + b'"}}\n', None, "too_large"),
        (b'{"id": 7, "method": "fix", "params": {"job": "x", "out": "/o", "plate": "relative.exr"}}\n', 7, "usage"),
        (b'{"id": 7, "method": "hello", "params": {"protocol_min": 2, "protocol_max": 9, "name": ""}}\n', 7, OTHER),
    ],
)  # fmt: skip
def test_nonsense_gets_a_typed_line_and_it_lives_on(line: bytes, number: int | None, code: str) -> None:
    with host() as one:
        one.raw(b"\n \n" + line)
        error = one.answer(number)["error"]
        assert error["code"] == code
        assert error["message"]
        assert error["remedy"]
        assert one.result("takes") == {"takes": []}


def test_before_hello_and_after_a_refused_one_it_answers_nothing_else() -> None:
    with host(greets=False) as one:
        assert one.error("takes")["code"] == "incompatible"
        one.say({"id": 99, "method": "hello", "params": {**HELLO, "protocol_min": 2, "protocol_max": 3}})
        assert "2 to 3" in one.answer(99)["error"]["message"]
        assert one.error("takes")["code"] == "incompatible"
        one.say({"id": 100, "method": "hello", "params": {**HELLO, "protocol_max": 3}})
        assert one.answer(100)["result"]["protocol"] == 1
        assert one.result("takes") == {"takes": []}


def test_an_id_that_is_open_is_refused(tmp_path: Path) -> None:
    with host() as one:
        number = one.ask("survey", **endless(tmp_path))
        one.say({"id": number, "method": "takes", "params": {}})
        assert "not answered yet" in one.answer(number)["error"]["message"]


def test_a_question_that_waits_is_told_so(tmp_path: Path) -> None:
    with host() as one:
        number = one.ask("survey", **endless(tmp_path))
        waiting = one.wait(lambda line: line.get("event") == "waiting")
        assert waiting["id"] == number
        assert waiting["waited_s"] >= 1.0
        assert one.result("takes") == {"takes": []}


def test_a_host_that_floods_without_reading_costs_bounded_memory() -> None:
    with host(reads=False) as one:
        questions = b"".join(b'{"id":%d,"method":"takes","params":{}}\n' % n for n in range(1, 2001))
        for _ in range(20):  # written whole, so never a deadlock: 40,000 questions, the garbage of as many
            one.raw(questions + b"nonsense\n" * 2000)
        rss_bytes = psutil.Process(one.process.pid).memory_info().rss
        assert rss_bytes < 200 << 20
        one.start_reading()
        one.wait(lambda line: line.get("event") == "dropped" and line["count"] > 10_000)
        codes = {line["error"]["code"] for line in one.lines if "error" in line}
        assert codes <= {"busy", "usage"}
        assert one.result("takes") == {"takes": []}


def test_a_host_that_stalls_is_no_reason_to_stay() -> None:
    one = Host(reads=False)
    for number in range(1, 4000):
        one.say({"id": number, "method": "nonsense" * 50, "params": {}})
    one.stdin.close()
    one.process.wait(10.0)
    one.stdout.close()


def test_a_cancel_before_the_fix_is_sent(tmp_path: Path) -> None:
    with host() as one:
        job = new_job()
        fix = one.ask("fix", job=job, out="/o", frames="1001-1002", handles=[1, 1], **endless(tmp_path))
        assert one.result("cancel", job=job)["state"] == "cancelled"
        (tmp_path / "never.json").open("w").close()  # the survey of its handles ends
        assert one.answer(fix)["error"]["code"] in ("cancelled", "bad_matte")


def test_lines_stay_ascii_and_stdout_has_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "Aufnahmen ä 日本 🎬"
    done = subprocess.run(
        BRIDGE,
        input=b"".join(
            json.dumps(line).encode() + b"\n"
            for line in (
                {"id": 0, "method": "hello", "params": HELLO},
                {"id": 1, "method": "nonsense 🎬 é", "params": {}},
                {"id": 2, "method": "show", "params": {"take": str(folder)}},
            )
        ),
        capture_output=True,
        check=True,
    )
    assert done.stdout.isascii()
    assert json.loads(done.stdout.splitlines()[0])["event"] == "hello"
