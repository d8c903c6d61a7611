"""A worker process (`python -m secondtake_daemon.worker`): it takes jobs, one at a time, and owns all pixels.

It may be killed at any moment. It ends when its stdin closes, so it never outlives the daemon. It fences itself in
before any image library is loaded, because the fence holds only for threads that are started behind it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import queue
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec.structs import replace

from secondtake.errors import Cancelled, EngineFault, SecondTakeError
from secondtake.figures import Figures
from secondtake.messages import Phase, Stage
from secondtake_daemon.heap import keep_together
from secondtake_daemon.job.pace import Pace
from secondtake_daemon.models import shelf
from secondtake_daemon.pipe import (
    Beat,
    CancelJob,
    FromWorker,
    JobDone,
    JobFailed,
    JobProgress,
    JobStarted,
    Quit,
    RunJob,
    ToWorker,
    WorkerReady,
)
from secondtake_daemon.roots import fence
from secondtake_daemon.sandbox import enter
from secondtake_daemon.takes.leftovers import scratch_folder
from secondtake_daemon.worker_log import log_to_stderr

if TYPE_CHECKING:
    from secondtake_daemon.pipeline import Folders

__all__ = ["main"]

_BEAT_S = 1.0
_PROGRESS_S = 0.25
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TQDM_DISABLE": "1",
}
"""For the libraries of models: a job never downloads, whoever started the worker, nobody is told of it, and no bar is
drawn into the log."""
_PR_SET_PDEATHSIG = 1


class Line:
    """The worker's end of the pipe. `send` may be called from any thread."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._lock = threading.Lock()
        self.jobs: queue.SimpleQueue[RunJob] = queue.SimpleQueue()
        self.cancelled: set[str] = set()

    def send(self, message: FromWorker) -> None:
        """Write one line."""
        with self._lock:
            self._stdout.write(msgspec.json.encode(message) + b"\n")
            self._stdout.flush()

    def listen(self) -> None:
        """Take lines until the daemon is gone or says Quit; then end the process, with the job's work kept."""
        decoder = msgspec.json.Decoder(ToWorker)
        for raw in self._stdin:
            message = decoder.decode(raw)
            if isinstance(message, RunJob):
                self.jobs.put(message)
            elif isinstance(message, CancelJob):
                self.cancelled.add(message.job)
            elif isinstance(message, Quit):
                break
        os._exit(0)

    def beat(self) -> None:
        """Say that the process lives, for ever."""
        while True:
            time.sleep(_BEAT_S)
            self.send(Beat())


class JobReport:
    """Tells the daemon where one job is, and stops the job when it was cancelled."""

    def __init__(self, line: Line, job: str) -> None:
        self._line = line
        self._job = job
        self._now = JobProgress(job=job, phase=Phase.PREPARE)
        self._sent_at = 0.0
        self._pace = Pace(0)

    def phase(self, phase: Phase, total: int = 0) -> None:
        """A new phase begins, of so many frames (0: unknown)."""
        self._now = JobProgress(job=self._job, phase=phase, total=total, figures=self._now.figures)
        self._pace = Pace(total)
        self._send()
        self.step()

    def frame(self, frame: int) -> None:
        """One more frame of this phase is finished."""
        now = self._now
        self._now = replace(now, frame=frame, done=now.done + 1)
        self._pace.frame(frame)
        if self._now.done == self._now.total:
            self._send()
        self.step()

    def figures(self, figures: Figures) -> None:
        """The quality figures of the frames finished so far; they travel with what is said next."""
        self._now = replace(self._now, figures=figures)

    def stage(self, stage: Stage) -> None:
        """What the engine does; said with the next sign of life."""
        now_s = time.monotonic()
        self._pace.stage(stage, now_s=now_s)
        self._now = replace(self._now, stage=replace(stage, left_s=self._pace.left_s(now_s)))

    def step(self) -> None:
        """A sign of life. Raises Cancelled when the job was cancelled."""
        if self._job in self._line.cancelled:
            raise Cancelled("The job was cancelled")
        if time.monotonic() - self._sent_at >= _PROGRESS_S:
            self._send()

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        self._line.send(self._now)


def main() -> None:
    """Serve the daemon until it is gone."""
    options = _arguments()
    roots = tuple(root.resolve() for root in options.root)
    os.environ.update(_OFFLINE)
    _die_with_parent()
    keep_together()
    log_to_stderr()
    _fence_in(roots, own=(options.cache, options.takes), models=options.models)
    from secondtake_daemon.pipeline import Folders

    folders = Folders(
        cache=options.cache,
        takes=options.takes,
        models=options.models,
        cache_bytes=options.cache_bytes,
        roots=roots,
    )
    line = _take_stdout()
    threading.Thread(target=line.listen, daemon=True).start()
    threading.Thread(target=line.beat, daemon=True).start()
    line.send(WorkerReady(pid=os.getpid()))
    while True:
        _run(line.jobs.get(), line, folders)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="secondtake-worker")
    arguments.add_argument("--cache", type=Path, required=True, help="folder for patches, converted movies, scratch")
    arguments.add_argument("--takes", type=Path, required=True, help="folder of the registry of takes")
    arguments.add_argument("--models", type=Path, help="folder of the records of installed models")
    arguments.add_argument("--cache-bytes", type=int, required=True, help="most bytes of finished patches to keep")
    arguments.add_argument("--root", type=Path, action="append", default=[], help="jobs may only name files below")
    return arguments.parse_args()


def _fence_in(roots: tuple[Path, ...], *, own: tuple[Path, ...], models: Path | None) -> None:
    """Shut out what a job has no business with. Without it no file is opened: an error here ends the worker.

    Models that are added later are out of reach, with roots, until the next worker.
    """
    installed = shelf.models(models) if models is not None else ()
    readable = (models, *shelf.folders(installed)) if models is not None else ()
    for folder in own:
        folder.mkdir(parents=True, exist_ok=True)
    fence(roots, own=own)
    state = enter(roots=roots, own=own, readable=readable, uses_gpu=bool(installed))
    if not state.is_whole:
        sys.stderr.write(f"worker {os.getpid()}: fenced in with {state}\n")


def _run(order: RunJob, line: Line, folders: Folders) -> None:
    from secondtake_daemon.engines.contract import FreshWorker
    from secondtake_daemon.job.limits import check_limits
    from secondtake_daemon.pipeline import render_fix

    job = order.request.job
    os.environ["OCIO"] = order.request.ocio  # the sender's configuration, not the one of whoever started the daemon
    line.send(JobStarted(job=job))
    try:
        check_limits(order.request, order.limits)
        result = render_fix(order.request, take=order.take, folders=folders, report=JobReport(line, job))
    except FreshWorker as error:
        line.send(JobFailed(job=job, error=error.body(), again=True))
        os._exit(0)
    except SecondTakeError as error:
        line.send(JobFailed(job=job, error=error.body()))
    except MemoryError:
        fault = EngineFault("The worker ran out of memory", remedy="Close other programs or use a smaller range")
        line.send(JobFailed(job=job, error=fault.body()))
    except Exception as error:  # noqa: BLE001 — the boundary: whatever a library raises becomes a typed reason
        sys.excepthook(*sys.exc_info())
        fault = EngineFault(f"The worker met an unexpected error ({type(error).__name__}: {error})", remedy=_SEE_LOG)
        line.send(JobFailed(job=job, error=fault.body()))
    else:
        line.send(JobDone(job=job, result=result))
    line.cancelled.discard(job)
    shutil.rmtree(scratch_folder(folders.cache, job), ignore_errors=True)


_SEE_LOG = "Please report it with the worker's log; `secondtake doctor` says where that is"


def _take_stdout() -> Line:
    """Keep the pipe for ourselves: image libraries print warnings on file descriptor 1."""
    line = Line(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return line


def _die_with_parent() -> None:
    """On Linux the kernel kills us with the daemon, elsewhere the closed pipe does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
