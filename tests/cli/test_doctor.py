"""`secondtake doctor`: each finding names its remedy; the bundle holds nothing of who, where, what."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secondtake import Client, FixRequest, Operation
from secondtake.endpoint import find_daemon
from secondtake.home import Home
from secondtake.keys import ensure_pair
from secondtake_daemon.cli import doctor_home, doctor_software
from secondtake_daemon.cli.checks import all_checks
from secondtake_daemon.cli.doctor_check import Check, Health
from secondtake_daemon.cli.redact import Redactor

Command = Callable[..., Any]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and signals")


def found(checks: Iterator[Check] | list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


def test_what_is_asked(secondtake: Command, home: Path, tmp_path: Path) -> None:
    began_s = time.monotonic()
    ran = secondtake("doctor", "--out", tmp_path, "--json")
    assert time.monotonic() - began_s < 5
    assert ran.status == 0, ran.json
    names = {check["name"] for check in ran.json["checks"]}
    wanted = (
        "python settings rights memory socket lock daemon launcher sandbox libzmq OpenEXR torch Blender colour movies"
    )
    assert set(wanted.split()) | {"DaVinci Resolve", "clock cache", "clock out", "space data", "folder run"} <= names
    assert all(check["remedy"] for check in ran.json["checks"] if check["health"] != "ok")
    assert not list(home.rglob(".doctor-*"))
    assert not list(tmp_path.iterdir())
    assert find_daemon(Home.under(home)) is None  # it starts nothing


def test_nothing_heavy_is_loaded(home: Path) -> None:
    before = {name for name in sys.modules if name.split(".")[0] in ("torch", "diffusers", "transformers")}
    list(all_checks(Home.under(home)))
    assert {name for name in sys.modules if name.split(".")[0] in ("torch", "diffusers", "transformers")} == before


def test_settings_and_where_they_come_from(secondtake: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Home.under(home).create()
    Home.under(home).settings_file.write_text("[daemon]\nworkers = 2\nidle_exit_s = 7.0\n")
    monkeypatch.setenv("SECONDTAKE_WORKERS", "3")
    ran = secondtake("doctor", "--json")
    settings = {setting["name"]: (setting["value"], setting["source"]) for setting in ran.json["settings"]}
    assert settings["workers"] == (3, "SECONDTAKE_WORKERS")
    assert settings["idle_exit_s"] == (7.0, "file")
    assert settings["max_attempts"] == (3, "default")
    assert "setting workers = 3 (SECONDTAKE_WORKERS)" in secondtake("doctor").out


def test_too_little_room(secondtake: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDTAKE_MIN_FREE_BYTES", str(1 << 60))
    ran = secondtake("doctor", "--json")
    assert ran.status == 12
    failed = [check for check in ran.json["checks"] if check["health"] == "fail"]
    assert {check["name"] for check in failed} == {"space data", "space cache"}
    assert all("Make room" in check["remedy"] for check in failed)
    assert ran.json["healthy"] is False


@pytest.mark.parametrize("name", ["config/keys/daemon.key", "run/daemon.json", "data"])
def test_what_others_may_read(home: Path, name: str) -> None:
    place = Home.under(home)
    place.create()
    ensure_pair(place, "daemon")
    place.runtime_file.touch(mode=0o600)
    assert found(all_checks(place), "rights").health is Health.OK
    path = home / name
    path.chmod(path.stat().st_mode | 0o044)
    check = found(all_checks(place), "rights")
    assert check.health is Health.FAIL
    assert check.remedy == f"chmod {'700' if path.is_dir() else '600'} {path}"


def test_what_a_killed_daemon_left(secondtake: Command, home: Path) -> None:
    secondtake("daemon", "start")
    place = Home.under(home)
    runtime = find_daemon(place)
    assert runtime is not None
    assert f"held by pid {runtime.pid}" in found(all_checks(place), "lock").found
    os.kill(runtime.pid, signal.SIGKILL)
    while runtime.is_live:
        time.sleep(0.01)
    checks = list(all_checks(place))
    assert f"{runtime.instance[:8]}.ipc" in found(checks, "lock").found
    assert f"pid {runtime.pid}" in found(checks, "daemon").found
    assert all(check.health is not Health.FAIL for check in checks)


def test_a_daemon_that_cannot_be_reached(secondtake: Command, home: Path) -> None:
    secondtake("daemon", "start")
    place = Home.under(home)
    runtime = find_daemon(place)
    assert runtime is not None
    (place.run / f"{runtime.instance[:8]}.ipc").unlink()
    checks = list(all_checks(place))
    assert found(checks, "socket file").health is Health.FAIL
    assert found(checks, "daemon").health is Health.FAIL
    os.kill(runtime.pid, signal.SIGSTOP)
    try:
        place.runtime_file.unlink()
        check = found(all_checks(place), "lock")
        assert check.health is Health.FAIL
        assert check.remedy
    finally:
        os.kill(runtime.pid, signal.SIGCONT)


def test_a_clock_that_is_off(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    assert found(doctor_home.clock(Home.under(tmp_path), None), "clock cache").health is Health.OK
    real = time.time
    for ahead_s in (100.0, -100.0):
        monkeypatch.setattr(doctor_home.time, "time", lambda ahead_s=ahead_s: real() + ahead_s)
        check = found(doctor_home.clock(Home.under(tmp_path), None), "clock cache")
        assert check.health is Health.WARN
        assert ("behind" if ahead_s > 0 else "ahead") in check.found
        assert "NTP" in check.remedy


def test_a_launcher_that_leads_nowhere(home: Path) -> None:
    place = Home.under(home)
    place.create()
    place.launcher_file.write_text('{"python":"/gone/bin/python"}')
    assert found(doctor_home.launcher(place), "launcher").health is Health.FAIL
    place.launcher_file.write_text("{")
    assert found(all_checks(place), "launcher").health is Health.FAIL


def test_old_libraries_fail(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_software, "version", lambda name: "3.1.2" if name == "OpenEXR" else "99.0")
    checks = list(doctor_software.libraries(Home.under(home)))
    assert [check.name for check in checks if check.health is Health.FAIL] == ["OpenEXR"]
    assert "security" in found(checks, "OpenEXR").remedy


@pytest.mark.parametrize(
    ("version", "health"), [("2.9.0+cu130", Health.WARN), ("2.9.0+cpu", Health.OK), ("2.9.0+rocm6", Health.WARN)]
)
def test_torch_without_a_driver(home: Path, monkeypatch: pytest.MonkeyPatch, version: str, health: Health) -> None:
    monkeypatch.setattr(doctor_software, "version", lambda name: version)
    monkeypatch.setattr(doctor_software, "_driver", lambda: "")
    if sys.platform != "linux" and "rocm" in version:
        return
    assert found(doctor_software.torch(Home.under(home)), "torch").health is health


SECRETS = {
    "user": "xavierquill",
    "show": "Project Nightjar",
    "instruction": "replace the prime minister with a llama",
    "printed": "UnannouncedTitle2027",
}


def test_the_bundle_holds_no_secret(
    secondtake: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, SECRETS["user"])
    show = tmp_path / SECRETS["show"]
    show.mkdir()
    monkeypatch.setenv("SECONDTAKE_ROOTS", str(show))
    monkeypatch.setenv("SECONDTAKE_TCP", "127.0.0.1:0")
    place = Home.under(home)
    request = FixRequest(
        job=uuid.uuid4().hex,
        shot="nightjar_sh010",
        plate=str(show / "plate.####.exr"),
        matte=str(show / "matte.exr"),
        out=str(show / "out"),
        operation=Operation.MODIFY,
        instruction=SECRETS["instruction"],
        engine="standin",
    )
    with Client.connect(client=f"secondtake-{SECRETS['user']}/1.2") as client:
        client.submit(request)
        list(client.watch(request.job))
    keys = [
        word
        for file in [*(place.config / "keys").glob("*"), *(place.config / "clients").glob("*")]
        for word in file.read_text().split()
        if len(word) == 40
    ]
    assert len(keys) >= 4
    with (place.logs / "worker.log").open("ab") as log:
        for text in (
            f"Traceback: {SECRETS['instruction']}",
            f"ValueError: {SECRETS['printed']} in {show}/plate.1001.exr",
            f'File "{show}/engine.py", line 12, in render',
        ):
            line = {"time": "2026-01-01T00:00:00.000Z", "level": "info", "event": "printed", "text": text, "job": "ab"}
            log.write(json.dumps(line).encode() + b"\n")
        log.write(json.dumps({"event": SECRETS["instruction"], "fields": {}}).encode() + b"\n")
        log.write(f"torn {keys[0]} {SECRETS['printed']}\n".encode())
    with (place.logs / "daemon.log").open("ab") as log:
        reason = f"The disk is full {show}/out key {keys[1]} of {SECRETS['user']}@{socket.gethostname()} {'ab' * 32}"
        log.write(
            json.dumps({"level": "warning", "event": "not swept", "reason": reason, "out": str(show)}).encode() + b"\n"
        )
    bundle = tmp_path / "bundle.zip"
    ran = secondtake("doctor", "--bundle", bundle)
    assert ran.status == 0, ran.err
    with zipfile.ZipFile(bundle) as opened:
        contents = {name: opened.read(name).decode() for name in opened.namelist()}
    assert set(contents) == {"report.json", "daemon.log", "worker.log"}
    secrets = [*SECRETS.values(), *keys, str(home), str(tmp_path), "Nightjar", "plate.1001", "ab" * 32]
    secrets += [socket.gethostname()] if len(socket.gethostname()) > 3 else []
    for name, text in contents.items():
        for secret in secrets:
            assert secret.lower() not in text.lower(), f"{secret} stands in {name}"
    report = json.loads(contents["report.json"])
    assert {"checks", "settings"} == set(report)
    daemon = [json.loads(line) for line in contents["daemon.log"].splitlines()]
    assert request.job in {line.get("job") for line in daemon}  # what a fault can be found with is there
    assert {"ready", "job sent", "job ended"} <= {line["event"] for line in daemon}
    worker = [json.loads(line) for line in contents["worker.log"].splitlines()]
    assert [fault for line in worker for fault in line.get("faults", ())][-2:] == ["ValueError", "engine.py:12"]


def test_a_bundle_that_cannot_be_written(secondtake: Command, tmp_path: Path) -> None:
    ran = secondtake("doctor", "--bundle", tmp_path / "missing" / "x.zip", "--json")
    assert ran.status == 12
    assert ran.json["error"]["code"] == "bad_output"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("none at all; and/or 4.3.4", "none at all; and/or 4.3.4"),
        ("The folder cannot be made. /show/My Film/out (x)", "The folder cannot be made. <path>"),
        (r"C:\Users\me\file", "<path>"),
        ("ipc:///tmp/st-1/a.ipc", "ipc:<path>"),
        ("tcp://me:pass@10.0.0.1:5", "tcp:<path>"),
        ("ab" * 32, "<digest>"),
        ("key rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7.", "key <key>."),
    ],
)
def test_what_is_taken_out(home: Path, text: str, clean: str) -> None:
    assert Redactor(Home.under(home)).text(text) == clean
