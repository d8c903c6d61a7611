"""How daemons come and go: one per home, found or started by clients, ended by idleness, owners, signals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from places import Place, is_alive, wait_for

from secondtake import Client, DaemonLost, JobState, ensure_daemon, launch
from secondtake.endpoint import Endpoint, Runtime, read_runtime
from secondtake.process import process_start
from secondtake_daemon.service.supervisor import worker_environment
from secondtake_daemon.settings import Settings


def test_ready_in_time(place: Place) -> None:
    started = time.monotonic()
    client = place.client()
    seconds = time.monotonic() - started
    print(f"from nothing to WELCOME: {seconds:.3f} s, RSS {client.status().rss_bytes / 2**20:.0f} MiB")
    assert seconds < 3.0


def test_two_daemons_at_once(place: Place) -> None:
    place.client()
    pid = place.daemon().pid
    for arguments, status in ((["--autostart"], 0), ([], 10)):
        second = place.spawn(*arguments)
        errors = second.communicate(timeout=10)[1].decode()
        assert second.returncode == status
        assert errors == f"A daemon already runs for this home (pid {pid}). Stop it with `secondtake daemon stop`.\n"
    assert place.daemon().pid == pid


def test_five_clients_start_one_daemon(place: Place) -> None:
    instances: list[str] = []
    errors: list[BaseException] = []

    def connect() -> None:
        try:
            with Client.connect(home=place.root) as client:
                instances.append(client.status().instance)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=connect) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(instances) == 5
    assert len(set(instances)) == 1
    assert place.log().count('"ready"') == 1


def test_no_daemon_and_no_autostart(place: Place) -> None:
    with pytest.raises(DaemonLost, match="No daemon runs"):
        place.client(autostart=False)
    assert not place.home.runtime_file.exists()


def test_a_stale_runtime_file(place: Place) -> None:
    place.client().close()
    killed = place.kill()
    assert read_runtime(place.home) == killed
    with pytest.raises(DaemonLost):
        place.client(autostart=False)
    assert place.client().status().instance != killed.instance


def test_a_runtime_file_whose_pid_is_somebody_else(place: Place) -> None:
    place.client().close()
    killed = place.kill()
    foreign = msgspec.structs.replace(killed, pid=os.getpid())
    place.home.runtime_file.write_bytes(msgspec.json.encode(foreign))
    assert place.client().status().pid != os.getpid()


def test_a_half_written_runtime_file(place: Place) -> None:
    place.client().close()
    place.kill()
    place.home.runtime_file.write_bytes(place.home.runtime_file.read_bytes()[:50])
    assert place.client().status().pid == place.daemon().pid


def test_a_runtime_file_that_lies_costs_no_more_than_the_timeout(place: Place) -> None:
    lie = Runtime(
        pid=os.getpid(),
        pid_start=process_start(os.getpid()),
        machine=socket.gethostname(),
        instance="lie",
        protocol_min=1,
        protocol_max=1,
        version="0",
        endpoints=(Endpoint(url=f"ipc://{place.home.run}/nobody.ipc"),),
    )
    place.home.runtime_file.write_bytes(msgspec.json.encode(lie))
    started = time.monotonic()
    with pytest.raises(DaemonLost):
        place.client(autostart=False, timeout_s=0.5)
    assert time.monotonic() - started < 1.5
    place.home.runtime_file.unlink()


def test_a_daemon_that_hangs_does_not_hang_its_client(place: Place) -> None:
    client = place.client(timeout_s=1.0)
    os.kill(place.daemon().pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(DaemonLost, match=r"in time|reached"):
            client.status()
        assert time.monotonic() - started < 3.0
    finally:
        os.kill(place.daemon().pid, signal.SIGCONT)
    assert client.status().pid == place.daemon().pid


def test_idle_exit(place: Place) -> None:
    place.settings(idle_exit_s=0.6, worker_idle_s=0.2)
    client = place.client()
    runtime = place.daemon()
    for _ in range(5):
        time.sleep(0.2)
        assert client.status().pid == runtime.pid  # who speaks keeps it alive
    request = place.request("frames=1 frame_s=1.2")
    client.submit(request)
    time.sleep(1.0)
    assert runtime.is_live  # so does a job
    wait_for(lambda: not runtime.is_live)
    assert not place.home.runtime_file.exists()
    assert list(place.home.run.glob("*.ipc")) == []
    assert list(place.home.run.glob("*.worker")) == []
    assert client.jobs(job=request.job)[0].state is JobState.DONE  # the client starts the next one
    assert place.daemon().instance != runtime.instance


def test_it_ends_when_its_home_is_gone(place: Place) -> None:
    place.client()
    runtime = place.daemon()
    shutil.rmtree(place.root)
    wait_for(lambda: not runtime.is_live)
    place.home.create()


def test_slow_starters_give_way(place: Place) -> None:
    place.client()
    runtime = place.daemon()
    slow = launch._Attempt(place.home, owner_pid=None)
    slow.give_way(runtime)
    wait_for(lambda: slow._process.poll() is not None)
    assert slow._process.poll() == -signal.SIGTERM
    assert runtime.is_live


def test_a_worker_without_work_ends(place: Place) -> None:
    place.settings(worker_idle_s=0.3)
    client = place.client()
    client.run(place.request("frames=1"))
    wait_for(lambda: client.status().workers == ())
    assert not is_alive(place.starts()[0])
    assert "degraded" not in client.status().condition


def test_it_dies_with_its_owner(place: Place) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    runtime = ensure_daemon(place.home, owner_pid=owner.pid)
    client = place.client()
    client.submit(place.request("frame_s=30"))
    wait_for(lambda: place.starts())
    started = time.monotonic()
    owner.kill()
    wait_for(lambda: not runtime.is_live)
    print(f"gone {time.monotonic() - started:.2f} s after its owner")
    owner.communicate()
    assert '"the owner is gone"' in place.log()


def test_an_owner_that_does_not_exist(place: Place) -> None:
    with pytest.raises(DaemonLost, match="does not exist"):
        ensure_daemon(place.home, owner_pid=2**22 + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_in_order(place: Place, number: int) -> None:
    process = place.spawn()
    wait_for(lambda: place.home.runtime_file.exists())
    client = place.client(autostart=False)
    request = place.request("frame_s=30")
    client.submit(request)
    wait_for(lambda: place.starts())
    os.kill(process.pid, number)
    assert process.wait(10) == 0
    assert not is_alive(place.starts()[0])
    assert not place.home.runtime_file.exists()
    again = place.client()
    assert again.jobs(job=request.job)[0].attempts == 0
    again.cancel(request.job)


def test_stop_kills_workers_that_stay(place: Place) -> None:
    place.settings(quit_grace_s=0.3)
    client = place.client()
    client.submit(place.request("frame_s=30 stay"))
    wait_for(lambda: place.starts())
    runtime = place.daemon()
    client.stop()
    assert not runtime.is_live
    assert not is_alive(place.starts()[0])


def test_stop_with_drain_waits_for_what_runs(place: Place) -> None:
    client, other = place.client(), place.client()
    running, waiting = place.request("frames=2 frame_s=0.3"), place.request(out="other")
    client.submit(running)
    client.submit(waiting)
    wait_for(lambda: place.starts())
    client.stop(drain=True)
    assert place.starts("other") == []
    again = place.client()
    assert again.jobs(job=running.job)[0].state is JobState.DONE
    assert [view.state for view in again.watch(waiting.job)][-1] is JobState.DONE
    # A client of the old daemon finds the new one, and a submit to a stopping one goes to the next.
    assert other.status().pid == place.daemon().pid


def test_stop_without_a_daemon_starts_none(place: Place) -> None:
    client = place.client()
    client.stop()
    client.stop()
    assert not place.home.runtime_file.exists()


def test_a_long_home_gets_a_short_socket(place: Place) -> None:
    root = place.root / ("deep" * 20) / ("deeper" * 10)
    folders = []
    for _ in range(2):
        with Client.connect(home=root) as client:
            (url,) = client.status().endpoints
            folder = Path(url.removeprefix("ipc://")).parent
            assert folder.stat().st_mode & 0o777 == 0o700
            folders.append(folder)
        os.kill(client.welcome.pid, signal.SIGKILL)
        while process_start(client.welcome.pid):
            time.sleep(0.01)
    assert folders[1].exists()
    assert not folders[0].exists()  # the second daemon tidied up after the first
    with Client.connect(home=root) as client:
        client.stop()
    assert not any(folder.exists() for folder in folders)


def test_wrong_settings_are_told_to_who_started_it(place: Place) -> None:
    place.settings(wokers=2)
    with pytest.raises(DaemonLost, match="Unknown setting 'wokers'"):
        place.client()
    assert place.spawn().wait(10) == 2


def test_a_home_that_cannot_be_written(place: Place) -> None:
    (place.root / "file").write_text("")
    process = subprocess.run(
        [sys.executable, "-m", "secondtake_daemon.service", "--home", str(place.root / "file" / "x")],
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 13
    assert b"Traceback" not in process.stderr
    assert process.stderr.count(b"\n") == 1


def test_orphaned_workers_are_killed(place: Place) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    (place.home.run / f"{orphan.pid}.worker").write_text(process_start(orphan.pid))
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    (place.home.run / f"{bystander.pid}.worker").write_text("another start time")
    place.client()
    assert orphan.wait(5) == -signal.SIGKILL
    assert bystander.poll() is None
    bystander.communicate(b"\n")
    assert list(place.home.run.glob("*.worker")) == []


def test_the_launcher_file_names_our_python(place: Place) -> None:
    place.client()
    assert msgspec.json.decode(place.home.launcher_file.read_bytes()) == {"python": sys.executable}


def test_a_model_has_as_many_threads_however_many_workers_there_are() -> None:
    """Without a GPU the last bits of what it makes hang on them."""
    one, four = (worker_environment(Settings(workers=count)) for count in (1, 4))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        assert one[name] == four[name] == str(os.cpu_count())
    assert int(four["OPENCV_FOR_THREADS_NUM"]) == max((os.cpu_count() or 1) // 4, 1)
    said = worker_environment(Settings(workers=4, worker_threads=3))
    assert said["OMP_NUM_THREADS"] == said["OPENCV_FOR_THREADS_NUM"] == "3"


def test_environment_of_workers(place: Place) -> None:
    show = place.root / "show.py"
    show.write_text(
        "import json, os, sys\n"
        f"seen = open({str(place.root / 'seen')!r}, 'w')\n"
        "json.dump([dict(os.environ), sys.argv[1:], os.getcwd(), os.getsid(0)], seen)\n"
        "seen.close()\n"
        f"os.replace({str(place.root / 'seen')!r}, {str(place.root / 'seen.json')!r})\n"
    )
    place.settings(worker_command=[sys.executable, str(show)], worker_threads=3)
    client = place.client()
    request = place.request()
    client.submit(request)
    while not (place.root / "seen.json").exists():
        time.sleep(0.01)
    environment, arguments, folder, session = msgspec.json.decode((place.root / "seen.json").read_bytes())
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["OMP_NUM_THREADS"] == environment["OPENCV_FOR_THREADS_NUM"] == "3"
    assert arguments[:2] == ["--cache", str(place.home.cache)]
    assert folder == str(place.home.data)
    assert session != os.getsid(place.daemon().pid)
    client.cancel(request.job)
