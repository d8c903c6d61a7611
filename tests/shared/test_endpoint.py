from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from secondtake.endpoint import Endpoint, Runtime, find_daemon, read_runtime, write_private
from secondtake.errors import DaemonLost, DiskError
from secondtake.home import Home
from secondtake.launch import daemon_command
from secondtake.process import is_same_process, process_start


def runtime(**changes: object) -> Runtime:
    mine = Runtime(
        pid=os.getpid(),
        pid_start=process_start(os.getpid()),
        machine=socket.gethostname(),
        instance="i",
        protocol_min=1,
        protocol_max=1,
        version="0",
        endpoints=(Endpoint(url="ipc:///x"),),
    )
    return msgspec.structs.replace(mine, **changes)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.find(tmp_path / "home")
    home.create()
    return home


def test_a_live_daemon_is_found(home: Home) -> None:
    write_private(home.runtime_file, msgspec.json.encode(runtime()))
    assert find_daemon(home) == runtime()
    assert home.runtime_file.stat().st_mode & 0o777 == 0o600
    assert home.run.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "changes", [{"pid_start": "another"}, {"pid": 2**22 + 1}, {"pid": 0}, {"machine": "elsewhere"}]
)
def test_stale_files_mean_no_daemon(home: Home, changes: dict[str, object]) -> None:
    write_private(home.runtime_file, msgspec.json.encode(runtime(**changes)))
    assert read_runtime(home) is not None
    assert find_daemon(home) is None


def test_half_written_files_mean_no_daemon(home: Home) -> None:
    whole = msgspec.json.encode(runtime())
    for length in range(len(whole)):
        home.runtime_file.write_bytes(whole[:length])
        assert find_daemon(home) is None
    home.runtime_file.write_bytes(b"\xff\xfe garbage")
    assert find_daemon(home) is None


def test_no_file_and_a_folder_mean_no_daemon(home: Home) -> None:
    assert find_daemon(home) is None
    home.runtime_file.mkdir()
    assert find_daemon(home) is None


def test_a_corpse_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process_start(child.pid)
    assert is_same_process(child.pid, start)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but not reaped
    assert process_start(child.pid) == ""
    assert not is_same_process(child.pid, start)
    child.communicate()


def test_write_private_leaves_nothing_behind(home: Home) -> None:
    target = home.run / "folder"
    (target / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_private(target, b"x")
    assert [path.name for path in home.run.iterdir()] == ["folder"]


def test_secondtake_home_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDTAKE_HOME", str(tmp_path / "a" / ".." / "b"))
    home = Home.find()
    assert home.root == tmp_path / "b"
    folders = (home.config, home.run, home.data, home.cache, home.logs)
    assert {folder.parent for folder in folders} == {tmp_path / "b"}
    assert Home.find(tmp_path / "c").root == tmp_path / "c"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders")
def test_platform_folders_are_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDTAKE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    home = Home.find()
    assert home.root is None
    assert home.config == tmp_path / ".config" / "secondtake"
    assert home.cache == tmp_path / ".cache" / "secondtake"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert Home.find().config == tmp_path / "xdg" / "secondtake"


def test_loose_folders_are_tightened(tmp_path: Path) -> None:
    home = Home.find(tmp_path)
    home.run.mkdir(mode=0o755)
    home.create()
    assert home.run.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be made"):
        Home.find(tmp_path / "file" / "home").create()


def test_launcher_rule(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert daemon_command(home)[0] == sys.executable
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DaemonLost, match="no launcher file"):
        daemon_command(home)
    home.launcher_file.write_text('{"python": "/elsewhere/python"}')
    assert daemon_command(home) == ["/elsewhere/python", "-P", "-m", "secondtake_daemon.service"]
    home.launcher_file.write_text('{"pyth')
    with pytest.raises(DaemonLost, match="no launcher file"):
        daemon_command(home)
