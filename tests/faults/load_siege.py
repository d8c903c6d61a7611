"""Hosts, a daemon and its workers under SIGKILL at random moments, and what must be true afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
from load_client import WORDS, request_of, seed_of
from load_worker import frame_bytes, manifest_bytes
from places import Place, wait_for

from secondtake import Client
from secondtake.endpoint import find_daemon

HERE = Path(__file__).parent
WORKER = [sys.executable, str(HERE / "load_worker.py")]
FRAMES = 4
_HOSTS = ("maya", "nuke", "blender")
_END_S = 60.0


class Siege:
    """Use: `begin`, any number of `kill_one`, `end`, then the checks."""

    def __init__(self, place: Place, *, seed: int, shot: Path | None = None) -> None:
        """shot: of the jobs, for real workers; without one the workers are `load_worker.py`."""
        print(f"seed {seed}")
        self.place = place
        self._shot = shot
        self.kills: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._hosts: dict[str, subprocess.Popen[bytes]] = {}
        self._told = place.root / "told"

    def begin(self) -> None:
        """Let the hosts send jobs."""
        assert f"frames={FRAMES} " in WORDS
        self._told.mkdir()
        for name in _HOSTS:
            self._start(name)

    def pause(self, least_s: float, most_s: float) -> None:
        """Wait for a random time."""
        time.sleep(self._random.uniform(least_s, most_s))

    def kill_one(self) -> None:
        """SIGKILL somebody. A host that is killed starts again at once, a daemon when a host misses it."""
        who = self._random.choice(("daemon", "daemon", "worker", "worker", "host"))
        if who == "host":
            name = self._random.choice(_HOSTS)
            self._hosts[name].kill()
            self._hosts[name].wait()
            self._start(name)
        else:
            workers = [int(note.stem) for note in self.place.home.run.glob("*.worker")]
            daemon = find_daemon(self.place.home)
            victim = self._random.choice(workers) if who == "worker" and workers else daemon.pid if daemon else 0
            if not victim:
                return
            who = "worker" if victim in workers else "daemon"
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self.kills[who] += 1

    def end(self) -> None:
        """Let the hosts wait for what they sent, and stop the daemon."""
        (self._told / "enough").touch()
        for name, host in self._hosts.items():
            _, errors = host.communicate(timeout=_END_S)
            assert host.returncode == 0, f"{name}: {errors.decode()}"
        with Client.connect(home=self.place.root, timeout_s=10.0) as client:
            assert client.status().queued == client.status().running == 0
            client.stop()
        print(f"{dict(self.kills)}, {len(self.facts('acked'))} jobs")

    def facts(self, kind: str) -> dict[str, set[tuple[str, ...]]]:
        """What the hosts were told: by job, each thing once."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for name in _HOSTS:
            for line in (self._told / name).read_text().splitlines():
                word, job, *rest = line.split()
                if word == kind:
                    found.setdefault(job, set()).add(tuple(rest))
        return found

    def check_jobs(self) -> None:
        """Each acknowledged job ended once, as the journal, the events and the log say."""
        acked, ended = self.facts("acked"), self.facts("ended")
        assert len(acked) >= len(_HOSTS)
        assert acked.keys() == ended.keys()
        assert all(len(endings) == 1 for endings in ended.values())
        with sqlite3.connect(self.place.home.data / "jobs.sqlite") as journal:
            rows = journal.execute("SELECT job, state, take FROM jobs WHERE ended IS NOT NULL").fetchall()
            assert journal.execute("SELECT count(*) FROM jobs WHERE ended IS NULL").fetchone() == (0,)
            assert journal.execute("SELECT job, attempts, error FROM jobs WHERE state <> 'done'").fetchall() == []
        journal.close()
        assert len(rows) == len({row[0] for row in rows})
        assert {row[0]: {(row[1], row[2])} for row in rows} == ended
        assert {row[1] for row in rows} == {"done"}
        lines = [json.loads(line) for line in self.place.log().splitlines()]
        endings = Counter(line["job"] for line in lines if line["event"] == "job ended")
        assert set(endings.values()) <= {1}

    def check_files(self) -> None:
        """Every take is whole, has the bytes of an undisturbed run, and there is nothing else."""
        calm = self._calm_takes() if self._shot else {}
        for job, ((_, take),) in self.facts("ended").items():
            folder, seed = self.place.root / "takes" / job, seed_of(job)
            found = {path.name.replace(f".{take}.", "."): path.read_bytes() for path in folder.iterdir()}
            if self._shot:
                assert found.pop("take.json")  # it has the time in it
                assert found == calm[seed]
            else:
                wanted = {f"sh.{frame}.exr": frame_bytes(seed, frame) for frame in range(1, FRAMES + 1)}
                assert found == {**wanted, "take.json": manifest_bytes(take, seed, FRAMES)}
        left = [path for path in self.place.root.rglob("*") if path.suffix in (".part", ".ledger", ".ipc", ".worker")]
        assert left == []

    def check_processes(self) -> None:
        """Nothing that was started here runs any more."""
        wait_for(lambda: not processes_of(self.place.root))

    def _calm_takes(self) -> dict[int, dict[str, bytes]]:
        """What an undisturbed daemon makes of each seed, without the patches of the siege."""
        shutil.rmtree(self.place.home.cache)
        found = {}
        with Client.connect(home=self.place.root, timeout_s=10.0) as client:
            for seed in {seed_of(job) for job in self.facts("ended")}:
                request = request_of(self.place.root, f"{seed:032x}", self._shot)
                result = client.run(msgspec.structs.replace(request, seed=seed), timeout_s=60.0)
                files = [path for path in Path(request.out).iterdir() if path.name != "take.json"]
                found[seed] = {path.name.replace(f".{result.take}.", "."): path.read_bytes() for path in files}
            client.stop()
        return found

    def _start(self, name: str) -> None:
        command = [sys.executable, str(HERE / "load_client.py"), str(self.place.root), name]
        command += [str(self._shot)] if self._shot else []
        host = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._hosts[name] = host
        self.place.spawned.append(host)


def processes_of(root: Path) -> list[psutil.Process]:
    """Daemons and workers of a home, whoever started them."""
    return [process for process in psutil.process_iter() if _belongs(process, str(root))]


def _belongs(process: psutil.Process, root: str) -> bool:
    with suppress(psutil.Error, OSError):
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("SECONDTAKE_HOME") == root or root in process.cmdline()
    return False
