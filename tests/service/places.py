"""A home for real daemons, with a scripted worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from secondtake import Client, FixRequest, Home, Operation
from secondtake.endpoint import Runtime, find_daemon
from secondtake.process import is_same_process, process_start

SCRIPTED = [sys.executable, str(Path(__file__).parent / "scripted_worker.py")]


class Place:
    """A home, and what happens in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = Home.find(root)
        self.home.create()
        self.spawned: list[subprocess.Popen[bytes]] = []
        self.clients: list[Client] = []
        self.settings()

    def settings(self, **values: object) -> None:
        """Write settings.toml; the scripted worker unless another is named."""
        values.setdefault("worker_command", SCRIPTED)
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        self.home.settings_file.write_text("\n".join(["[daemon]", *lines]), encoding="utf-8")

    def client(self, name: str = "test", *, autostart: bool = True, timeout_s: float = 8.0) -> Client:
        client = Client.connect(home=self.root, autostart=autostart, timeout_s=timeout_s, client=name)
        self.clients.append(client)
        return client

    def request(self, instruction: str = "", *, out: str = "out", **changes: object) -> FixRequest:
        values: dict[str, object] = {
            "job": uuid.uuid4().hex,
            "shot": "sh",
            "plate": "/p/x.####.exr",
            "matte": "/m/x.exr",
            "out": str(self.root / out),
            "operation": Operation.REMOVE,
            "instruction": instruction,
        }
        return FixRequest(**{**values, **changes})

    def spawn(self, *arguments: str, code: str = "") -> subprocess.Popen[bytes]:
        """A daemon in a process of ours, without a client's help."""
        run = ["-c", code] if code else ["-m", "secondtake_daemon.service"]
        process = subprocess.Popen(
            [sys.executable, *run, "--home", str(self.root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.spawned.append(process)
        return process

    def daemon(self) -> Runtime:
        runtime = find_daemon(self.home)
        assert runtime is not None, "no daemon runs"
        return runtime

    def kill(self) -> Runtime:
        """kill -9 the daemon and wait until it is dead."""
        runtime = self.daemon()
        os.kill(runtime.pid, signal.SIGKILL)
        wait_for(lambda: not runtime.is_live)
        return runtime

    def starts(self, out: str = "out") -> list[int]:
        """Process ids of the workers that started on the job of this folder."""
        file = self.root / out / "starts"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def log(self) -> str:
        file = self.home.logs / "daemon.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def errors(self) -> str:
        file = self.home.logs / "daemon.err"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def close(self) -> None:
        for client in self.clients:
            client.close()
        runtime = find_daemon(self.home)
        if runtime is not None:
            os.kill(runtime.pid, signal.SIGTERM)
            wait_for(lambda: not runtime.is_live, timeout_s=15.0)
        for process in self.spawned:
            process.kill()
            process.communicate()
        log, errors = self.log(), self.errors()
        shutil.rmtree(self.root)
        print(log, errors)  # seen only if the test failed
        assert '"level":"error"' not in log, log
        assert "Traceback" not in errors, errors


def wait_for(condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    return is_same_process(pid, process_start(pid))
