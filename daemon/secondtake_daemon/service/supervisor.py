"""Worker processes: start, talk, kill. Their words come to the service's loop over an inproc socket.

Each has four threads, because none of this may stop the loop: one reads its lines, one writes to it, one takes what it
prints into the log, one waits for its end. A process group of its own makes sure that helpers of a worker die with it.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from secondtake._version import __version__
from secondtake.errors import DiskError
from secondtake.home import Home
from secondtake.process import is_same_process, process_start
from secondtake_daemon.pipe import CancelJob, FromWorker, Quit, RunJob, ToWorker
from secondtake_daemon.service.log import Field, Log
from secondtake_daemon.settings import Settings, models_folder

__all__ = ["Gone", "Supervisor", "Word", "kill_orphans"]

LINE_BYTES = 16 * 1024 * 1024
"""Longest line a worker may say: a finished take names each of its files."""
_PRINTED_BYTES = 8 * 1024
"""Longest line of what a worker prints; the rest is another line."""
_INBOX = "inproc://workers"
_NOTE_SUFFIX = ".worker"


class Word(msgspec.Struct, frozen=True):
    """A worker said something."""

    worker: int
    message: FromWorker


class Gone(msgspec.Struct, frozen=True):
    """A worker's process is no more."""

    worker: int
    reason: str


class _Said(msgspec.Struct, frozen=True):
    """What a worker's own log says of something (`secondtake_daemon.worker_log`)."""

    event: str
    level: str
    fields: dict[str, Field]


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[bytes]
    outbox: queue.SimpleQueue[bytes | None]
    note: Path
    threads: tuple[threading.Thread, ...] = ()
    job: str = ""
    host: str = ""
    """Who sent the job."""


class Supervisor:
    """Owns all worker processes. Every method returns at once."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], home: Home, settings: Settings) -> None:
        self._context = context
        self._home = home
        self._command = worker_command(home, settings)
        self._environment = worker_environment(settings)
        self._processes: dict[int, _Process] = {}
        self._log = Log(
            home.logs / "worker.log",
            most_bytes=settings.log_bytes,
            most_files=settings.log_files,
            always={"version": __version__},
        )
        self._decoder: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)
        self.inbox = context.socket(zmq.PULL)
        self.inbox.bind(_INBOX)

    def start(self, worker: int) -> None:
        """Start a process under this number. Raises DiskError if the system gives none."""
        try:
            popen = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                cwd=self._home.data,
                start_new_session=True,
            )
        except OSError as error:
            raise DiskError(f"A worker cannot be started ({error.strerror})", path=self._command[0]) from error
        outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        note = self._home.run / f"{popen.pid}{_NOTE_SUFFIX}"
        with suppress(OSError):  # only needed after a kill of the daemon
            note.write_text(process_start(popen.pid), encoding="ascii")
        process = self._processes[worker] = _Process(popen, outbox, note)
        process.threads = tuple(
            threading.Thread(target=work, args=given, daemon=True)
            for work, given in (
                (self._read, (worker, popen)),
                (_write, (popen, outbox)),
                (self._take_printed, (worker, process)),
                (_wait, (popen, outbox)),
            )
        )
        for thread in process.threads:
            thread.start()

    def send_job(self, worker: int, order: RunJob, *, host: str) -> None:
        """Hand over a job. host: who sent it, for the log."""
        process = self._processes.get(worker)
        if process is not None:
            process.job, process.host = order.request.job, host
        self._send(worker, order)

    def send_cancel(self, worker: int, job: str) -> None:
        """Pass a cancel on."""
        self._send(worker, CancelJob(job=job))

    def send_quit(self, worker: int) -> None:
        """Ask the worker to leave."""
        self._send(worker, Quit())

    def kill(self, worker: int) -> None:
        """End it, and all it started, now."""
        process = self._processes.get(worker)
        if process is not None and process.popen.poll() is None:
            _kill_group(process.popen.pid)

    def receive(self) -> Word | Gone | None:
        """What the workers said next; None if that is all. A worker that speaks nonsense is killed."""
        try:
            number, line = self.inbox.recv_multipart(flags=zmq.NOBLOCK)
        except zmq.Again:
            return None
        worker = int(number)
        if not line:
            return Gone(worker, self._bury(worker))
        try:
            return Word(worker, self._decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.kill(worker)
            return self.receive()

    def close(self) -> None:
        """Kill what is left."""
        for worker in list(self._processes):
            self.kill(worker)
        deadline_s = time.monotonic() + 2.0
        for process in self._processes.values():
            for thread in process.threads:
                thread.join(max(deadline_s - time.monotonic(), 0.0))
            process.note.unlink(missing_ok=True)
        self.inbox.close(linger=0)

    def _send(self, worker: int, message: ToWorker) -> None:
        process = self._processes.get(worker)
        if process is not None:
            process.outbox.put(msgspec.json.encode(message) + b"\n")

    def _bury(self, worker: int) -> str:
        process = self._processes.pop(worker)
        process.note.unlink(missing_ok=True)
        status = process.popen.wait()
        for thread in process.threads:
            thread.join(1.0)
        return _reason(status)

    def _read(self, worker: int, popen: subprocess.Popen[bytes]) -> None:
        """Thread: lines from the worker to the loop; an empty one says that it is dead."""
        assert popen.stdout is not None
        number = str(worker).encode("ascii")
        with self._context.socket(zmq.PUSH) as inbox, popen.stdout as stdout, suppress(zmq.ContextTerminated):
            inbox.linger = 1_000
            inbox.connect(_INBOX)
            while line := stdout.readline(LINE_BYTES):
                if line.endswith(b"\n"):
                    inbox.send_multipart([number, line])
                else:  # too long, or cut off by its death
                    _kill_group(popen.pid)
            popen.wait()
            inbox.send_multipart([number, b""])

    def _take_printed(self, worker: int, process: _Process) -> None:
        """Thread: what the worker logs, and what it and its libraries print, goes into the log of workers."""
        assert process.popen.stderr is not None
        with process.popen.stderr as stderr, suppress(OSError, ValueError):
            while line := stderr.readline(_PRINTED_BYTES):
                about: dict[str, Field] = {"job": process.job, "host": process.host} if process.job else {}
                about |= {"worker": worker, "pid": process.popen.pid}
                try:
                    said = msgspec.json.decode(line, type=_Said)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    text = line.decode("utf-8", "replace").rstrip()
                    if text:
                        self._log.line("info", "printed", {**about, "text": text})
                else:
                    self._log.line(said.level, said.event, {**said.fields, **about})


def worker_command(home: Home, settings: Settings) -> list[str]:
    """How a worker is started."""
    command = list(settings.worker_command) or [sys.executable, "-P", "-m", "secondtake_daemon.worker"]
    folders = ["--cache", str(home.cache), "--takes", str(home.data / "takes")]
    folders += ["--models", str(models_folder(home, settings))]
    roots = [word for root in settings.roots for word in ("--root", root)]
    return [*command, *folders, "--cache-bytes", str(settings.cache_bytes), *roots]


def worker_environment(settings: Settings) -> dict[str, str]:
    """The daemon's own environment, no way to download, and as many threads as the settings say.

    The last bits of a model that runs without a GPU hang on the number of its threads, so that one is the same however
    many workers there are.
    """
    cores = os.cpu_count() or 1
    shared = str(settings.worker_threads or max(cores // settings.workers, 1))
    whole = str(settings.worker_threads or cores)
    threads = {
        **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), shared),
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), whole),  # torch alone reads these
    }
    return {**os.environ, "HF_HUB_OFFLINE": "1", **threads}


def kill_orphans(run: Path) -> Sequence[int]:
    """Kill workers of a daemon that was killed, if they outlived it; they would write into jobs that are ours now."""
    killed = []
    for note in run.glob(f"*{_NOTE_SUFFIX}"):
        with suppress(OSError, ValueError):
            pid, start = int(note.name.removesuffix(_NOTE_SUFFIX)), note.read_text(encoding="ascii")
            if is_same_process(pid, start):
                _kill_group(pid)
                killed.append(pid)
                _await_end(pid, start)
            note.unlink()
    return killed


def _await_end(pid: int, start: str) -> None:
    deadline_s = time.monotonic() + 2.0
    while is_same_process(pid, start) and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _write(popen: subprocess.Popen[bytes], outbox: queue.SimpleQueue[bytes | None]) -> None:
    """Thread: lines to the worker. None is the end."""
    assert popen.stdin is not None
    with suppress(OSError):  # it died; the reader tells
        while (line := outbox.get()) is not None:
            popen.stdin.write(line)
            popen.stdin.flush()
    with suppress(OSError):
        popen.stdin.close()


def _wait(popen: subprocess.Popen[bytes], outbox: queue.SimpleQueue[bytes | None]) -> None:
    """Thread: when the worker ends, its helpers end too, else they would keep its pipe open for ever."""
    popen.wait()
    _kill_group(popen.pid)
    outbox.put(None)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


def _reason(status: int) -> str:
    if status >= 0:
        return f"it left with status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
