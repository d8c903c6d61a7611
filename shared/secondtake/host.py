"""The host's side of the bridge: one file, standard library only, CPython 3.9 to 3.14. `docs/bridge.md` explains it.

It is vendored into plugins that run inside programs whose Python is not ours, so it imports nothing of Second Take. It
starts `secondtake bridge` in the daemon's own Python and keeps one alive. Nothing waits, and there is no thread: not
every host's Python can bear one (docs/bridge.md). The pipes are looked at when the caller looks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any, NamedTuple, Union

if sys.platform == "win32":
    import ctypes
    import msvcrt

__all__ = ["Answer", "Bridge", "Event", "Problem", "State", "find_launcher", "new_job", "read_launcher"]

PROTOCOL_MIN, PROTOCOL_MAX = 1, 1

_HELLO_ID, _WATCH_ID, _MOST_OPEN, _MOST_UNREAD, _MOST_DEATHS = 0, -1, 256, 1024, 2
_READ_BYTES, _WRITE_BYTES, _LAST_WORDS_BYTES = 32 << 10, 512 if sys.platform == "win32" else 64 << 10, 4 << 10
_LINE_BYTES, _QUESTION_BYTES, _LOG_BYTES = 64 << 20, (8 << 20) - 1024, 1 << 20
_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_STEADY_S, _GREET_S, _SILENT_S, _LEAVE_S, _LOOK_S = 5.0, 30.0, 5.0, 1.0, 0.005
_BRIDGE = ("-P", "-m", "secondtake_daemon.bridge")
_HOSTS_OWN = ("PYTHON", "DYLD_", "__PYVENV_LAUNCHER__", "LD_LIBRARY_PATH", "LD_PRELOAD")
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
    """A child process that is kept alive, and one host's questions and answers. For one thread, whichever it is."""

    def __init__(
        self, *, name: str, version: str, home: str = "", command: tuple[str, ...] = (), autostart: bool = True
    ) -> None:
        """Starts nothing. name: the host, `blender/5.2.3`; version: the plugin, `secondtake_blender/0.1.0`.

        home: root of a home, else SECONDTAKE_HOME or the user's own. command: the bridge, else what the launcher file
        names. autostart: False never starts a daemon unasked. What it complains of goes to `logs/bridge.log`.
        """
        self._home, self._command = home, command
        self._hello: Json = {"name": name, "version": version, "autostart": autostart}
        self._open: dict[int, _Call] = {}
        self._outgoing: deque[_Call] = deque()
        self._jobs: dict[str, None] = {}
        self._inbox: deque[Message] = deque()
        self._aside: deque[Message] = deque()
        self._child: _Child | None = None
        self._last_id = _HELLO_ID
        self._is_wanted, self._failures, self._next_s = False, 0, 0.0
        self._state, self._why = State.IDLE, ""

    @property
    def state(self) -> State:
        """How it was at the last look."""
        return self._state

    @property
    def why(self) -> str:
        """Why it is not ready, in one sentence with what to do; "" is well."""
        if (child := self._child) and child.is_greeted and self._open and child.looked_s - child.heard_s > _SILENT_S:
            return f"The bridge (pid {self.pid}) does not answer."
        return self._why

    @property
    def pid(self) -> int:
        """Of the child; 0 if there is none."""
        return self._child.process.pid if self._child is not None else 0

    def start(self) -> None:
        """Keep a child alive from the next look on. If it waits to start again it does so then."""
        self._is_wanted, self._next_s = self._state is not State.CLOSED, 0.0

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
        if self._state is State.CLOSED:
            raise Problem("usage", "The bridge was closed")
        if len(self._open) >= _MOST_OPEN:
            raise Problem("busy", f"{_MOST_OPEN} questions are unanswered", remedy="Ask again in a moment")
        self._last_id += 1
        call = _Call(self._last_id, method, _line(self._last_id, method, said), _jobs_in(method, params))
        self._open[call.id] = call
        self._outgoing.append(call)
        self._jobs.update(dict.fromkeys(call.jobs))
        self._is_wanted = True
        self.turn()
        return call.id

    def poll(self) -> Message | None:
        """The next message, or None. Never waits."""
        return self._aside.popleft() if self._aside else self._next()

    def drain(self, *, budget_s: float, limit: int = 1000) -> list[Message]:
        """All messages there are, as far as the time and the limit allow. Long questions are written meanwhile."""
        found: list[Message] = []
        end_s = time.monotonic() + budget_s
        while len(found) < limit and time.monotonic() < end_s:
            if (message := self.poll()) is not None:
                found.append(message)
            elif self._child is None or not self._child.unwritten:
                break
        return found

    def ask(self, method: str, *, timeout_s: float, **params: Any) -> Json:  # noqa: ANN401
        """Call and wait for the result: only for hosts that may wait. Other messages are kept for `poll`.

        Raises Problem, with `daemon_lost` when the time is over; the question is asked all the same.
        """
        end_s, wanted = time.monotonic() + timeout_s, self.call(method, **params)
        while True:
            if (message := self._next()) is None:
                if time.monotonic() > end_s:
                    raise Problem("daemon_lost", self.why or f"There was no answer within {timeout_s:g} s")
                time.sleep(_LOOK_S)
            elif not (isinstance(message, Answer) and message.id == wanted):
                self._aside.append(message)
            elif message.error is not None:
                raise message.error
            else:
                return message.result or {}

    def close(self, timeout_s: float = 2.0) -> None:
        """Hang up: the child ends, jobs go on. At most timeout_s; nothing of ours is left running after that."""
        if self._child is not None:
            self.turn()  # what is to be asked is written still
        if self._child is not None:
            self._child.leave(timeout_s)
        self._child, self._state, self._why, self._is_wanted = None, State.CLOSED, "", False

    def turn(self) -> None:
        """Do what is due: start a child, write, read, see how it ended. Never waits; `call` and `poll` do it."""
        child = self._child
        if child is None:
            if self._is_wanted and time.monotonic() >= self._next_s:
                self._start_child()
            return
        while child.write() and child.is_greeted and self._outgoing:
            call = self._outgoing.popleft()
            call.is_sent, child.unwritten = True, memoryview(call.line)
        if len(self._inbox) >= _MOST_UNREAD:
            return  # the caller does not look at what came, so nothing more is read and the child waits
        for line in child.read():
            with suppress(ValueError, TypeError, LookupError, AttributeError):  # it ends no host's timer
                self._hear(child, json.loads(line))
        if (ended := child.look()) is not None:
            self._lose(child.problem or ended)

    def _next(self) -> Message | None:
        if not self._inbox:
            self.turn()
        return self._inbox.popleft() if self._inbox else None

    def _start_child(self) -> None:
        self._become(State.STARTING)
        speaks = {"protocol_min": PROTOCOL_MIN, "protocol_max": PROTOCOL_MAX, **self._hello}
        try:
            self._child = _Child(list(self._command or read_launcher(self._home)), self._home)
            self._child.unwritten = memoryview(_line(_HELLO_ID, "hello", json.dumps(speaks)))
        except Problem as problem:
            self._lose(problem)

    def _lose(self, problem: Problem) -> None:
        """There is no child any more: answer what no child could, and try again after a pause."""
        child, self._child = self._child, None
        if child is not None and time.monotonic() - child.began_s > _STEADY_S:
            self._failures = 0  # the next one comes soon again
        for call in list(self._open.values()):
            call.deaths, call.is_sent = call.deaths + call.is_sent, False
            if child is None or not child.is_greeted or call.deaths >= _MOST_DEATHS:
                del self._open[call.id]
                self._forget(call.jobs if call.method == "fix" else ())
                self._inbox.append(Answer(call.id, call.method, None, problem))
        self._become(State.WAITING, str(problem))
        self._next_s = time.monotonic() + _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1

    def _become(self, state: State, why: str = "") -> None:
        self._state, self._why = state, why
        self._inbox.append(Event("state", {"state": state.value, "why": why}))

    def _hear(self, child: _Child, said: Json) -> None:
        error = _problem(said.get("error"))
        if "event" in said:
            self._hear_event(child, said)
        elif said.get("id") == _HELLO_ID:
            self._hear_hello(child, error)
        elif (call := self._open.pop(said.get("id", 0), None)) is not None:
            self._forget(call.jobs if call.method == "fix" and error is not None else ())
            self._inbox.append(Answer(call.id, call.method, said.get("result"), error))

    def _hear_hello(self, child: _Child, error: Problem | None) -> None:
        """It knows us: ask what is unanswered, whoever was asked before, and watch the jobs that are ours."""
        child.problem = child.problem or error
        if child.problem is not None:
            child.kill()
            return
        child.is_greeted = True
        self._outgoing = deque(self._open.values())
        jobs = [job for job in self._jobs if not any(job in call.jobs for call in self._outgoing)]
        if jobs:  # nothing is being written: the hello was answered
            child.unwritten = memoryview(_line(_WATCH_ID, "watch", json.dumps({"jobs": jobs})))
        self._become(State.READY)

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
            self._forget((said["job"]["job"],))
        self._inbox.append(Event(name, said))

    def _forget(self, jobs: tuple[str, ...]) -> None:
        for job in jobs:
            self._jobs.pop(job, None)


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
    """One process and its pipes, none of which makes anybody wait. Raises Problem if it cannot be started."""

    def __init__(self, command: list[str], home: str) -> None:
        self._log = _folder("logs", home) / "bridge.log"
        cwd = Path(command[0]).anchor or os.curdir  # not the host's folder: it may be unmounted under us
        flags, pipe = getattr(subprocess, "CREATE_NO_WINDOW", 0), subprocess.PIPE
        try:
            with _open_log(self._log) as log:
                self._log_from = log.tell()
                self.process = subprocess.Popen(
                    command, stdin=pipe, stdout=pipe, stderr=log, bufsize=0, cwd=cwd, env=_environment(home),
                    creationflags=flags,
                )  # fmt: skip
            assert self.process.stdin is not None and self.process.stdout is not None
            self._stdin, self._stdout = self.process.stdin, self.process.stdout
            _never_wait(self._stdin, self._stdout)
        except (OSError, ValueError) as error:
            if process := getattr(self, "process", None):  # it runs, and nobody could talk with it
                with process:
                    self.kill()
            why = getattr(error, "strerror", None) or error
            raise _lost(f"The bridge cannot be started ({why})", path=command[0]) from error
        self.began_s = self.heard_s = self.looked_s = time.monotonic()
        self._gone_s: float | None = None  # since when it says nothing more
        self._has_ended = self._is_read_out = self.is_greeted = False
        self._unread, self.unwritten = bytearray(), memoryview(b"")
        self.problem: Problem | None = None

    def write(self) -> bool:
        """Write what goes; True if nothing is left to write."""
        with suppress(OSError):  # it hung up, which `read` sees too; or the pipe is full, as Windows says it
            while self.unwritten and (count := self._stdin.write(self.unwritten[:_WRITE_BYTES])):
                self.unwritten = self.unwritten[count:]
        return not self.unwritten

    def read(self) -> list[bytearray]:
        """The lines it said since, some of them if there are many."""
        self.looked_s = time.monotonic()
        data = _take(self._stdout) if self._gone_s is None else None
        self._is_read_out = self._has_ended and not data
        if not data:
            self._gone_s = self.looked_s if data == b"" else self._gone_s
            return []
        self.heard_s = self.looked_s
        self._unread += data
        if len(self._unread) > _LINE_BYTES + _READ_BYTES:
            self.problem = Problem("protocol", f"The bridge said a line of over {_LINE_BYTES} bytes")
            self.kill()
        if b"\n" not in data:
            return []
        *lines, self._unread = self._unread.split(b"\n")
        return lines

    def look(self) -> Problem | None:
        """None while it lives; else why it ended, with its last words. One that says no hello, or hangs, is killed."""
        now_s = time.monotonic()
        status = self.process.poll()
        if status is None:
            if not self.is_greeted and self.problem is None and now_s - self.began_s > _GREET_S:
                self.problem = Problem("daemon_lost", f"The bridge did not say hello within {_GREET_S:g} s")
                self.kill()
            if self._gone_s is not None and now_s - self._gone_s > _LEAVE_S:
                self.kill()
            return None
        if not self._is_read_out:
            self._has_ended = True  # what it said before is read first
            return None
        self._hang_up()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return _lost(f"The bridge ended with {how}{self._last_words()}", remedy="Look into its log", path=self._log)

    def kill(self) -> None:
        """End it at once."""
        with suppress(OSError):
            self.process.kill()

    def leave(self, timeout_s: float) -> None:
        """Hang up and wait for its end; it is killed when half of the time is over."""
        end_s = time.monotonic() + timeout_s
        with suppress(OSError):
            self._stdin.close()
        while self.process.poll() is None and time.monotonic() < end_s:
            _take(self._stdout)  # it may have more to say before it looks
            if time.monotonic() > end_s - timeout_s / 2:
                self.kill()
            time.sleep(_LOOK_S)
        self._hang_up()

    def _hang_up(self) -> None:
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()

    def _last_words(self) -> str:
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_from, log.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
            return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
        return ""


def _open_log(path: Path) -> IO[bytes]:
    """What the child complains of goes there; a log that cannot be written is no reason to fail. Raises OSError."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb" if path.exists() and path.stat().st_size > _LOG_BYTES else "ab")
    return open(os.devnull, "wb")  # noqa: PTH123 — no Path on Windows


def _never_wait(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    """Have reading and writing return at once. Raises OSError. What is Windows' own here was not run yet."""
    if sys.platform != "win32":
        os.set_blocking(stdin.fileno(), False)
        os.set_blocking(stdout.fileno(), False)
    else:  # stdout is looked into before it is read
        handle, no_wait = ctypes.c_void_p(msvcrt.get_osfhandle(stdin.fileno())), ctypes.c_ulong(1)
        if not ctypes.windll.kernel32.SetNamedPipeHandleState(handle, ctypes.byref(no_wait), None, None):
            raise ctypes.WinError()


def _take(pipe: IO[bytes]) -> bytes | None:
    """What is there; None if nothing is, b"" at the end."""
    if sys.platform == "win32":
        handle, there = ctypes.c_void_p(msvcrt.get_osfhandle(pipe.fileno())), ctypes.c_ulong()
        if not ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(there), None):
            return b""
        return pipe.read(min(there.value, _READ_BYTES)) if there.value else None
    return pipe.read(_READ_BYTES)


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
