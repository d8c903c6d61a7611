"""A host that sends jobs until the file `enough` appears, and writes down what it was told: `load_client.py HOME NAME
[SHOT]`. With a shot the jobs are for real workers and the stand-in engine, else for `load_worker.py`.

Each line of `HOME/told/NAME` is a fact: `sent JOB`, `acked JOB`, `ended JOB STATE TAKE`. Killed and started again it
sends once more what was not acknowledged, and goes on waiting for the rest: a host that keeps its own list.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections import deque
from pathlib import Path

from secondtake import Client, FixRequest, Operation

WORDS = "frames=4 frame_s=0.03 linger_s=0.01"
SEEDS = 48
_OUTSTANDING = 4


def request_of(home: Path, job: str, shot: Path | None) -> FixRequest:
    """The request of a job; nothing but its id decides it."""
    return FixRequest(
        job=job,
        shot="sh",
        plate=str(shot / "plate" / "sh.####.exr") if shot else "/p/x.####.exr",
        matte=str(shot / "matte" / "m.####.exr") if shot else "/m/x.exr",
        out=str(home / "takes" / job),
        operation=Operation.REMOVE,
        instruction="" if shot else WORDS,
        engine="standin" if shot else "temporal",
        engine_options={"mode": "noise", "frame_s": "0.03"} if shot else {},
        seed=seed_of(job),
    )


def seed_of(job: str) -> int:
    """One of a few seeds: what each must lead to can be found out afterwards."""
    return zlib.crc32(job.encode()) % SEEDS


def main() -> None:
    """Send, wait, write down."""
    home, name = Path(sys.argv[1]), sys.argv[2]
    shot = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    book = home / "told" / name
    enough = home / "told" / "enough"
    lines = [line.split() for line in book.read_text().splitlines()] if book.exists() else []
    sent = [line[1] for line in lines if line[0] == "sent"]
    ended = {line[1] for line in lines if line[0] == "ended"}
    page = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(*words: str) -> None:
        os.write(page, f"{' '.join(words)}\n".encode())

    with Client.connect(home=home, timeout_s=30.0, client=name) as client:
        waiting: deque[str] = deque()
        for job in sent:  # all of them once more: that must change nothing
            client.submit(request_of(home, job, shot))
            note("acked", job)
            if job not in ended:
                waiting.append(job)
        count = len(sent)
        while waiting or not enough.exists():
            while len(waiting) < _OUTSTANDING and not enough.exists():
                job = f"{zlib.crc32(name.encode()):08x}{count:024x}"
                note("sent", job)
                client.submit(request_of(home, job, shot))
                note("acked", job)
                waiting.append(job)
                count += 1
            if waiting:
                *_, last = client.watch(waiting[0], timeout_s=60.0)
                take = last.result.take if last.result else "-"
                note("ended", waiting.popleft(), last.state.value, take)


if __name__ == "__main__":
    main()
