"""`secondtake.host`: a bridge that is missing, dies, hangs or is another version; and callers that never wait."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hosts import PATIENCE_S, is_gone, make_shot, wait_until

from secondtake import host as host_module
from secondtake.home import Home, _of_platform
from secondtake.host import Answer, Bridge, Event, Problem, State, find_launcher, new_job, read_launcher

FAKE = """
import json, os, sys, time
def say(said):
    sys.stdout.write(json.dumps(said) + "\\n")
    sys.stdout.flush()
say({"event": "hello", "protocol_min": LOW, "protocol_max": HIGH, "version": "9"})
for line in sys.stdin:
    asked = json.loads(line)
    method, params = asked["method"], asked["params"]
    if method == "hello":
        say({"id": asked["id"], "result": {}})
    elif method == "environment":
        say({"id": asked["id"], "result": {"environment": dict(os.environ), "cwd": os.getcwd()}})
    elif method == "die":
        sys.stderr.write("the last words\\n")
        os._exit(params["status"])
    elif method == "flood":
        for number in range(params["count"]):
            say({"event": "job", "job": {"job": str(number), "state": "running"}, "landed": []})
    elif method == "echo":
        say({"id": asked["id"], "result": params})
    elif method == "babble":
        for line in ("no json", "[]", "7", "{}", '{"id": [1]}', '{"event": "job"}', '{"event": "job", "job": 3}'):
            sys.stdout.write(line + "\\n")
        say({"id": asked["id"], "result": {}})
    elif method == "hang":
        time.sleep(600)
"""


def fake(*, low: int = 1, high: int = 1) -> tuple[str, ...]:
    return sys.executable, "-c", FAKE.replace("LOW", str(low)).replace("HIGH", str(high))


@contextmanager
def bridge(**options: Any) -> Iterator[Bridge]:  # noqa: ANN401
    made = Bridge(name="test/1", version="tests/1", **options)
    try:
        yield made
    finally:
        made.close()


def wait_for(one: Bridge, wanted: Callable[[Any], bool]) -> Any:  # noqa: ANN401
    end_s = time.monotonic() + PATIENCE_S
    seen = []
    while time.monotonic() < end_s:
        while (message := one.poll()) is not None:
            seen.append(message)
            if wanted(message):
                return message
        time.sleep(0.01)
    raise AssertionError(f"it never came: {one.state} {one.why} {seen[-3:]}")


def answer(one: Bridge, number: int) -> Answer:
    found: Answer = wait_for(one, lambda message: isinstance(message, Answer) and message.id == number)
    return found


def turning(one: Bridge, done: Callable[[], bool], what: str) -> None:
    """Look at the bridge, without taking out what came, until it is so."""

    def turned() -> bool:
        one.turn()
        return done()

    wait_until(turned, what)


def install(home: Path, **said: object) -> Path:
    path = find_launcher(str(home))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"python": sys.executable, **said}))
    return path


def test_from_a_missing_launcher_to_an_installed_one(home: Path, secondtake: Callable[..., Any]) -> None:
    with bridge() as one:
        assert (one.state, one.pid) == (State.IDLE, 0)
        refused = answer(one, one.call("status"))
        assert refused.error is not None
        assert (refused.error.code, refused.error.path) == ("daemon_lost", str(find_launcher()))
        assert "--install" in refused.error.remedy
        turning(one, lambda: one.state is State.WAITING, "it does not say so")
        assert "was not found" in one.why
        installed = secondtake("bridge", "--install", "--json").json
        assert installed["launcher"] == str(find_launcher())
        assert find_launcher().stat().st_mode & 0o777 == 0o600
        one.start()
        assert one.ask("status", timeout_s=PATIENCE_S)["daemon"] == "none"
        assert (one.state, one.why) == (State.READY, "")
        assert not is_gone(one.pid)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"pyth', "damaged"),
        ("[]", "damaged"),
        ('{"python": "/gone/bin/python"}', "not there any more"),
        ('{"python": "PYTHON", "bridge": ["-c", "raise SystemExit(7)"]}', "status 7"),
        ('{"python": "PYTHON", "bridge": ["-m", "no_such_module"]}', "No module named no_such_module"),
    ],
)
def test_it_says_why_it_cannot_start(home: Path, content: str, words: str) -> None:
    install(home).write_text(content.replace("PYTHON", sys.executable))
    with bridge() as one:
        refused = answer(one, one.call("status"))
        assert refused.error is not None
        assert words in str(refused.error)
        turning(one, lambda: words in one.why, "it does not say why")


def test_the_launcher_is_that_of_the_daemon(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_launcher() == Home.find().launcher_file
    assert find_launcher(str(tmp_path)) == Home.find(tmp_path).launcher_file
    install(home)
    assert read_launcher() == (sys.executable, "-P", "-m", "secondtake_daemon.bridge")
    monkeypatch.delenv("SECONDTAKE_HOME")
    for variables in (
        {},
        {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "LOCALAPPDATA": "/l"},
        {"XDG_CONFIG_HOME": "no"},
    ):
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for platform in ("linux", "darwin", "win32"):
            with monkeypatch.context() as here:
                here.setattr(host_module.sys, "platform", platform)
                found = host_module._folder("config", ""), host_module._folder("logs", "")
            theirs = _of_platform(platform)
            assert found == (theirs.config, theirs.logs)


def test_another_version_is_refused_both_ways(home: Path) -> None:
    with bridge(command=fake(low=2, high=3)) as one:
        refused = answer(one, one.call("echo"))
        assert refused.error is not None
        assert refused.error.code == "incompatible"
        assert "2-3" in one.why


def test_questions_survive_a_bridge_that_dies_but_kill_no_second_one_for_ever(home: Path) -> None:
    with bridge(command=fake()) as one:
        assert one.ask("echo", timeout_s=PATIENCE_S, word="ä🎬") == {"word": "ä🎬"}
        pid = one.pid
        hung = one.call("hang")
        patient = one.call("echo", word="later")
        turning(one, lambda: one._open[patient].is_sent, "nothing was asked")
        os.kill(pid, signal.SIGKILL)
        turning(one, lambda: one.pid not in (0, pid) and one._open[patient].is_sent, "no second child was asked")
        os.kill(one.pid, signal.SIGKILL)
        lost = answer(one, hung)
        assert lost.error is not None
        assert lost.error.message == "The bridge ended with signal 9"
        assert answer(one, patient).error is not None  # it waited behind the other, in both
        killer = one.call("die", status=5)
        words = answer(one, killer).error
        assert words is not None
        assert "status 5: the last words" in words.message
        assert one.ask("echo", timeout_s=PATIENCE_S, word="on") == {"word": "on"}
        assert "the last words" in (home / "logs" / "bridge.log").read_text()


def test_the_hosts_own_python_and_libraries_stay_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONWARNINGS", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"):
        monkeypatch.setenv(name, "/of/the/host")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/of/the/user")
    monkeypatch.setenv("OCIO", "/studio/config.ocio")
    with bridge(command=fake(), home=str(home)) as one:
        found = one.ask("environment", timeout_s=PATIENCE_S)
    environment = found["environment"]
    assert not [name for name in environment if name.startswith(("PYTHON", "DYLD"))]
    assert environment["LD_LIBRARY_PATH"] == "/of/the/user"
    assert (environment["OCIO"], environment["SECONDTAKE_HOME"]) == ("/studio/config.ocio", str(home))
    assert found["cwd"] == "/"


def test_nobody_waits_for_a_bridge_that_is_stopped(home: Path) -> None:
    threads = threading.active_count()
    with bridge(command=fake()) as one:
        one.ask("echo", timeout_s=PATIENCE_S)
        pid = one.pid
        os.kill(pid, signal.SIGSTOP)
        took_s, big = [], "x" * 10_000  # more than a pipe holds, in all
        for _ in range(250):
            began_s = time.perf_counter()
            one.call("echo", word=big)
            one.poll()
            took_s.append(time.perf_counter() - began_s)
        assert sorted(took_s)[-3] < 0.1
        with pytest.raises(Problem, match="questions are unanswered"):
            for _ in range(10):
                one.call("echo")
        began_s = time.monotonic()
        one.close()
        assert time.monotonic() - began_s < 4.0
        wait_until(lambda: is_gone(pid), "the child outlived close")
        assert threading.active_count() == threads


def test_why_says_when_a_bridge_does_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "_SILENT_S", 0.1)
    with bridge(command=fake()) as one:
        one.ask("echo", timeout_s=PATIENCE_S)
        one.call("hang")
        turning(one, lambda: "does not answer" in one.why, "it says nothing")


def test_a_caller_that_does_not_look_costs_bounded_memory(home: Path) -> None:
    with bridge(command=fake()) as one:
        one.ask("echo", timeout_s=PATIENCE_S)
        one.call("flood", count=20_000)
        last = one.call("echo", word="last")
        most = host_module._MOST_UNREAD
        turning(one, lambda: len(one._inbox) >= most, "nothing came")
        for _ in range(100):
            one.turn()
        assert len(one._inbox) <= most + host_module._READ_BYTES // 60, "a chunk more at most"
        assert answer(one, last).result == {"word": "last"}


def test_close_leaves_nothing_and_may_be_said_twice(home: Path) -> None:
    threads = threading.active_count()
    with bridge(command=fake()) as one:
        one.ask("echo", timeout_s=PATIENCE_S)
        pid = one.pid
        one.close()
        one.close()
        assert is_gone(pid)
        assert threading.active_count() == threads
        assert one.state is State.CLOSED
        with pytest.raises(Problem, match="closed"):
            one.call("echo")
        one.start()
        one.turn()
        assert (one.pid, threading.active_count()) == (0, threads)


def test_a_long_question_and_a_long_answer_go_in_pieces(home: Path) -> None:
    """Many times what a pipe holds, there and back, and the caller has the thread all the time."""
    with bridge(command=fake()) as one:
        one.ask("echo", timeout_s=PATIENCE_S)
        word = "0123456789" * 600_000
        asked, calls = one.call("echo", word=word), 0
        end_s = time.monotonic() + PATIENCE_S
        found: list[Any] = []
        while not found and time.monotonic() < end_s:
            found = [each for each in one.drain(budget_s=0.003) if isinstance(each, Answer)]
            calls += 1
        assert [each.id for each in found] == [asked]
        assert found[0].result == {"word": word}
        assert calls > 10, "it waited inside"


def test_what_is_no_message_ends_no_hosts_timer(home: Path) -> None:
    with bridge(command=fake()) as one:
        assert one.ask("babble", timeout_s=PATIENCE_S) == {}
        assert one.ask("echo", timeout_s=PATIENCE_S, word="on") == {"word": "on"}


def test_a_child_nobody_can_talk_with_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def refuse(stdin: Any, stdout: Any) -> None:  # noqa: ANN401
        started.append(stdin)
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(host_module, "_never_wait", refuse)
    with bridge(command=fake()) as one:
        refused = answer(one, one.call("echo"))
        assert refused.error is not None
        assert "cannot be started (Invalid argument)" in refused.error.message
        assert started and (one.pid, one.state) == (0, State.WAITING)


def test_what_is_no_json_is_refused_at_once(home: Path) -> None:
    with bridge(command=fake()) as one:
        for value in (object(), float("nan"), b"bytes"):
            with pytest.raises(Problem, match="cannot be written"):
                one.call("echo", value=value)
        with pytest.raises(Problem, match="bytes"):
            one.call("echo", value="x" * (8 << 20))
        assert one.state is State.IDLE


def test_ask_keeps_what_else_comes(home: Path) -> None:
    with bridge(command=fake()) as one:
        first = one.call("echo", number=1)
        assert one.ask("echo", timeout_s=PATIENCE_S, number=2) == {"number": 2}
        assert answer(one, first).result == {"number": 1}
        with pytest.raises(Problem, match="no answer within"):
            one.ask("hang", timeout_s=0.2)


def test_a_job_outlives_its_bridge(home: Path, tmp_path: Path) -> None:
    place = home / "Zuhause ä 日本 x"
    install(place)
    with bridge(home=str(place)) as one:
        job, states, landed = new_job(), [""], set[int]()
        shot = make_shot(tmp_path / "Aufnahme 1 ö", frames=6)
        one.call("fix", job=job, **shot, engine_options={"frame_s": "0.4"})

        def note(message: object) -> None:
            if isinstance(message, Event) and message.name == "job" and message.body["job"]["job"] == job:
                states.append(message.body["job"]["state"])
                landed.update(frame["frame"] for frame in message.body["landed"])

        wait_for(one, lambda message: note(message) or bool(landed))
        assert states[-1] == "running"
        os.kill(one.pid, signal.SIGKILL)
        wait_for(one, lambda message: note(message) or states[-1] == "done")
        assert landed == set(range(1001, 1007))
        assert len(one.ask("jobs", timeout_s=PATIENCE_S)["jobs"]) == 1


def test_it_is_one_file_of_the_standard_library() -> None:
    tree = ast.parse(Path(host_module.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
    assert not {"threading", "concurrent", "queue"} & modules, "not every host's Python can bear a thread"
