"""The host's side of the bridge: one file, standard library only, CPython 3.9 to 3.14. `docs/bridge.md` explains it.

It is vendored into plugins that run inside programs whose Python is not ours, so it imports nothing of Second Take. It
starts `secondtake bridge` in the daemon's own Python and keeps one alive. Threads do all that could wait; the caller's
thread only touches queues: `call` puts a question in, `poll` and `drain` take out what came.
"""

from __future__ import annotations

import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Union

__all__ = ["Answer", "Bridge", "Event", "Problem", "State", "find_launcher", "new_job", "read_launcher"]

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1

_MOST_OPEN, _MOST_UNREAD, _MOST_DEATHS, _LAST_LINES = 256, 1024, 2, 20
_LINE_BYTES, _QUESTION_BYTES, _LOG_BYTES = 64 << 20, (8 << 20) - 1024, 1 << 20
_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_STEADY_S, _GREET_S, _SILENT_S, _LEAVE_S = 5.0, 30.0, 5.0, 1.0
_HELLO_ID, _WATCH_ID = 0, -1
_BRIDGE = ("-P", "-m", "secondtake_daemon.bridge")
_HOSTS_OWN = ("PYTHON", "DYLD_", "__PYVENV_LAUNCHER__", "LD_LIBRARY_PATH", "LD_PRELOAD")
_CREATE_NO_WINDOW = 0x0800_0000
_REINSTALL = "Run `secondtake bridge --install` where Second Take is installed, or install it again"
_FINAL = ("done", "failed", "cancelled", "unknown")

Json = dict[str, Any]


class State(str, Enum):
    """How the bridge is. WAITING: it could not start, or ended; another one comes after a pause."""

    IDLE = "idle"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    CLOSED = "closed"


class Problem(Exception):
    """An error as it travels: a stable code, one sentence, a remedy, and the path it is about (or "")."""

    def __init__(self, code: str, message: str, *, remedy: str = "", path: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.path = code, message, remedy, path

    def __str__(self) -> str:
        """One line: what is wrong, what to do, the path last."""
        said = [text if text.endswith((".", "?", "!")) else text + "." for text in (self.message, self.remedy) if text]
        return " ".join([*said, self.path] if self.path else said)


class Answer(NamedTuple):
    """Of one question: a result, or an error."""

    id: int
    method: str
    result: Json | None
    error: Problem | None


class Event(NamedTuple):
    """`job`, `waiting`, `daemon`, `dropped` of the bridge; `state` of ours."""

    name: str
    body: Json


Message = Union[Answer, Event]  # noqa: UP007 — 3.9


class Bridge:
    """A child process that is kept alive, and one host's questions and answers. Any thread may call, one reads."""

    def __init__(
        self, *, name: str, version: str, home: str = "", command: tuple[str, ...] = (), autostart: bool = True
    ) -> None:
        """Starts nothing. name: the host, `blender/5.2.3`; version: the plugin, `secondtake_blender/0.1.0`.

        home: root of a home, else SECONDTAKE_HOME or the user's own. command: the bridge, else what the launcher file
        names. autostart: False never starts a daemon unasked. What it complains of goes to `logs/bridge.log`.
        """
        self._home, self._command = home, command
        self._hello: Json = {"name": name, "version": version, "autostart": autostart}
        self._lock = threading.Condition()
        self._open: dict[int, _Call] = {}
        self._outgoing: deque[_Call] = deque()
        self._jobs: dict[str, None] = {}
        self._inbox: queue.Queue[Message] = queue.Queue(_MOST_UNREAD)
        self._aside: deque[Message] = deque()
        self._again = threading.Event()
        self._keeper: threading.Thread | None = None
        self._child: _Child | None = None
        self._last_id = _HELLO_ID
        self._state, self._why, self._is_closed = State.IDLE, "", False

    @property
    def state(self) -> State:
        """How it is just now."""
        return self._state

    @property
    def why(self) -> str:
        """Why it is not ready, in one sentence with what to do; "" is well."""
        child = self._child
        is_asked = self._state is State.READY and bool(self._open)
        if is_asked and child is not None and time.monotonic() - child.heard_s > _SILENT_S:
            return f"The bridge (pid {child.process.pid}) does not answer."
        return self._why

    @property
    def pid(self) -> int:
        """Of the child; 0 if there is none."""
        return child.process.pid if (child := self._child) is not None else 0

    def start(self) -> None:
        """Keep a child alive from now on; returns at once. If it waits to start again it does so now."""
        with self._lock:
            self._again.set()
            if self._keeper is None and not self._is_closed:
                self._keeper = threading.Thread(target=self._keep, daemon=True, name="secondtake bridge keeper")
                self._keeper.start()

    def call(self, method: str, **params: Any) -> int:  # noqa: ANN401 — whatever JSON can say
        """Queue a question and return its id; its `Answer` comes by `poll`. Never waits. Starts the child if need be.

        Raises Problem: `busy` if 256 questions are unanswered, `too_large`, `usage` for no JSON, or when closed.
        """
        try:
            said = json.dumps(params, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise Problem("usage", f"The question cannot be written as JSON ({error})") from error
        if len(said) > _QUESTION_BYTES:
            raise Problem("too_large", f"The question has {len(said)} bytes", remedy="Send less of it at once")
        with self._lock:
            if self._is_closed:
                raise Problem("usage", "The bridge was closed")
            if len(self._open) >= _MOST_OPEN:
                raise Problem("busy", f"{_MOST_OPEN} questions are unanswered", remedy="Ask again in a moment")
            self._last_id += 1
            call = _Call(self._last_id, method, _line(self._last_id, method, said), _jobs_in(method, params))
            self._open[call.id] = call
            self._outgoing.append(call)
            self._jobs.update(dict.fromkeys(call.jobs))
            self._lock.notify_all()
        if self._keeper is None:
            self.start()
        return call.id

    def poll(self) -> Message | None:
        """The next message, or None. Never waits."""
        try:
            return self._aside.popleft() if self._aside else self._inbox.get_nowait()
        except (IndexError, queue.Empty):
            return None

    def drain(self, *, budget_s: float, limit: int = 1000) -> list[Message]:
        """All messages there are, as far as the time and the limit allow."""
        found: list[Message] = []
        end_s = time.monotonic() + budget_s
        while len(found) < limit and time.monotonic() < end_s and (message := self.poll()) is not None:
            found.append(message)
        return found

    def ask(self, method: str, *, timeout_s: float, **params: Any) -> Json:  # noqa: ANN401
        """Call and wait for the result: only for hosts that may wait. Other messages are kept for `poll`.

        Raises Problem, with `daemon_lost` when the time is over; the question is asked all the same.
        """
        end_s, wanted = time.monotonic() + timeout_s, self.call(method, **params)
        while True:
            try:
                message = self._inbox.get(timeout=max(end_s - time.monotonic(), 0.001))
            except queue.Empty:
                raise Problem("daemon_lost", self.why or f"There was no answer within {timeout_s:g} s") from None
            if not (isinstance(message, Answer) and message.id == wanted):
                self._aside.append(message)
            elif message.error is not None:
                raise message.error
            else:
                return message.result or {}

    def close(self, timeout_s: float = 2.0) -> None:
        """Hang up: the child ends, jobs go on. At most timeout_s; nothing of ours is left running after that."""
        end_s = time.monotonic() + timeout_s
        with self._lock:
            self._state, self._why, self._is_closed = State.CLOSED, "", True
            self._lock.notify_all()
        self._again.set()
        child = self._child
        if keeper := self._keeper:
            keeper.join(min(_LEAVE_S, timeout_s / 2))
            child = self._child or child
            if keeper.is_alive() and child:
                child.kill()
            for thread in (keeper, *(child.threads if child else ())):
                thread.join(max(end_s - time.monotonic(), 0.0))

    def _keep(self) -> None:
        """The keeper's thread."""
        failures = 0
        while not self._is_closed:
            self._again.clear()
            self._become(State.STARTING)
            began_s = time.monotonic()
            problem, may_try_again = self._one_life()
            if self._is_closed:
                return
            failures = 0 if time.monotonic() - began_s > _STEADY_S else failures  # the next one comes soon again
            self._give_up(problem, all_of_them=not may_try_again)
            self._become(State.WAITING, str(problem))
            self._again.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            failures += 1

    def _one_life(self) -> tuple[Problem, bool]:
        """Start a child and wait for its end. Returns why it ended, and whether another one may do better."""
        try:
            child = _Child(list(self._command or read_launcher(self._home)), self._home)
        except Problem as problem:
            return problem, False
        self._child = child
        child.run(lambda: self._write(child), lambda said: self._hear(child, said))
        if not child.settled.wait(_GREET_S):
            child.problem = Problem("daemon_lost", f"The bridge did not say hello within {_GREET_S:g} s")
            child.kill()
        child.gone.wait()
        ended = child.end()
        with self._lock:
            self._child = None
            self._lock.notify_all()
        return child.problem or ended, child.is_greeted

    def _give_up(self, problem: Problem, *, all_of_them: bool) -> None:
        """Answer what no child could; what is left is asked again."""
        lost = []
        with self._lock:
            for call in list(self._open.values()):
                call.deaths += call.is_sent
                call.is_sent = False
                if all_of_them or call.deaths >= _MOST_DEATHS:
                    lost.append(self._open.pop(call.id))
            for call in lost:
                self._forget(call.jobs if call.method == "fix" else ())
        for call in lost:
            self._deliver(Answer(call.id, call.method, None, problem))

    def _become(self, state: State, why: str = "") -> None:
        with self._lock:
            if self._is_closed:
                return
            self._state, self._why = state, why
        self._deliver(Event("state", {"state": state.value, "why": why}))

    def _write(self, child: _Child) -> None:
        """Say hello, then what is to be asked. Only this thread writes to and closes the child's stdin."""
        speaks = {"protocol_min": PROTOCOL_MIN, "protocol_max": PROTOCOL_MAX, **self._hello}
        child.write(_line(_HELLO_ID, "hello", json.dumps(speaks)))
        child.settled.wait()
        with self._lock:
            self._outgoing = deque(self._open.values())
            jobs = [job for job in self._jobs if not any(job in call.jobs for call in self._outgoing)]
        if jobs and not child.gone.is_set():
            child.write(_line(_WATCH_ID, "watch", json.dumps({"jobs": jobs})))
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._outgoing or self._is_closed or child.gone.is_set())
                if self._is_closed or child.gone.is_set():
                    return
                call = self._outgoing.popleft()
                call.is_sent = True
            child.write(call.line)

    def _hear(self, child: _Child, said: Json) -> None:
        """A line of the child, in the thread that reads."""
        if "event" in said:
            self._hear_event(child, said)
        elif said.get("id") == _HELLO_ID:
            child.problem = child.problem or _problem(said.get("error"))
            child.is_greeted = child.problem is None
            child.settled.set()
            self._become(State.READY) if child.is_greeted else child.kill()
        elif isinstance(said.get("id"), int):
            with self._lock:
                call, error = self._open.pop(said["id"], None), _problem(said.get("error"))
                if call is not None and error is not None and call.method == "fix":
                    self._forget(call.jobs)
            if call is not None:
                self._deliver(Answer(call.id, call.method, said.get("result"), error))

    def _hear_event(self, child: _Child, said: Json) -> None:
        name = said.pop("event")
        if name == "hello":
            theirs = said.get("protocol_min", 0), said.get("protocol_max", 0)
            if max(theirs[0], PROTOCOL_MIN) > min(theirs[1], PROTOCOL_MAX):
                words = f"Second Take speaks bridge protocol {theirs[0]}-{theirs[1]}, not {PROTOCOL_MIN}-{PROTOCOL_MAX}"
                child.problem = Problem("incompatible", words, remedy="Update the older of Second Take and this plugin")
                child.kill()
            return
        if name == "job" and said["job"]["state"] in _FINAL:
            with self._lock:
                self._forget((said["job"]["job"],))
        self._deliver(Event(name, said))

    def _forget(self, jobs: tuple[str, ...]) -> None:
        for job in jobs:
            self._jobs.pop(job, None)

    def _deliver(self, message: Message) -> None:
        """Put it where the caller finds it. If the caller does not look, this thread waits, and with it the bridge."""
        while not self._is_closed:
            with suppress(queue.Full):
                self._inbox.put(message, timeout=0.2)
                break


@dataclass
class _Call:
    """A question that is not answered yet."""

    id: int
    method: str
    line: bytes
    jobs: tuple[str, ...]
    deaths: int = 0  # of children that were asked it
    is_sent: bool = False


class _Child:
    """One process, and the threads at its pipes. Raises Problem if it cannot be started."""

    def __init__(self, command: list[str], home: str) -> None:
        self._log = _folder("logs", home) / "bridge.log"
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        cwd = Path(command[0]).anchor or os.curdir  # not the host's folder: it may be unmounted under us
        flags = _CREATE_NO_WINDOW if sys.platform == "win32" else 0
        pipe, env = subprocess.PIPE, _environment(home)
        try:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, cwd=cwd, env=env, creationflags=flags
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise _lost(f"The bridge cannot be started ({reason})", path=command[0]) from error
        self.settled = threading.Event()  # it greeted us, refused us, or is gone
        self.gone = threading.Event()
        self.problem: Problem | None = None
        self.is_greeted = False
        self.heard_s = time.monotonic()
        self.threads: list[threading.Thread] = []

    def run(self, write: Callable[[], None], hear: Callable[[Json], None]) -> None:
        """Start the threads: one writes until it has no more to say, one hears line after line, one keeps the log."""
        self._begin("writer", write, self.process.stdin)
        self._begin("reader", lambda: self._read(hear), self.process.stdout)
        self._begin("log", self._keep_log, self.process.stderr)

    def write(self, line: bytes) -> None:
        """Waits while the child does not read. Raises OSError when it is gone."""
        rest, pipe = memoryview(line), self.process.stdin
        while rest and pipe is not None:
            rest = rest[pipe.write(rest) :]

    def kill(self) -> None:
        """End it at once."""
        with suppress(OSError):
            self.process.kill()

    def end(self) -> Problem:
        """It hung up: let it leave, else end it. Returns why it ended, with its last words."""
        try:
            self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        status = self.process.wait()
        self.threads[-1].join(_LEAVE_S)  # its last words
        how = f"signal {-status}" if status < 0 else f"status {status}"
        words = next((f": {line}" for line in reversed(self._last) if line), "")
        return _lost(f"The bridge ended with {how}{words}", remedy="Look into its log", path=self._log)

    def _begin(self, name: str, work: Callable[[], None], pipe: Any) -> None:  # noqa: ANN401 — a raw pipe
        def run() -> None:
            with suppress(OSError):  # the child hung up
                work()
            with suppress(OSError):
                pipe.close()

        self.threads.append(threading.Thread(target=run, daemon=True, name=f"secondtake bridge {name}"))
        self.threads[-1].start()

    def _read(self, hear: Callable[[Json], None]) -> None:
        try:
            for line in _lines(self.process.stdout):
                self.heard_s = time.monotonic()
                with suppress(ValueError):
                    hear(said if isinstance(said := json.loads(line), dict) else {})
        finally:
            self.gone.set()
            self.settled.set()

    def _keep_log(self) -> None:
        for line in _lines(self.process.stderr):
            self._last.append(line.decode("utf-8", "replace").strip())
            with suppress(OSError):  # a log that cannot be written is no reason to fail
                self._log.parent.mkdir(parents=True, exist_ok=True)
                is_long = self._log.exists() and self._log.stat().st_size > _LOG_BYTES
                with self._log.open("wb" if is_long else "ab") as log:
                    log.write(line)


def new_job() -> str:
    """An id for a job: 32 hex digits."""
    return uuid.uuid4().hex


def find_launcher(home: str = "") -> Path:
    """Where the launcher file lies, there or not. home: root of a home, else SECONDTAKE_HOME, else the user's own."""
    return _folder("config", home) / "launcher.json"


def read_launcher(home: str = "") -> tuple[str, ...]:
    """The command that is the bridge. Raises Problem if there is no launcher file, or its Python is gone."""
    path = find_launcher(home)
    try:
        said = json.loads(path.read_bytes())
        command = (str(said["python"]), *map(str, said.get("bridge", _BRIDGE)))
    except OSError as error:
        raise _lost(f"Second Take was not found ({error.strerror})", path=path) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _lost("The launcher file is damaged", path=path) from error
    if not os.path.isfile(command[0]):  # noqa: PTH113 — no Path of what may be no path
        raise _lost("Second Take's Python is not there any more", path=command[0])
    return command


def _folder(which: str, home: str) -> Path:
    """`config` or `logs` of a home; the rule is that of `secondtake.home`."""
    asked = home or os.environ.get("SECONDTAKE_HOME", "")
    if asked:
        return Path(asked).expanduser().resolve() / which
    user, is_log, is_windows = Path.home(), which == "logs", sys.platform == "win32"
    if sys.platform == "darwin":
        return user / "Library" / ("Logs/secondtake" if is_log else f"Application Support/secondtake/{which}")
    variable, default = ("XDG_STATE_HOME", ".local/state") if is_log else ("XDG_CONFIG_HOME", ".config")
    if is_windows:
        variable, default = "LOCALAPPDATA", "AppData/Local"
    named = Path(os.environ.get(variable, ""))
    ours = (named if named.is_absolute() else user / default) / "secondtake"
    return ours / which if is_log or is_windows else ours


def _environment(home: str) -> dict[str, str]:
    """The host's, without what is meant for its own Python and its own libraries."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_HOSTS_OWN)}
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"):  # a launcher script that moved it aside
        if os.environ.get(name + "_ORIG"):
            kept[name] = os.environ[name + "_ORIG"]
    return {**kept, "SECONDTAKE_HOME": str(Path(home).expanduser().resolve())} if home else kept


def _lines(pipe: Any) -> Iterator[bytes]:  # noqa: ANN401 — a raw pipe
    with io.BufferedReader(pipe) as buffered:
        yield from iter(lambda: buffered.readline(_LINE_BYTES), b"")


def _line(number: int, method: str, params: str) -> bytes:
    return f'{{"id":{number},"method":{json.dumps(method)},"params":{params}}}\n'.encode("ascii")


def _jobs_in(method: str, params: Json) -> tuple[str, ...]:
    """The jobs that a question makes ours."""
    if method == "fix":
        return (str(params.get("job", "")),)
    return tuple(map(str, params.get("jobs") or ())) if method == "watch" else ()


def _problem(error: Any) -> Problem | None:  # noqa: ANN401 — from JSON
    if not isinstance(error, dict):
        return None
    code, message, remedy, path = (str(error.get(name, "")) for name in ("code", "message", "remedy", "path"))
    return Problem(code, message, remedy=remedy, path=path)


def _lost(message: str, *, path: object, remedy: str = _REINSTALL) -> Problem:
    return Problem("daemon_lost", message, remedy=remedy, path=str(path))
