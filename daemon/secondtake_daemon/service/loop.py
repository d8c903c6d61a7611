"""The daemon's one loop: clients, workers, signals, the clock."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import TypeVar

import zmq

from secondtake.errors import DaemonLost, SecondTakeError, TooLarge
from secondtake.home import Home
from secondtake.messages import Event, Refused, Submit
from secondtake.wire import Answer, pack, read_question, split
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.service.core import Core
from secondtake_daemon.service.desk import About, Asked, Desk, refusal
from secondtake_daemon.service.events import StopAsked
from secondtake_daemon.service.instance import Instance
from secondtake_daemon.service.journal import Journal
from secondtake_daemon.service.listeners import Listeners, clean_after
from secondtake_daemon.service.log import Log
from secondtake_daemon.service.metrics import MetricsFile, Present
from secondtake_daemon.service.owner import Owner
from secondtake_daemon.service.sessions import Peer
from secondtake_daemon.service.supervisor import kill_orphans
from secondtake_daemon.settings import Settings, models_folder

__all__ = ["Service"]

_MESSAGES_AT_ONCE = 64
_BUSY_WAIT_MS = 100
_IDLE_WAIT_MS = 1_000
_UNSENT_WAIT_MS = 20
_STOP_SLACK_S = 3.0
_LOOK_S = 1.0
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")

_Socket = zmq.Socket[bytes]
_Message = TypeVar("_Message", Answer, Event, Refused)


class Service:
    """The daemon between having the lock and giving it back."""

    def __init__(self, home: Home, settings: Settings, instance: Instance, log: Log, *, owner: Owner | None) -> None:
        self._settings = settings
        self._instance = instance
        self._log = log
        self._owner = owner
        self._dropped = 0
        self._stop_at_s: float | None = None
        self._has_successor = False
        self._busy_s = self._looked_s = time.monotonic()
        clean_after(home.run, instance.before)
        for pid in kill_orphans(home.run):
            log.warning("a worker outlived its daemon and was killed", pid=pid)
        self._context: zmq.Context[_Socket] = zmq.Context()
        self._wake_reader, self._wake_writer = socket.socketpair()
        journal = Journal(home.data / "jobs.sqlite", finished_jobs=settings.finished_jobs)
        self._listeners = Listeners(self._context, home, name=instance.name, tcp=settings.tcp)
        self._core = Core(self._context, home, settings, journal, log)
        about = About(
            instance=instance.name,
            home=str(home.root or home.data),
            endpoints=tuple(endpoint.url for endpoint in self._listeners.endpoints),
            started_s=self._busy_s,
        )
        self._metrics = MetricsFile(Path(settings.metrics_file), log) if settings.metrics_file else None
        self._desk = Desk(
            self._core,
            settings,
            about,
            log,
            catalogue=Catalogue(models_folder(home, settings)),
            stop=self._stop,
            guests=self._listeners.guests,
        )
        self._poller = self._make_poller()

    def run(self) -> None:
        """Serve until somebody asks for the end, the owner dies, or nobody needs us any more."""
        self._catch_signals()
        try:
            self._instance.publish(self._listeners.endpoints)
            self._log.info("ready", endpoints=" ".join(endpoint.url for endpoint in self._listeners.endpoints))
            self._core.recover()
            while not self._is_over():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        self._poller.poll(self._wait_ms())
        for listener in self._listeners.sockets:
            self._serve(listener)
        self._core.hear_workers()
        self._core.hear_janitor()
        self._core.hear_surveyor()
        self._core.tick()
        self._core.watchers.send(self._tell)
        self._look_around()
        self._measure()

    def _wait_ms(self) -> int:
        if self._core.watchers.has_unsent:
            return _UNSENT_WAIT_MS
        if len(self._core.queue) or not self._core.queue.is_at_rest or self._core.queue.is_stopping:
            return _BUSY_WAIT_MS
        return min(_IDLE_WAIT_MS, int(self._settings.idle_exit_s * 250) + 1)

    # --- clients ------------------------------------------------------------------------------------------------

    def _serve(self, listener: _Socket) -> None:
        """Take what waits; Submits that come one after another share one commit of the journal."""
        submits: list[Asked] = []
        for _ in range(_MESSAGES_AT_ONCE):
            try:
                frames = listener.recv_multipart(flags=zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            asked = self._read(listener, frames)
            if asked is None:
                continue
            if isinstance(asked.question, Submit):
                submits.append(asked)
                continue
            self._submit(submits)
            self._answer(asked)
        self._submit(submits)

    def _read(self, listener: _Socket, frames: list[zmq.Frame]) -> Asked | None:
        """The question, or None if it was none (and was answered or dropped already)."""
        caller = self._listeners.caller(listener, frames)
        if caller is None:
            return None
        envelope = split([frame.bytes for frame in frames[1:]])
        if envelope is None:
            self._dropped += 1
            self._log.warning("message dropped: foreign frames", dropped=self._dropped)
            return None
        try:
            question = read_question(envelope.body)
        except SecondTakeError as error:
            self._send(caller.peer, envelope.request_id, refusal(error))
            return None
        return Asked(caller, envelope.request_id, question)

    def _submit(self, batch: list[Asked]) -> None:
        if batch:
            for asked, answer in zip(batch, self._desk.submit(batch), strict=True):
                self._send(asked.peer, asked.request_id, answer)
            batch.clear()

    def _answer(self, asked: Asked) -> None:
        answer = self._desk.answer(asked)
        if answer is not None:
            self._send(asked.peer, asked.request_id, answer)

    def _tell(self, peer: Peer, request_id: bytes, event: Event) -> bool | None:
        """As _send, but not to a client whose key was revoked meanwhile."""
        return self._send(peer, request_id, event) if self._listeners.admits(peer) else None

    def _send(self, peer: Peer, request_id: bytes, message: Answer) -> bool | None:
        """True: on its way. False: the client reads too slowly. None: it is gone."""
        listener = self._listeners.tcp if peer.is_tcp else self._listeners.ipc
        assert listener is not None
        try:
            frames = pack(message, request_id=request_id)
        except TooLarge as error:
            frames = pack(refusal(error), request_id=request_id)
        try:
            listener.send_multipart([peer.identity, *frames], flags=zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._desk.sessions.forget(peer)
            return None
        return True

    # --- the end ------------------------------------------------------------------------------------------------

    def _stop(self, drain: bool, successor: bool = False) -> None:
        self._log.info("stopping", drain=drain, successor=successor)
        self._has_successor = successor
        if not drain and self._stop_at_s is None:
            self._stop_at_s = time.monotonic() + self._settings.quit_grace_s + _STOP_SLACK_S
        self._core.feed(StopAsked(drain))

    def _is_over(self) -> bool:
        if not self._core.queue.is_stopping:
            return False
        is_late = self._stop_at_s is not None and time.monotonic() > self._stop_at_s
        return self._core.queue.is_at_rest or is_late

    def _look_around(self) -> None:
        """Signals, the owner, and whether anybody still needs us."""
        if self._read_wake():
            self._stop(False)
        now_s = time.monotonic()
        if self._core.is_needed:
            self._busy_s = now_s
        if self._core.queue.is_stopping:
            return
        reason = self._reason_to_end(now_s)
        if reason:
            self._log.info(reason)
            self._stop(False)

    def _reason_to_end(self, now_s: float) -> str:
        if self._owner is not None and self._owner.is_gone:
            return "the owner is gone"
        if now_s - self._looked_s > _LOOK_S:
            self._looked_s = now_s
            if not self._instance.is_published():
                return "the runtime file is gone"
        is_idle = now_s - max(self._busy_s, self._desk.sessions.last_word_s) > self._settings.idle_exit_s
        return "idle for too long" if is_idle else ""

    def _measure(self) -> None:
        if self._metrics is None or not self._metrics.is_due():
            return
        queue, now_s = self._core.queue, time.monotonic()
        present = Present(
            queued=len(queue) - queue.running(),
            running=queue.running(),
            clients=self._desk.sessions.present(now_s=now_s),
            workers=len(queue.workers()),
            free_bytes=self._core.room.free_bytes,
            is_paused="paused" in self._core.condition,
            is_degraded=queue.is_degraded(now_s=now_s),
        )
        self._metrics.write(self._core.metrics.text(present))

    def _close(self) -> None:
        if not self._has_successor:
            self._instance.withdraw()
            gone = DaemonLost("The daemon was stopped", remedy="The job waits in its journal for the next daemon")
            self._core.watchers.dismiss(self._send, refusal(gone))
        self._core.close()
        if self._metrics is not None:
            self._metrics.remove()
        self._listeners.close()
        signal.set_wakeup_fd(-1)
        self._wake_reader.close()
        self._wake_writer.close()
        if self._owner is not None:
            self._owner.close()
        self._context.destroy(linger=100)
        self._log.info("stopped")

    # --- signals ------------------------------------------------------------------------------------------------

    def _make_poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        inboxes = [self._core.supervisor.inbox, self._core.janitor.inbox, self._core.room.inbox]
        for listener in [*self._listeners.sockets, *inboxes]:
            poller.register(listener, zmq.POLLIN)
        poller.register(self._wake_reader.fileno(), zmq.POLLIN)
        if self._owner is not None and self._owner.handle is not None:
            poller.register(self._owner.handle, zmq.POLLIN)
        return poller

    def _catch_signals(self) -> None:
        """A signal only wakes the loop, which then stops in its own time."""
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for name in _SIGNALS:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda number, frame: None)

    def _read_wake(self) -> bool:
        try:
            return bool(self._wake_reader.recv(64))
        except BlockingIOError:
            return False
