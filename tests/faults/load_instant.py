"""A worker that takes no time: each job is done at once, and its id goes into `HOME/data/ran`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from secondtake.messages import FixResult, Proof
from secondtake_daemon.pipe import FromWorker, JobDone, JobStarted, RunJob, ToWorker, WorkerReady


def say(message: FromWorker) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Until the daemon says quit, or is gone."""
    ran = os.open(Path("ran"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)  # its folder is the home's data
    say(WorkerReady(pid=os.getpid()))
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=ToWorker)
        if not isinstance(order, RunJob):
            break
        request = order.request
        say(JobStarted(job=request.job))
        os.write(ran, f"{request.job}\n".encode())
        proof = Proof(outside_changed=0, outside_samples=1, inside_samples=1)
        result = FixResult(
            take=order.take,
            shot=request.shot,
            frames=(1,),
            files=(f"{request.out}/{request.shot}.{order.take}.1.exr",),
            manifest=f"{request.out}/take.json",
            engine=request.engine,
            seconds=0.0,
            proof=proof,
        )
        say(JobDone(job=request.job, result=result))


if __name__ == "__main__":
    main()
