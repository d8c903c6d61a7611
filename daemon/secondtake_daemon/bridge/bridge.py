"""The bridge: hears questions, hands each to who can answer it, and never waits itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import msgspec
from msgspec.structs import replace

from secondtake._version import __version__
from secondtake.client import Client
from secondtake.endpoint import find_daemon
from secondtake.errors import (
    Busy,
    Cancelled,
    DaemonLost,
    Incompatible,
    SecondTakeError,
    UsageError,
    WorkerCrashed,
)
from secondtake.home import Home
from secondtake.launch import ensure_daemon
from secondtake.messages import FixRequest
from secondtake.wire import common_version
from secondtake_daemon.bridge import questions as ask
from secondtake_daemon.bridge.answers import (
    CardsAnswer,
    HelloAnswer,
    HelloEvent,
    JobsAnswer,
    Nothing,
    StatusAnswer,
    SurveyAnswer,
    WaitingEvent,
    bare_job,
    job_of,
)
from secondtake_daemon.bridge.asker import Asker
from secondtake_daemon.bridge.children import Children
from secondtake_daemon.bridge.lines import (
    LINE_BYTES,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Answered,
    Failed,
    Question,
    failed,
    read_question,
)
from secondtake_daemon.bridge.outbox import Outbox
from secondtake_daemon.bridge.watcher import Watcher

__all__ = ["Bridge", "read_lines"]

_NAME = "secondtake-bridge"
_MOST_OPEN = 256
_FILE_THREADS = 8
_PATIENT_S = 20.0
_QUICK_S = 3.0
_SURVEY_S = 60.0
_FIRST_WAIT_S = 1.0
_NEXT_WAIT_S = 5.0
_MOST_JOBS = 1000
_MOST_SHAPES = 1000


@dataclass(slots=True)
class _Open:
    """A question that is not answered yet."""

    why: str
    asked_s: float = field(default_factory=time.monotonic)
    told_s: float = 0.0


class Bridge:
    """One host's. `hear` is called for each line, from one thread."""

    def __init__(self, outbox: Outbox, home: Home) -> None:
        self._outbox = outbox
        self._home = home
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._preparing: dict[str, bool] = {}
        """Jobs whose fix is not with the daemon yet; True if one was cancelled meanwhile."""
        self._is_greeted = False
        self._has_swept = False
        self._autostart = True
        self._patient = Asker(timeout_s=_PATIENT_S)
        self._quick = Asker(timeout_s=_QUICK_S)
        self._watcher = Watcher(outbox, home)
        self._files = ThreadPoolExecutor(_FILE_THREADS, "files")
        self.children = Children()

    def begin(self) -> None:
        """Say hello."""
        self._outbox.put(
            HelloEvent(
                protocol_min=PROTOCOL_MIN,
                protocol_max=PROTOCOL_MAX,
                name=_NAME,
                version=__version__,
                pid=os.getpid(),
                line_bytes=LINE_BYTES,
            )
        )
        threading.Thread(target=self._tell_waits, daemon=True, name="waits").start()

    def hear(self, line: bytes) -> None:
        """Answer a line, now or later. Never waits, never raises."""
        question = read_question(line)
        if isinstance(question, Failed):
            return self._outbox.put(question)
        try:
            asked = self._admit(question)
        except SecondTakeError as error:
            return self._outbox.put(failed(question.id, error))
        try:
            self._hand_out(question.id, asked)
        except SecondTakeError as error:
            self._refuse(question.id, error)
        return None

    def _admit(self, question: Question) -> ask.Params:
        """The question's parameters, entered as open. Raises what it is refused with."""
        if not self._is_greeted and question.method != "hello":
            raise Incompatible("The first question must be 'hello'", remedy="Say which protocol the host speaks")
        asked = ask.params_of(question)
        with self._lock:
            if len(self._open) + self._outbox.unread >= _MOST_OPEN:
                raise Busy(f"{_MOST_OPEN} questions are unanswered, or their answers unread", remedy="Ask again later")
            if question.id in self._open:
                raise UsageError(f"The question {question.id} is not answered yet", remedy="Give each an id of its own")
            self._open[question.id] = _Open(_WHY.get(type(asked), "The files are being looked at"))
        return asked

    def _hand_out(self, number: int, asked: ask.Params) -> None:
        match asked:
            case ask.Hello():
                self._result(number, self._greet(asked))
            case ask.Status():
                self._quick.ask(lambda client: self._result(number, _status(client)), lambda e: self._status(number, e))
            case ask.Fix():
                self._fix(number, asked)
            case ask.Watch():
                self._watcher.add(asked.jobs)
                self._result(number, Nothing())
            case ask.Cancel():
                self._cancel(number, asked.job)
            case ask.Start():
                self._from_files(number, lambda: self._start(number))
            case ask.Engines():
                self._of_daemon(number, lambda client: CardsAnswer(engines=tuple(client.engines())))
            case ask.Jobs():
                self._of_daemon(number, lambda client: _jobs(client, asked.limit))
            case _:
                from secondtake_daemon.bridge.desk import answer  # what it needs is loaded by the first who asks

                self._from_files(number, lambda: answer(asked, home=self._home, children=self.children))

    def _greet(self, asked: ask.Hello) -> HelloAnswer:
        mine, theirs = (PROTOCOL_MIN, PROTOCOL_MAX), (asked.protocol_min, asked.protocol_max)
        version = common_version(mine, theirs)
        if version is None:
            raise Incompatible(
                f"The host speaks bridge protocol {theirs[0]} to {theirs[1]}, Second Take {mine[0]} to {mine[1]}",
                remedy="Update the older of the two",
            )
        name = f"{asked.name} {asked.version}".strip()[:200]
        self._autostart = asked.autostart
        self._patient.begin(name=name, autostart=asked.autostart)
        self._quick.begin(name=name, autostart=False)
        self._watcher.begin(name=name, autostart=asked.autostart)
        self._is_greeted = True
        return HelloAnswer(protocol=version, name=_NAME, version=__version__, line_bytes=LINE_BYTES)

    # --- the daemon ---------------------------------------------------------------------------------------------

    def _of_daemon(self, number: int, work: Callable[[Client], msgspec.Struct]) -> None:
        self._patient.ask(lambda client: self._result(number, work(client)), lambda error: self._refuse(number, error))

    def _status(self, number: int, error: SecondTakeError) -> None:
        """The answer when the daemon gives none."""
        if not isinstance(error, DaemonLost):
            return self._refuse(number, error)
        runs = find_daemon(self._home) is not None or bool(os.environ.get("SECONDTAKE_DAEMON"))
        return self._result(number, StatusAnswer(daemon="lost" if runs else "none", why=str(error)))

    def _start(self, number: int) -> msgspec.Struct | None:
        ensure_daemon(self._home)
        self._of_daemon(number, _status)
        return None

    def _fix(self, number: int, asked: ask.Fix) -> None:
        with self._lock:
            self._preparing[asked.job] = False
        self._from_files(number, lambda: self._prepare(number, asked))

    def _prepare(self, number: int, asked: ask.Fix) -> None:
        """Make the request, and queue it unless it was cancelled meanwhile."""
        try:
            request = self._request(asked)
        except BaseException:
            with self._lock:
                self._preparing.pop(asked.job, None)
            raise
        with self._lock:
            is_cancelled = self._preparing.pop(asked.job, False)
            if not is_cancelled:  # under the lock: a cancel that comes now is asked after it
                submit = partial(self._submit, number, request)
                self._patient.ask(submit, lambda error: self._refuse(number, error))
        if is_cancelled:
            raise Cancelled("The job was cancelled before it was sent")

    def _request(self, asked: ask.Fix) -> FixRequest:
        from secondtake_daemon.bridge.requests import request_of
        from secondtake_daemon.bridge.wishes import require_sendable

        request = request_of(asked, self._home)
        require_sendable(request)
        if bytes(asked.shapes) != b"null" and not self._has_swept:
            self._has_swept = True
            self._files.submit(self._sweep)
        if any(asked.extend) or (asked.frames and any(asked.handles) and request.plate):
            from secondtake_daemon.bridge.desk import survey

            found: SurveyAnswer = survey(asked, request, children=self.children)
            request = replace(request, frames=found.frames)
        return request

    def _sweep(self) -> None:
        """Drawn shapes are kept in files; of thousands those go that no take names. Once in a bridge's life."""
        from secondtake_daemon.takes.drawn_shapes import SHAPES, sweep_shapes

        takes = self._home.data / "takes"
        sweep_shapes(self._home.data / SHAPES, takes=takes, now_s=time.time(), more_than=_MOST_SHAPES)

    def _submit(self, number: int, request: FixRequest, client: Client) -> None:
        view = client.submit(request)
        self._result(number, job_of(view))
        self._watcher.add((request.job,))

    def _cancel(self, number: int, job: str) -> None:
        with self._lock:
            is_preparing = job in self._preparing
            if is_preparing:
                self._preparing[job] = True
        if is_preparing:
            error = Cancelled("The job was cancelled before it was sent").body()
            return self._result(number, bare_job(job, state="cancelled", error=error))
        return self._of_daemon(number, lambda client: job_of(client.cancel(job)))

    # --- answers ------------------------------------------------------------------------------------------------

    def _from_files(self, number: int, work: Callable[[], msgspec.Struct | None]) -> None:
        """Do it in a thread that may wait for a disk. None: somebody else answers."""

        def run() -> None:
            try:
                result = work()
            except SecondTakeError as error:
                return self._refuse(number, error)
            except Exception as error:  # noqa: BLE001 — the host gets it, and the bridge lives on
                failure = f"The bridge failed ({type(error).__name__}: {error})"
                return self._refuse(number, WorkerCrashed(failure, remedy="Please report it"))
            return self._result(number, result) if result is not None else None

        self._files.submit(run)

    def _result(self, number: int, result: msgspec.Struct) -> None:
        if self._close(number):
            self._outbox.put(Answered(id=number, result=result))

    def _refuse(self, number: int, error: SecondTakeError) -> None:
        if self._close(number):
            self._outbox.put(failed(number, error))

    def _close(self, number: int) -> bool:
        with self._lock:
            return self._open.pop(number, None) is not None

    def _tell_waits(self) -> None:
        while True:
            time.sleep(_FIRST_WAIT_S / 4)
            now_s = time.monotonic()
            if self._outbox.unread > _MOST_OPEN:  # nobody reads it
                continue
            with self._lock:
                for number, one in self._open.items():
                    waited_s = now_s - one.asked_s
                    if waited_s > _FIRST_WAIT_S and now_s - one.told_s > _NEXT_WAIT_S:
                        one.told_s = now_s
                        self._outbox.put(WaitingEvent(id=number, waited_s=round(waited_s, 1), why=one.why))


_ASKED = "The daemon is being asked"
_WHY: dict[type[ask.Params], str] = {
    ask.Status: _ASKED,
    ask.Start: "The daemon is starting",
    ask.Engines: _ASKED,
    ask.Fix: "The fix is being sent to the daemon",
    ask.Cancel: _ASKED,
    ask.Jobs: _ASKED,
}


def _status(client: Client) -> StatusAnswer:
    reply = client.status()
    return StatusAnswer(
        daemon="running",
        version=reply.version,
        pid=reply.pid,
        home=reply.home,
        queued=reply.queued,
        running=reply.running,
        finished=reply.finished,
        condition=reply.condition,
        engines=tuple(client.engines()),
    )


def _jobs(client: Client, limit: int) -> JobsAnswer:
    views = client.jobs(limit=max(1, min(limit, _MOST_JOBS)))
    return JobsAnswer(jobs=tuple(replace(job_of(view), result=None) for view in views))


def read_lines(stdin: IO[bytes], hear: Callable[[bytes], None]) -> None:
    """Hand on each line until the host hangs up. Of one that is too long the rest is passed over."""
    while line := stdin.readline(LINE_BYTES + 1):
        whole = line
        while not line.endswith(b"\n"):
            line = stdin.readline(LINE_BYTES + 1)
            if not line:
                return
        if whole.strip():
            hear(whole)
