"""`status` while a job renders and 50 clients ask: 50th and 99th percentile, against the same on an idle daemon."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from pathlib import Path

import numpy as np
from rows import Choice, Row
from shots import write_matte, write_plate

from secondtake import Client
from secondtake.messages import FixRequest, Operation

CLIENTS, ASKS = 50, 100


def measure(choice: Choice) -> list[Row]:
    """Milliseconds."""
    with tempfile.TemporaryDirectory(prefix="st") as temp:
        root = Path(temp)
        os.environ["SECONDTAKE_HOME"] = str(root / "home")
        with Client.connect(client="bench") as client:
            idle = _ask_all()
            job = client.submit(_request(root)).job
            busy = _ask_all()
            client.cancel(job)
            client.stop()
    p50, p99 = np.percentile(busy, [50, 99])
    idle_p50, idle_p99 = np.percentile(idle, [50, 99])
    what = f"status, {CLIENTS} clients, a job renders"
    return [
        Row(bench="latency", what=f"{what}, p50", value=p50, unit="ms", rival="idle", rival_value=idle_p50),
        Row(bench="latency", what=f"{what}, p99", value=p99, unit="ms", rival="idle", rival_value=idle_p99,
            goal="< 50 ms", met=bool(p99 < 50)),
    ]  # fmt: skip


def _request(root: Path) -> FixRequest:
    plate = write_plate(root / "plate", frames=200, width=960, height=540)
    matte = write_matte(root / "matte", frames=200, width=960, height=540, share=0.05, rows=0.25)
    return FixRequest(
        job=uuid.uuid4().hex, shot="bench", plate=plate, matte=matte, out=str(root / "out"), operation=Operation.REMOVE,
        engine="standin", engine_options={"mode": "noise"},
    )  # fmt: skip


def _ask_all() -> list[float]:
    times: list[float] = []
    threads = [threading.Thread(target=_ask, args=(times,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _ask(times: list[float]) -> None:
    with Client.connect(client="bench") as client:
        for _ in range(ASKS):
            started = time.perf_counter()
            client.status()
            times.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
