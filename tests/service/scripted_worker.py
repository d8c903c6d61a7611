"""A worker that speaks the pipe and does what the job's instruction says, without a pixel.

Words of the instruction: `frames=N` (default 3), `frame_s=S`, `crash_at=N` (SIGKILL at frame N), `crash_times=N`,
`die_early` (before it says started), `hang_at=N` (no progress, beats go on), `mute` (no beats, no progress),
`deaf` (ignores cancel), `stay` (ignores quit), `nonsense` (not JSON), `endless` (a line without an end), `fail`,
`size=N` (bytes of a frame), `print=TEXT` (on stderr), `helper` (starts a process that sleeps; its id is in `helpers`).

Finished frames stay as files in the output folder, as finished windows do; `starts` there counts the attempts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from secondtake.errors import BadMatte, Cancelled, DiskError, SecondTakeError
from secondtake.messages import FixResult, Phase, Proof
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
from secondtake_daemon.store.io import replace_bytes
from secondtake_daemon.takes.leftovers import LedgerHead, ledger_path

_lock = threading.Lock()
_cancelled: set[str] = set()
_words: dict[str, str] = {}


def say(message: FromWorker) -> None:
    with _lock:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()


def beat() -> None:
    while True:
        time.sleep(0.1)
        if "mute" not in _words:
            say(Beat())


def listen(jobs: list[RunJob], came: threading.Semaphore) -> None:
    for line in sys.stdin.buffer:
        message = msgspec.json.decode(line, type=ToWorker)
        if isinstance(message, RunJob):
            jobs.append(message)
            came.release()
        elif isinstance(message, CancelJob):
            _cancelled.add(message.job)
        elif isinstance(message, Quit) and "stay" not in _words:
            break
    os._exit(0)


def work(order: RunJob) -> FixResult:
    request, take, out = order.request, order.take, Path(order.request.out)
    out.mkdir(parents=True, exist_ok=True)
    head = LedgerHead(job=request.job, take=take, shot=request.shot, made_folders=())
    ledger_path(out, take).write_bytes(msgspec.json.encode(head) + b"\n")
    with (out / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    attempt = len((out / "starts").read_text().splitlines())
    if "print" in _words:
        sys.stderr.write(_words["print"] + "\n")
        sys.stderr.flush()
    if "helper" in _words:
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (out / "helpers").write_text(str(helper.pid))
    total = int(_words.get("frames", 3))
    for frame in range(1, total + 1):
        file = out / f"{request.shot}.{take}.{frame}.exr"
        if file.exists():
            continue
        obey(request.job, frame, attempt)
        if "size" in _words:
            replace_bytes(file, str(os.getpid()).encode().ljust(int(_words["size"])))
        else:
            file.write_text(str(os.getpid()))
        say(JobProgress(job=request.job, phase=Phase.RENDER, frame=frame, done=frame, total=total))
    ledger_path(out, take).unlink()
    files = tuple(str(out / f"{request.shot}.{take}.{frame}.exr") for frame in range(1, total + 1))
    return FixResult(
        take=take,
        shot=request.shot,
        frames=tuple(range(1, total + 1)),
        files=files,
        manifest=str(out / "take.json"),
        engine=request.engine,
        seconds=0.1,
        proof=Proof(outside_changed=0, outside_samples=1, inside_samples=1),
    )


def obey(job: str, frame: int, attempt: int) -> None:
    until = time.monotonic() + float(_words.get("frame_s", 0))
    while time.monotonic() < until or _words.get("hang_at") == str(frame) or "mute" in _words:
        if job in _cancelled and "deaf" not in _words:
            raise Cancelled("The job was cancelled")
        time.sleep(0.005)
    if _words.get("crash_at") == str(frame) and attempt <= int(_words.get("crash_times", 1000)):
        os.kill(os.getpid(), signal.SIGKILL)
    if "nonsense" in _words:
        os.write(1, b"a library printed this\n")
    while "endless" in _words:
        os.write(1, b"x" * 65536)
    if "fail" in _words:
        raise BadMatte("The matte is empty", remedy="Paint one")


def main() -> None:
    threading.Thread(target=beat, daemon=True).start()
    jobs: list[RunJob] = []
    came = threading.Semaphore(0)
    threading.Thread(target=listen, args=(jobs, came), daemon=True).start()
    say(WorkerReady(pid=os.getpid()))
    while True:
        came.acquire()
        order = jobs.pop(0)
        _words.clear()
        _words.update([*word.split("="), ""][:2] for word in order.request.instruction.split())
        if "die_early" in _words:
            os._exit(3)
        say(JobStarted(job=order.request.job))
        try:
            result = work(order)
        except SecondTakeError as error:
            for left in () if isinstance(error, DiskError) else Path(order.request.out).glob(f"*{order.take}.*"):
                left.unlink()
            say(JobFailed(job=order.request.job, error=error.body()))
        else:
            say(JobDone(job=order.request.job, result=result))


if __name__ == "__main__":
    main()
