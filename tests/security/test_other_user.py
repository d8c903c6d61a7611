"""Another user of the same machine: sees no key, no socket, no runtime file, and gets no word in."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from attackers import Net, needs_root
from places import wait_for

from secondtake import DiskError, Home
from secondtake.home import private_folder
from secondtake.keys import ensure_pair
from secondtake.pairing import make_code

NOBODY = 65_534
INTRUDER = """
import os, socket, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
for line in sys.stdin.read().splitlines():
    kind, _, path = line.partition(" ")
    try:
        if kind == "connect":
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(path)
        elif kind == "read":
            open(path, "rb").read()
        elif kind == "list":
            os.listdir(path)
        elif kind == "environment":
            open(path + "/environ", "rb").read()
        elif kind == "write":
            open(path + "/x.key", "wb").write(b"public")
        print("DONE", line)
    except OSError as error:
        print("refused", line)
"""


def modes(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
        for path in root.rglob("*")
        if not path.is_symlink()
    }


def test_folders_and_files_are_the_users_own(net: Net) -> None:
    make_code(net.place.home, name="laptop", endpoint=net.endpoint)
    net.own.run(net.request("frames=1"))
    found = modes(net.place.root)
    for folder in ("config", "config/keys", "config/clients", "config/pairing", "run", "data"):
        assert found[folder] == 0o700, folder
    private = [name for name in found if name.startswith(("config/keys/", "config/clients/", "config/pairing/"))]
    assert len(private) == 4
    for name in (*private, "run/daemon.json", "run/daemon.lock"):
        assert found[name] == 0o600, name
    for name, mode in found.items():
        if name.startswith(("config/", "run/", "data/")):
            assert not mode & 0o022, (name, oct(mode))


def test_a_folder_left_open_is_closed_at_the_next_start(net: Net) -> None:
    net.own.stop()
    for folder in (net.place.home.config, net.place.home.run):
        folder.chmod(0o777)
    net.place.client()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (net.place.home.config, net.place.home.run)} == {0o700}


@needs_root
def test_another_user_gets_nothing(net: Net) -> None:
    net.place.root.chmod(0o755)  # so that it is our own folders that keep him out
    home, runtime = net.place.home, net.place.daemon()
    ipc = next(found.url for found in runtime.endpoints if found.url.startswith("ipc")).removeprefix("ipc://")
    attempts = [
        f"connect {ipc}",
        f"read {home.runtime_file}",
        f"read {home.config / 'keys' / 'daemon.key'}",
        f"read {home.config / 'keys' / 'client.key'}",
        f"read {home.data / 'jobs.sqlite'}",
        f"list {home.config / 'clients'}",
        f"list {home.run}",
        f"write {home.config / 'clients'}",
        f"environment /proc/{runtime.pid}",
    ]
    run = subprocess.run(
        [sys.executable, "-I", "-c", INTRUDER.format(uid=NOBODY)],
        input="\n".join(attempts),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [f"refused {attempt}" for attempt in attempts]


@needs_root
def test_a_home_of_another_user_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(DiskError, match="belongs to another user"):
        private_folder(folder)


def test_no_secret_in_arguments_environment_runtime_file_or_logs(net: Net, tmp_path: Path) -> None:
    net.own.stop()
    net.place.settings(tcp="127.0.0.1:0", roots=[str(net.place.root / "show")], worker_command=[])
    client = net.place.client()
    client.submit(net.request())
    wait_for(lambda: client.status().workers, timeout_s=20.0)
    code = make_code(net.place.home, name="laptop", endpoint=net.endpoint)
    secrets = [ensure_pair(net.place.home, name).secret for name in ("client", "daemon")] + [code.secret]
    daemon = psutil.Process(net.place.daemon().pid)
    processes = [daemon, *daemon.children(recursive=True)]
    assert len(processes) > 1
    seen = [" ".join(process.cmdline()) + repr(process.environ()) for process in processes]
    places = [net.place.home.run, net.place.home.logs, net.place.home.data, net.place.home.cache]
    seen += [
        path.read_bytes().decode("utf-8", "replace") for place in places for path in place.rglob("*") if path.is_file()
    ]
    assert not any(secret in text for secret in secrets for text in seen)


def test_the_command_takes_a_code_from_stdin_only(home: Path) -> None:
    command = [sys.executable, "-P", "-m", "secondtake_daemon", "clients", "join"]
    given = subprocess.run([*command, "st1-AAAA"], capture_output=True, text=True, timeout=30, check=False)
    assert given.returncode == 2
    piped = subprocess.run(command, input="st1-AAAA\n", capture_output=True, text=True, timeout=30, check=False)
    assert piped.returncode == 2 and "no pairing code" in piped.stderr
    assert not (Home.find(home).config / "daemons").exists()
