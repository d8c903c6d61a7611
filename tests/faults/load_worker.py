"""A worker that renders nothing, but keeps files as the real one does: ledger, frames, take.json, in this order.

It is the scripted worker (`tests/service`), with the same words, whose frames are a function of the job's seed and are
written durably; so a test can say of each byte what it must be, and a worker costs a tenth of a real one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from blake3 import blake3

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
import scripted_worker

from secondtake.messages import FixResult, Phase, Proof
from secondtake_daemon.pipe import JobProgress, RunJob
from secondtake_daemon.store.io import create_bytes, remove_file, replace_bytes
from secondtake_daemon.takes.leftovers import LedgerHead, ledger_path

FRAME_BYTES = 2048


def frame_bytes(seed: int, frame: int) -> bytes:
    """What a frame must hold."""
    return blake3(f"{seed} {frame}".encode()).digest(length=FRAME_BYTES)


def manifest_bytes(take: str, seed: int, total: int) -> bytes:
    """What take.json must hold."""
    digests = [blake3(frame_bytes(seed, frame)).hexdigest() for frame in range(1, total + 1)]
    return msgspec.json.encode({"take": take, "digests": digests})


def work(order: RunJob) -> FixResult:
    """Make the take, or go on with it."""
    request, take, out = order.request, order.take, Path(order.request.out)
    total = int(scripted_worker._words.get("frames", 3))
    names = [f"{request.shot}.{take}.{frame}.exr" for frame in range(1, total + 1)]
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "take.json").exists():
        head = LedgerHead(job=request.job, take=take, shot=request.shot, made_folders=())
        replace_bytes(ledger_path(out, take), msgspec.json.encode(head) + b"\n")
        for frame, name in enumerate(names, start=1):
            if not (out / name).exists():
                scripted_worker.obey(request.job, frame, 1)
                replace_bytes(out / name, frame_bytes(request.seed, frame))
            progress = JobProgress(job=request.job, phase=Phase.RENDER, frame=frame, done=frame, total=total)
            scripted_worker.say(progress)
        create_bytes(out / "take.json", manifest_bytes(take, request.seed, total))
        time.sleep(float(scripted_worker._words.get("linger_s", 0)))
    for left in out.glob(".*.part"):
        left.unlink()
    if ledger_path(out, take).exists():
        remove_file(ledger_path(out, take))
    return FixResult(
        take=take,
        shot=request.shot,
        frames=tuple(range(1, total + 1)),
        files=tuple(str(out / name) for name in names),
        manifest=str(out / "take.json"),
        engine=request.engine,
        seconds=0.1,
        proof=Proof(outside_changed=0, outside_samples=1, inside_samples=1),
    )


if __name__ == "__main__":
    scripted_worker.work = work
    scripted_worker.main()
