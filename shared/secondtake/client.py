"""The synchronous client of the daemon. Every call has a timeout; a daemon that died is looked for, or started, again.

with Client.connect() as client:
    result = client.run(request)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import zmq

from secondtake._version import __version__
from secondtake.connection import Connection
from secondtake.endpoint import Endpoint, Runtime, find_daemon
from secondtake.errors import (
    Cancelled,
    DaemonLost,
    Incompatible,
    SecondTakeError,
    UsageError,
    WorkerCrashed,
    error_from_body,
)
from secondtake.home import Home
from secondtake.keys import KeyPair, introduce_client
from secondtake.launch import START_TIMEOUT_S, ensure_daemon
from secondtake.messages import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Accepted,
    Cancel,
    EngineCard,
    Engines,
    FixRequest,
    FixResult,
    Hello,
    Jobs,
    JobState,
    JobView,
    ListEngines,
    ListJobs,
    Ok,
    Refused,
    Status,
    StatusReply,
    Stop,
    Submit,
    Watch,
    Welcome,
)
from secondtake.pairing import remote_endpoint
from secondtake.process import is_same_process
from secondtake.wire import Question

__all__ = ["Client"]

_Answer = TypeVar("_Answer", Accepted, Engines, Jobs, Ok, StatusReply)

_PATIENCE_S = 2.0
"""How long one connection may be silent before a new one is made (the "lazy pirate" of the ZeroMQ guide)."""
_PAUSE_S = 0.05


class Client:
    """A connection that heals itself. Use one from one thread only; any number may exist side by side."""

    def __init__(
        self,
        home: Home,
        *,
        hello: Hello,
        autostart: bool,
        timeout_s: float,
        endpoint: Endpoint | None = None,
        keys: KeyPair | None = None,
    ) -> None:
        self._home = home
        self._hello = hello
        self._autostart = autostart
        self._timeout_s = timeout_s
        self._endpoint = endpoint
        self._keys = keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._connection: Connection | None = None
        self.welcome: Welcome | None = None
        """What the daemon said of itself when it was last greeted."""

    @classmethod
    def connect(
        cls,
        *,
        home: Path | None = None,
        autostart: bool = True,
        timeout_s: float = 5.0,
        client: str = f"secondtake-python/{__version__}",
        protocol: tuple[int, int] = (PROTOCOL_MIN, PROTOCOL_MAX),
        endpoint: Endpoint | None = None,
        keys: KeyPair | None = None,
        daemon: str = "",
    ) -> Client:
        """Find the daemon of a home (start it if allowed) and greet it.

        home: root of a home; None is SECONDTAKE_HOME or the user's own. endpoint, keys: a daemon elsewhere, by tcp;
        it is never started from here. daemon: the same, by the name it was joined under (`secondtake.pairing`); else
        SECONDTAKE_DAEMON may name one. timeout_s: limit of each later call.
        Raises DaemonLost if none runs or none answers, Incompatible if no protocol version is common, NotFound for a
        daemon that was not joined.
        """
        daemon = daemon or ("" if endpoint else os.environ.get("SECONDTAKE_DAEMON", ""))
        if daemon:
            endpoint = remote_endpoint(Home.find(home), daemon)
        hello = Hello(protocol_min=protocol[0], protocol_max=protocol[1], client=client, pid=os.getpid())
        made = cls(
            Home.find(home),
            hello=hello,
            autostart=autostart and endpoint is None,
            timeout_s=timeout_s,
            endpoint=endpoint,
            keys=keys,
        )
        try:
            made._ready(time.monotonic() + max(timeout_s, START_TIMEOUT_S if made._autostart else 0.0))
        except BaseException:
            made.close()
            raise
        return made

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection. Jobs go on."""
        self._drop()
        self._context.destroy(linger=0)

    def submit(self, request: FixRequest) -> JobView:
        """Queue a fix; it is in the journal when this returns. The same request twice is one job.

        Raises Busy if the queue is full, UsageError for a known job id with another request, BadInput and its kin
        for what the daemon can see without opening a file, DiskError if the journal cannot be written.
        """
        return self._ask(Submit(request=request), Accepted).view

    def watch(self, job: str, *, timeout_s: float | None = None) -> Iterator[JobView]:
        """Yield the job's state now and after each change, the final one last. Survives a kill of the daemon.

        Raises NotFound for an unknown job; DaemonLost when the daemon was stopped or is gone for good (the job waits
        in its journal), or after timeout_s (the job goes on).
        """
        deadline_s = time.monotonic() + timeout_s if timeout_s is not None else None
        seen: JobView | None = None
        while seen is None or not seen.state.is_final:
            if seen is not None:
                self._check_not_stopped()
            for view in self._watch_once(job, deadline_s):
                if view != seen:
                    yield view
                seen = view
            if deadline_s is not None and time.monotonic() > deadline_s and not (seen and seen.state.is_final):
                raise DaemonLost(f"The job did not end within {timeout_s:g} s", remedy="It goes on; watch it again")

    def run(self, request: FixRequest, *, timeout_s: float | None = None) -> FixResult:
        """Submit, wait, return the take. Raises the error the job ended with, or Cancelled."""
        last = self.submit(request)
        for view in self.watch(request.job, timeout_s=timeout_s):
            last = view
        if last.result is not None:
            return last.result
        if last.state is JobState.CANCELLED:
            raise Cancelled("The job was cancelled")
        raise error_from_body(last.error) if last.error else WorkerCrashed("The job failed without a reason")

    def cancel(self, job: str) -> JobView:
        """Ask for the end of a job in whatever phase; its present state. Raises NotFound."""
        return self._ask(Cancel(job=job), Accepted).view

    def jobs(self, *, limit: int = 100, job: str = "") -> list[JobView]:
        """Jobs, newest first, without their lists of files; or the one whose id begins so, whole. Raises NotFound."""
        return list(self._ask(ListJobs(limit=limit, job=job), Jobs).views)

    def engines(self) -> list[EngineCard]:
        """The cards of all engines."""
        return list(self._ask(ListEngines(), Engines).cards)

    def status(self) -> StatusReply:
        """How the daemon is."""
        return self._ask(Status(), StatusReply)

    def stop(self, *, drain: bool = False, timeout_s: float = 10.0) -> None:
        """End the daemon and wait until it is gone; this client starts no other. drain: running jobs end first.

        Raises DaemonLost if it stays.
        """
        self._autostart = False
        runtime = find_daemon(self._home) if self._endpoint is None else None
        if runtime is None and self._endpoint is None:
            return self._drop()
        deadline_s = time.monotonic() + timeout_s
        try:
            self._ask(Stop(drain=drain), Ok)
        except DaemonLost:
            if runtime is not None and runtime.is_live:
                raise
        while runtime is not None and is_same_process(runtime.pid, runtime.pid_start):
            if time.monotonic() > deadline_s:
                raise DaemonLost(
                    f"The daemon (pid {runtime.pid}) still runs after {timeout_s:g} s",
                    remedy="It waits for running jobs" if drain else "Look into its log",
                )
            time.sleep(_PAUSE_S)
        return self._drop()

    def _ask(self, question: Question, kind: type[_Answer]) -> _Answer:
        """Ask until there is an answer or no time left. All questions may be asked twice without harm."""
        deadline_s = time.monotonic() + self._timeout_s
        is_greeted_anew = False
        while True:
            connection = self._ready(deadline_s)
            try:
                answer = connection.ask(question, timeout_s=min(_PATIENCE_S, _left_s(deadline_s)))
            except DaemonLost:
                self._drop()
                if time.monotonic() >= deadline_s:
                    raise
                continue
            if isinstance(answer, kind):
                return answer
            if not isinstance(answer, Refused):
                raise Incompatible("The daemon gave an answer to another question", remedy="Update Second Take")
            error = error_from_body(answer.error)
            if not self._may_retry(error, is_greeted_anew, deadline_s):
                raise error
            is_greeted_anew = True
            self._drop()

    def _may_retry(self, error: SecondTakeError, is_greeted_anew: bool, deadline_s: float) -> bool:
        """A daemon that stops, or that restarted behind a healed connection and does not know us, is asked again."""
        if isinstance(error, Incompatible):
            return not is_greeted_anew
        if error.code != DaemonLost.code or time.monotonic() + _PAUSE_S >= deadline_s:
            return False
        time.sleep(_PAUSE_S)
        return True

    def _watch_once(self, job: str, deadline_s: float | None) -> Iterator[JobView]:
        """Events over one connection, until the final one, the deadline, or the loss of the connection."""
        connection = self._ready(time.monotonic() + max(self._timeout_s, START_TIMEOUT_S if self._autostart else 0.0))
        try:
            watch_id = connection.watch(Watch(job=job), timeout_s=_PATIENCE_S)
        except DaemonLost:
            return self._drop()
        waiting_for_answer = True
        while deadline_s is None or time.monotonic() < deadline_s:
            if connection is not self._connection:  # another call on this client met the loss first
                return None
            patience_s = _PATIENCE_S if deadline_s is None else min(_PATIENCE_S, _left_s(deadline_s))
            event = connection.next_event(watch_id, timeout_s=patience_s)
            if event is None and (waiting_for_answer or connection.is_broken or not self._is_alive(connection)):
                return self._drop()
            if isinstance(event, Refused):
                self._check_watch_refusal(event)
                return self._drop()
            waiting_for_answer = False
            if event is not None:
                yield event.view
                if event.view.state.is_final:
                    return connection.unwatch(watch_id)
        return connection.unwatch(watch_id)

    def _check_not_stopped(self) -> None:
        """A daemon that was killed is started again; one that was stopped is not: it took its runtime file along."""
        if self._connection is None and self._endpoint is None and not self._home.runtime_file.exists():
            raise DaemonLost(
                "The daemon was stopped", remedy="The job waits in its journal until a daemon starts again"
            )

    def _check_watch_refusal(self, refused: Refused) -> None:
        """Raise what cannot get better by connecting anew; a daemon that was stopped is not started again for this."""
        error = error_from_body(refused.error)
        if not isinstance(error, Incompatible):
            raise error

    def _is_alive(self, connection: Connection) -> bool:
        """Ask after a silence: it may be a long frame, or a dead daemon."""
        try:
            return isinstance(connection.ask(Status(), timeout_s=_PATIENCE_S), StatusReply)
        except DaemonLost:
            return False

    def _ready(self, deadline_s: float) -> Connection:
        """The connection, made and greeted if need be. Raises DaemonLost or Incompatible."""
        while self._connection is None:
            endpoint = self._endpoint or self._endpoint_of(self._find(deadline_s))
            connection = Connection(self._context, endpoint, keys=self._keys_for(endpoint))
            try:
                self.welcome = connection.hello(self._hello, timeout_s=min(_PATIENCE_S, _left_s(deadline_s)))
            except DaemonLost:
                connection.close()
                if time.monotonic() >= deadline_s:
                    raise
                time.sleep(_PAUSE_S)
            except SecondTakeError:
                connection.close()
                raise
            else:
                self._connection = connection
        return self._connection

    def _find(self, deadline_s: float) -> Runtime:
        if self._autostart:
            return ensure_daemon(self._home, timeout_s=max(_left_s(deadline_s), _PAUSE_S))
        runtime = find_daemon(self._home)
        if runtime is None:
            raise DaemonLost("No daemon runs for this home", remedy="Start it with `secondtake daemon start`")
        return runtime

    def _endpoint_of(self, runtime: Runtime) -> Endpoint:
        local = [endpoint for endpoint in runtime.endpoints if endpoint.url.startswith("ipc:") and zmq.has("ipc")]
        chosen = [*local, *runtime.endpoints]
        if not chosen:
            raise UsageError("The daemon listens nowhere", path=self._home.runtime_file)
        return chosen[0]

    def _keys_for(self, endpoint: Endpoint) -> KeyPair | None:
        if self._keys is None and endpoint.server_key:
            self._keys = introduce_client(self._home)
        return self._keys

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _left_s(deadline_s: float) -> float:
    return max(deadline_s - time.monotonic(), 0.0)
