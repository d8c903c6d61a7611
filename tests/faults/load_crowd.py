"""Many hosts at once, in a process of their own: `load_crowd.py HOME CLIENTS JOBS`.

Each sends its jobs, one after the other, and then waits for all of them. The last line says, as JSON, how many were
acknowledged and ended, in how many seconds, and how long an acknowledgement took in the 99th percentile.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from pathlib import Path

from secondtake import Client, FixRequest, Operation


class Host(threading.Thread):
    """One client with its jobs."""

    def __init__(self, home: Path, number: int, jobs: int) -> None:
        super().__init__()
        self._home = home
        self._number = number
        self._jobs = jobs
        self.waits_s: list[float] = []
        self.ended: dict[str, str] = {}

    def run(self) -> None:
        with Client.connect(home=self._home, timeout_s=60.0, client=f"host{self._number}") as client:
            requests = [self._request() for _ in range(self._jobs)]
            for request in requests:
                began_s = time.monotonic()
                client.submit(request)
                self.waits_s.append(time.monotonic() - began_s)
            for request in requests:
                for view in client.watch(request.job, timeout_s=600.0):
                    self.ended[request.job] = view.state.value

    def _request(self) -> FixRequest:
        job = uuid.uuid4().hex
        return FixRequest(
            job=job,
            shot="sh",
            plate="/show/sh010/plate/sh010.####.exr",
            matte="/show/sh010/matte/sh010_matte.####.exr",
            out=str(self._home / "takes" / job),
            operation=Operation.REMOVE,
            instruction="Take out the boom and its shadow on the wall behind her",
        )


def main() -> None:
    """Run them all."""
    home, clients, jobs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    began_s = time.monotonic()
    hosts = [Host(home, number, jobs) for number in range(clients)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    waits_s = sorted(wait_s for host in hosts for wait_s in host.waits_s)
    states = [state for host in hosts for state in host.ended.values()]
    said = {
        "acked": len(waits_s),
        "done": states.count("done"),
        "seconds": time.monotonic() - began_s,
        "ack_p99_s": waits_s[int(len(waits_s) * 0.99)],
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
